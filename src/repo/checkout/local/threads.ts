/**
 * Threads that make files of a checkout. Threads of one process share its descriptors, so a directory that is open here
 * is open there: no path is looked up again. A batch is begun only when a thread has room for it; otherwise the caller
 * makes the files itself.
 */

import { ThreadPool } from '../../../system/threads/pool.ts'
import { idleThreads, type Threads } from '../../../system/threads/thread.ts'
import type { LooseLayout, Storage } from '../../core/interface.ts'
import type { CheckoutOptions } from '../options.ts'
import type { CheckoutThreads, FileToMake, ReturnedFiles } from '../target.ts'
import { LocalTargetDirectory } from './local-directory.ts'

/** While a thread starts, this one makes about as many files. */
const FILES_BEFORE_START = 1000
/** More threads wait for each other in the file system. */
const MOST_THREADS = 2
/** Files in a batch, whose directories stay open until it comes back. */
const BATCH = 64

export interface CheckoutThreadData {
  readonly root: string
  readonly settings: LooseLayout
  readonly how: 'copy' | 'link'
  readonly options: Pick<CheckoutOptions, 'mode' | 'fsync'>
  /** Seconds since the epoch. */
  readonly now: number
}

/** Three lists of one length. */
export interface FilesToMake {
  readonly directories: number[]
  readonly names: string[]
  readonly checksums: string[]
}

/** Indices of the files that were not made. */
export type FilesLeft = readonly number[]

export function defaultCheckoutThreads(): Threads | undefined {
  return idleThreads(import.meta.url, 'checkout-worker', MOST_THREADS)
}

export class LocalCheckoutThreads implements CheckoutThreads {
  readonly #pool: ThreadPool<FileToMake[], FilesToMake, FilesLeft>
  #filling: FileToMake[] = []
  #returned: ReturnedFiles[] = []
  #ended = false

  /** @returns `undefined` for a store whose objects are not files */
  static of(
    threads: Threads,
    storage: Storage,
    how: 'copy' | 'link',
    options: Pick<CheckoutOptions, 'mode' | 'fsync'>,
    now: number,
  ): LocalCheckoutThreads | undefined {
    const { directory } = storage
    if (directory === undefined) return undefined
    const { mode, fsync } = options
    return new LocalCheckoutThreads(threads, {
      root: directory.path,
      settings: directory.layout,
      how,
      options: { mode, fsync },
      now,
    })
  }

  private constructor(threads: Threads, data: CheckoutThreadData) {
    this.#pool = new ThreadPool(threads, data, FILES_BEFORE_START, {
      answered: (files, left) => this.#returned.push({ files, left: new Set(left) }),
      lost: (files) => this.#leave(files),
    })
  }

  take(file: FileToMake): boolean {
    if (!(file.directory instanceof LocalTargetDirectory)) return false
    if (this.#filling.length === 0 && !this.#hasRoom()) return false
    if (this.#filling.push(file) === BATCH) this.#send()
    return true
  }

  #hasRoom(): boolean {
    if (this.#ended || !this.#pool.count()) return false
    this.#pool.receive()
    return this.#pool.hasRoom
  }

  #send(): void {
    const files = this.#filling
    this.#filling = []
    const request: FilesToMake = {
      directories: files.map(({ directory }) => (directory as LocalTargetDirectory).fd),
      names: files.map(({ name }) => name),
      checksums: files.map(({ checksum }) => checksum),
    }
    if (!this.#pool.give(files, request)) this.#leave(files)
  }

  /** Returns the whole batch as not made. */
  #leave(files: readonly FileToMake[]): void {
    this.#returned.push({ files, left: new Set(files.keys()) })
  }

  returned(): ReturnedFiles[] {
    return this.#returned.splice(0)
  }

  next(): Promise<void> | undefined {
    if (this.#filling.length > 0) this.#send()
    return this.#returned.length > 0 ? Promise.resolve() : this.#pool.next()
  }

  async end(): Promise<void> {
    this.#ended = true
    this.#filling = []
    await this.#pool.end()
  }
}
