/** The tasks on objects of a long list, as any thread does them. object-threads.ts starts the threads. */

import { closeSync, constants, openSync } from 'node:fs'
import type { MaybePromise } from '../../../../bytes.ts'
import { ObjectNotFoundError } from '../../../../errors.ts'
import { formatObjectName, type ObjectList, type ObjectName } from '../../../../objects/index.ts'
import type { Platform } from '../../../../platform/index.ts'
import { loadLinkCalls } from '../../../../system/native-link.ts'
import type { ObjectTask } from '../../../core/fast-paths.ts'
import { verifyObject } from '../../../core/verify-object.ts'
import type { LooseObjects } from '../loose/loose.ts'

export interface TaskOnOne {
  /** Does the task on one object. @returns bytes that were freed. @throws on any fault */
  run(name: ObjectName): MaybePromise<number>
  close(): void
}

export function taskOn(task: ObjectTask, objects: LooseObjects, platform: Platform): TaskOnOne {
  switch (task) {
    case 'verify':
      return { run: (name) => verifyObject({ objects, platform }, name).then(() => 0), close() {} }
    case 'delete':
      return new Deletion(objects)
  }
}

/**
 * Deletes objects. A list is in the order of the directories, so one of them is open at a time, and looking a name up in
 * it takes half the time of a path.
 */
class Deletion implements TaskOnOne {
  readonly #objects: LooseObjects
  readonly #calls = loadLinkCalls()
  #open: { readonly head: string; readonly fd: number } | undefined

  constructor(objects: LooseObjects) {
    this.#objects = objects
  }

  run(name: ObjectName): number {
    const calls = this.#calls
    if (calls === undefined) {
      const bytes = this.#objects.storageSize(name)
      this.#objects.delete(name)
      return bytes
    }
    const fd = this.#directory(name.checksum.slice(0, 2))
    const file = this.#objects.fileName(name)
    const inode = calls.inode(fd, file)
    if (inode === undefined || calls.unlink(fd, file) !== undefined) {
      throw new ObjectNotFoundError(formatObjectName(name))
    }
    return inode.size
  }

  #directory(head: string): number {
    if (this.#open?.head !== head) {
      this.close()
      const flags = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW
      this.#open = { head, fd: openSync(`${this.#objects.root}/objects/${head}`, flags) }
    }
    return this.#open.fd
  }

  close(): void {
    if (this.#open !== undefined) closeSync(this.#open.fd)
    this.#open = undefined
  }
}

/** The result of a task on the batch of a list that begins at index `from`. */
export interface Outcome {
  readonly from: number
  /** Indices in the whole list of the objects on which the task failed. */
  readonly left: readonly number[]
  /** Bytes that were freed. */
  readonly bytes: number
}

/** Does a task on each object of a batch, and closes it. */
export async function runTask(task: TaskOnOne, from: number, names: ObjectList): Promise<Outcome> {
  const left: number[] = []
  let bytes = 0
  for (let i = 0; i < names.length; i++) {
    try {
      const done = task.run(names.name(i))
      bytes += done instanceof Promise ? await done : done
    } catch {
      // The caller repeats the task on the objects in `left`, and meets the error again.
      left.push(from + i)
    }
  }
  task.close()
  return { from, left, bytes }
}
