/** What a store may be able to do faster than the methods of `ObjectStore`, and what it can tell about its files. */

import type { Checksum, MaybePromise } from '../../bytes.ts'
import type { ObjectList, ObjectName, ObjectType } from '../../objects/index.ts'
import type { RandomAccess } from './random-access.ts'

/** `verify`: compares the object with its checksum. `delete`: deletes it. */
export type ObjectTask = 'verify' | 'delete'

/** The objects at `from` to `to` (exclusive) of a list, on which a task was done. */
export interface Batch {
  readonly from: number
  readonly to: number
  /** Indices in the list of the objects on which the task was not done, or did not succeed. The caller does them itself. */
  readonly left: ReadonlySet<number>
  /** Bytes that the deleted objects took. */
  readonly bytes: number
}

/** Faster ways to do what other methods of `ObjectStore` do. Helpers in batches.ts do without where a store has none. */
export interface FastPaths {
  /**
   * Lists as `ObjectStore.list` does, in lists of some hundreds of names. Each list is valid until the next is requested.
   * A name and a promise for each object is most of what listing costs.
   */
  listMany(type?: ObjectType): Iterable<ObjectList>
  /**
   * Does a task on a list of objects in threads: yields batches in the order of the list, which together cover it. If the
   * loop is left early, the work has ended when the loop is left.
   * @returns `undefined` if there are no threads, or the list is too short to be worth them
   */
  workAhead(task: ObjectTask, names: ObjectList): AsyncIterable<Batch> | undefined
}

/** What a store can tell that keeps each object in a file of its own. */
export interface LooseFiles {
  /** Returns the absolute path of the object's file: a checkout may hard-link it. `undefined` if it is not stored. */
  path(name: ObjectName): string | undefined
  /** Returns the file object that a `payload-link` object links to. `undefined` if that is not stored. */
  payloadTarget(payload: Checksum): MaybePromise<Checksum | undefined>
  /** Opens the content of a regular file that is stored uncompressed, to be read at any place; else `undefined`. */
  open(checksum: Checksum): RandomAccess | undefined
}
