/** The program of a writer thread: makes loose files of slabs of small files. write-behind.ts starts it. */

import { loadExactDeflate } from '../../../../platform/internal.ts'
import { nodePlatform } from '../../../../platform/node.ts'
import { loadNative } from '../../../../system/native.ts'
import { packError } from '../../../../system/threads/thread-errors.ts'
import { type Answer, runProgram } from '../../../../system/threads/thread-program.ts'
import { contentModeOf, needsNative } from '../content/content-modes.ts'
import { unpackSlab } from './slab.ts'
import type { SlabOutcome, SlabToWrite, WriterData } from './write-behind.ts'

runProgram<WriterData, SlabToWrite, SlabOutcome>(({ settings }) => {
  if (needsNative(settings.mode)) loadNative()
  const content = contentModeOf(settings, nodePlatform, loadNative)

  return async ({ slab, perObjectFsync, exact }): Promise<Answer<SlabOutcome>> => {
    try {
      content.begin(perObjectFsync, exact ? await loadExactDeflate() : undefined)
      unpackSlab(slab, (path, header, body) => content.create(path, header, body))
      return { reply: { kind: 'written', bytes: slab.bytes }, transfer: [slab.bytes.buffer as ArrayBuffer] }
    } catch (error) {
      return { reply: { kind: 'failed', error: packError(error) } }
    }
  }
})
