/**
 * Files of new directories that threads make while the walk goes on. What a directory gets last (permissions, owner,
 * time) waits for its files; who is above it does not: everything is done through directories that are open.
 */

import type { MaybePromise } from '../../bytes.ts'
import type { CheckoutThreads, FileToMake, TargetDirectory } from './target.ts'

/** A directory some of whose files are away. */
interface Awaited {
  away: number
  /** Once the walk has left it. */
  finish: (() => Promise<void>) | undefined
}

export class FilesAhead {
  /** Files that threads have made. */
  made = 0
  readonly #threads: CheckoutThreads
  readonly #make: (file: FileToMake) => Promise<void>
  readonly #awaited = new Map<TargetDirectory, Awaited>()

  /** @param make makes what threads have left */
  constructor(threads: CheckoutThreads, make: (file: FileToMake) => Promise<void>) {
    this.#threads = threads
    this.#make = make
  }

  /** @returns false when the caller has to make it */
  take(file: FileToMake): boolean {
    if (!this.#threads.take(file)) return false
    const awaited = this.#awaited.get(file.directory)
    if (awaited === undefined) this.#awaited.set(file.directory, { away: 1, finish: undefined })
    else awaited.away++
    return true
  }

  /** The walk leaves a directory. @param finish what is to be done when all files are there */
  leave(directory: TargetDirectory, finish: () => Promise<void>): MaybePromise<void> {
    const awaited = this.#awaited.get(directory)
    if (awaited === undefined) return finish()
    awaited.finish = finish
    return this.#settle()
  }

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

  /** All files are made, and their directories finished. */
  async drain(): Promise<void> {
    for (let next = this.#threads.next(); next !== undefined; next = this.#threads.next()) {
      await next
      await this.#settle()
    }
  }

  /** No thread does anything any more; directories that were not finished are closed. */
  async end(): Promise<void> {
    await this.#threads.end()
    for (const [directory, { finish }] of this.#awaited) if (finish !== undefined) await directory.close()
    this.#awaited.clear()
  }
}
