/**
 * Processes long lists of objects in batches, in threads if the store has them. Threads process batches in any order,
 * but results are returned in the order of the list. Objects for which the task did not succeed are left to the caller,
 * so that errors are the same with and without threads.
 */

import { ObjectList, type ObjectType } from '../../objects/index.ts'
import type { Batch, ObjectTask } from './fast-paths.ts'
import type { ObjectStore } from './interface.ts'

/** Objects per batch without threads. */
const BATCH = 1024

/**
 * Performs a task on a list of objects, and yields batches that cover the list in order. Without threads nothing is
 * done, and all objects are `left` to the caller. When the caller leaves the loop early, the threads stop first.
 */
export async function* workOff(
  objects: ObjectStore,
  task: ObjectTask,
  names: ObjectList,
): AsyncGenerator<Batch, void, undefined> {
  const ahead = objects.fast?.workAhead(task, names)
  if (ahead !== undefined) {
    yield* ahead
    return
  }
  for (let from = 0; from < names.length; from += BATCH) {
    const to = Math.min(from + BATCH, names.length)
    yield { from, to, left: new Set(Array.from({ length: to - from }, (_, i) => from + i)), bytes: 0 }
  }
}

/**
 * Lists the objects of a store in lists of some hundreds, in no particular order. Each list is valid until the next one
 * is requested.
 */
export async function* listMany(objects: ObjectStore, type?: ObjectType): AsyncGenerator<ObjectList, void, undefined> {
  const lists = objects.fast?.listMany(type)
  if (lists !== undefined) {
    yield* lists
    return
  }
  const names = ObjectList.empty()
  for await (const name of objects.list(type)) {
    names.push(name)
    if (names.length < BATCH) continue
    yield names
    names.clear()
  }
  yield names
}
