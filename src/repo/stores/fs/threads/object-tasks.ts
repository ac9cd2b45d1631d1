/** What is done to one object of a long list, in whichever thread. Threads are started by object-threads.ts. */

import { closeSync, constants, openSync } from 'node:fs'
import type { MaybePromise } from '../../../../bytes.ts'
import { ObjectNotFoundError } from '../../../../errors.ts'
import { formatObjectName, type ObjectList, type ObjectName } from '../../../../objects/index.ts'
import type { Platform } from '../../../../platform/index.ts'
import { loadLinkCalls } from '../../../../system/native-link.ts'
import type { ObjectTask } from '../../../core/interface.ts'
import { verifyObject } from '../../../core/verify-object.ts'
import type { LooseObjects } from '../loose/loose.ts'

export interface TaskOnOne {
  /** Throws when anything is the matter. @returns bytes that were freed */
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

/** Lists are in the order of the directories: one at a time is open, and names in it are found at half the price. */
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

/** What became of objects `from`… of a list. */
export interface Outcome {
  readonly from: number
  /** Those it went wrong with, as indices of the whole list. */
  readonly left: readonly number[]
  readonly bytes: number
}

/** Leaves nothing open. */
export async function runTask(task: TaskOnOne, from: number, names: ObjectList): Promise<Outcome> {
  const left: number[] = []
  let bytes = 0
  for (let i = 0; i < names.length; i++) {
    try {
      const done = task.run(names.name(i))
      bytes += done instanceof Promise ? await done : done
    } catch {
      // Whoever is left with it finds out why.
      left.push(from + i)
    }
  }
  task.close()
  return { from, left, bytes }
}
