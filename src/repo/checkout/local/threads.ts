/**
 * Threads that create files of a checkout. Threads of a process share its file descriptors, so they get directories as
 * descriptors, without looking up paths. A batch is begun only when a thread has room for it; otherwise the caller
 * creates the files itself.
 */

import { ThreadPool } from '../../../system/threads/pool.ts'
import { idleThreads, type Threads } from '../../../system/threads/thread.ts'
import type { LooseLayout, Storage } from '../../core/interface.ts'
import type { CheckoutOptions } from '../options.ts'
import type { CheckoutThreads, FileToMake, ReturnedFiles } from '../target.ts'
import { LocalTargetDirectory } from './local-directory.ts'

/**
 * Files after which threads are started. The main thread copies about as many while a thread starts. Links are so fast
 * that a thread, which takes 150 ms of a processor, pays only then: measured with one thread, 48,000 links took 0.25
 * instead of 0.29 s without it, 120,000 links 0.53 instead of 0.48 s.
 */
const FILES_BEFORE_START = { copy: 8000, link: 100_000 } as const
/** With more threads, they wait for each other in the file system. */
const MAX_THREADS = 2
/** Files in a batch. Their directories stay open until it is returned. */
const BATCH = 64

/** The data that a thread gets when it starts. */
export interface CheckoutThreadData {
  /** Absolute path of the repository. */
  readonly root: string
  readonly settings: LooseLayout
  readonly how: 'copy' | 'link'
  readonly options: Pick<CheckoutOptions, 'mode' | 'fsync'>
  /** Seconds since the epoch. */
  readonly now: number
}

/** A batch of files: three arrays of the same length. */
export interface FilesToMake {
  /** File descriptors of the directories. */
  readonly directories: number[]
  readonly names: string[]
  readonly checksums: string[]
}

/** Indices of the files that a thread has not created. */
export type FilesLeft = readonly number[]

/** Returns a thread for each processor but one, at most two; `undefined` when there are none, or no worker program. */
export function defaultCheckoutThreads(): Threads | undefined {
  return idleThreads(import.meta.url, 'checkout-worker', MAX_THREADS)
}

/** Collects files into batches, and gives them to a pool of threads. */
export class LocalCheckoutThreads implements CheckoutThreads {
  readonly #pool: ThreadPool<FileToMake[], FilesToMake, FilesLeft>
  #filling: FileToMake[] = []
  #returned: ReturnedFiles[] = []
  #ended = false

  /**
   * Creates threads for a storage. They start after the first files.
   * @param now the time to set on directories, in seconds since the epoch
   * @returns `undefined` when the storage has no loose files
   */
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
    this.#pool = new ThreadPool(threads, data, FILES_BEFORE_START[data.how], {
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

  /** Returns a whole batch as not created. */
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
