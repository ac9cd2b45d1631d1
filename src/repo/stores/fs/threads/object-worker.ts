/** The program of a thread that does a task on batches of objects. object-threads.ts starts it. */

import { ObjectList } from '../../../../objects/index.ts'
import { nodePlatform } from '../../../../platform/node.ts'
import { loadNative } from '../../../../system/native.ts'
import { runProgram } from '../../../../system/threads/thread-program.ts'
import { contentModeOf, needsNative } from '../content/content-modes.ts'
import { LooseObjects } from '../loose/loose.ts'
import { LooseReader } from '../loose/loose-reader.ts'
import { type Outcome, runTask, taskOn } from './object-tasks.ts'
import type { ObjectThreadData, PackedBatch } from './object-threads.ts'

runProgram<ObjectThreadData, PackedBatch, Outcome>(({ root, settings, task }) => {
  if (needsNative(settings.mode)) loadNative()
  const reader = new LooseReader(contentModeOf(settings, nodePlatform, loadNative))
  // The starter of the thread has checked that the repository is writable.
  const objects = new LooseObjects(root, settings.mode, reader, { requireWritable() {}, fsync: () => false })
  const run = taskOn(task, objects, nodePlatform)
  return async (batch) => ({ reply: await runTask(run, batch.from, ObjectList.unpack(batch)) })
})
