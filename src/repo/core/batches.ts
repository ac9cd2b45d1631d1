/**
 * Long lists of objects worked off by all processors there are. A store that has threads does in them what it can, in
 * any order; its results are told in the order of the list, and whatever was not plain success is left to the caller, who
 * alone knows what to make of it. So the work is the same with threads and without, down to the first error.
 */

import { ObjectList, type ObjectType } from '../../objects/index.ts'
import type { Batch, ObjectStore, ObjectTask } from './interface.ts'

const BATCH = 1024

/** Leaving the loop early ends the work; it has ended when the loop is left. */
export async function* workOff(
  objects: ObjectStore,
  task: ObjectTask,
  names: ObjectList,
): AsyncGenerator<Batch, void, undefined> {
  const ahead = objects.workAhead?.(task, names)
  if (ahead !== undefined) {
    yield* ahead
    return
  }
  for (let from = 0; from < names.length; from += BATCH) {
    const to = Math.min(from + BATCH, names.length)
    yield { from, to, left: new Set(Array.from({ length: to - from }, (_, i) => from + i)), bytes: 0 }
  }
}

/** All objects of a store, as `ObjectStore.list`, in lists of some hundreds; each is good until the next is asked for. */
export async function* listMany(objects: ObjectStore, type?: ObjectType): AsyncGenerator<ObjectList, void, undefined> {
  const lists = objects.listMany?.(type)
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
