/**
 * Files that threads create while the walk over the tree continues. A new directory gets its permissions, owner and
 * time only after its files have been created. It stays open until then, so its parent can be finished first.
 */

import type { MaybePromise } from '../../bytes.ts'
import type { CheckoutThreads, FileToMake, TargetDirectory } from './target.ts'

/** A directory with files that threads have not created yet. */
interface Awaited {
  /** Number of these files. */
  away: number
  /** What to do when all are created; set when the walk has left the directory. */
  finish: (() => Promise<void>) | undefined
}

/** Hands files to threads, and finishes each directory when its last file is created. */
export class FilesAhead {
  /** Number of files that threads have created. */
  made = 0
  readonly #threads: CheckoutThreads
  readonly #make: (file: FileToMake) => Promise<void>
  readonly #awaited = new Map<TargetDirectory, Awaited>()

  /** @param make creates a file that a thread has not created */
  constructor(threads: CheckoutThreads, make: (file: FileToMake) => Promise<void>) {
    this.#threads = threads
    this.#make = make
  }

  /** Hands a file to a thread. @returns false when the caller has to create it */
  take(file: FileToMake): boolean {
    if (!this.#threads.take(file)) return false
    const awaited = this.#awaited.get(file.directory)
    if (awaited === undefined) this.#awaited.set(file.directory, { away: 1, finish: undefined })
    else awaited.away++
    return true
  }

  /** Called when the walk leaves a directory. @param finish called when all its files are created; must close it */
  leave(directory: TargetDirectory, finish: () => Promise<void>): MaybePromise<void> {
    const awaited = this.#awaited.get(directory)
    if (awaited === undefined) return finish()
    awaited.finish = finish
    return this.#settle()
  }

  /** Handles the files that threads have returned. */
  async #settle(): Promise<void> {
    for (const { files, left } of this.#threads.returned()) {
      for (const [index, file] of files.entries()) {
        if (left.has(index)) await this.#make(file)
        else this.made++
        const awaited = this.#awaited.get(file.directory) as Awaited
        if (--awaited.away > 0) continue
        this.#awaited.delete(file.directory)
        await awaited.finish?.()
      }
    }
  }

  /** Waits until all files are created and their directories finished. */
  async drain(): Promise<void> {
    for (let next = this.#threads.next(); next !== undefined; next = this.#threads.next()) {
      await next
      await this.#settle()
    }
  }

  /** Waits until the threads have stopped, and closes directories that are not finished. */
  async end(): Promise<void> {
    await this.#threads.end()
    for (const [directory, { finish }] of this.#awaited) if (finish !== undefined) await directory.close()
    this.#awaited.clear()
  }
}
