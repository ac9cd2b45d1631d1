/**
 * Threads that make files of a checkout. Threads of one process share its descriptors, so a directory that is open here
 * is open there: no path is looked up again. Batches are filled for a thread that has room; while none has, the caller
 * makes files by itself.
 */

import { idleThreads, Thread, type Threads } from '../../../system/threads/thread.ts'
import type { LooseLayout, Storage } from '../../core/interface.ts'
import type { CheckoutOptions } from '../options.ts'
import type { CheckoutThreads, FileToMake, ReturnedFiles } from '../target.ts'
import { LocalTargetDirectory } from './local-directory.ts'

/** So many are made before a thread is up. */
const FILES_BEFORE_START = 1000
/** More stand in each other's way in the file system. */
const MOST_THREADS = 2
/** Files. Directories stay open for them. */
const BATCH = 64
/** One under way, one waiting. */
const BATCHES_A_THREAD = 2

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

type CheckoutThread = Thread<FilesToMake, FilesLeft>

export class LocalCheckoutThreads implements CheckoutThreads {
  readonly #threads: Threads
  readonly #data: CheckoutThreadData
  readonly #started: CheckoutThread[] = []
  /** Batches that each thread has, in the order of their answers. */
  readonly #away = new Map<CheckoutThread, FileToMake[][]>()
  #filling: FileToMake[] = []
  #returned: ReturnedFiles[] = []
  #waiting: (() => void) | undefined
  #untilStart: number

  /** @returns `undefined` for a store whose objects are no files */
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
    this.#threads = threads
    this.#data = data
    this.#untilStart = threads.after ?? FILES_BEFORE_START
  }

  take(file: FileToMake): boolean {
    if (!(file.directory instanceof LocalTargetDirectory)) return false
    if (this.#filling.length === 0 && !this.#hasRoom()) return false
    if (this.#filling.push(file) === BATCH) this.#send()
    return true
  }

  #hasRoom(): boolean {
    if (this.#started.length > 0) return this.#free() !== undefined
    if (--this.#untilStart === 0) this.#start()
    return false
  }

  #free(): CheckoutThread | undefined {
    for (const thread of this.#started) thread.receive()
    const ready = this.#started.filter((thread) => thread.ready && thread.busy < BATCHES_A_THREAD)
    return ready.sort((a, b) => a.busy - b.busy)[0]
  }

  #start(): void {
    for (let i = 0; i < this.#threads.count; i++) {
      const thread: CheckoutThread = new Thread(
        this.#threads.program,
        this.#data,
        (left) => this.#answered(thread, left),
        () => this.#lost(thread),
      )
      this.#started.push(thread)
      this.#away.set(thread, [])
    }
  }

  #send(): void {
    const files = this.#filling
    this.#filling = []
    const thread = this.#free()
    if (thread === undefined) {
      this.#returned.push({ files, left: allOf(files) })
      return
    }
    this.#away.get(thread)?.push(files)
    thread.ask({
      directories: files.map(({ directory }) => (directory as LocalTargetDirectory).fd),
      names: files.map(({ name }) => name),
      checksums: files.map(({ checksum }) => checksum),
    })
  }

  #answered(thread: CheckoutThread, left: FilesLeft): void {
    const files = this.#away.get(thread)?.shift()
    if (files !== undefined) this.#returned.push({ files, left: new Set(left) })
    this.#wake()
  }

  /** What it had is left, as if it had gone wrong. */
  #lost(thread: CheckoutThread): void {
    this.#started.splice(this.#started.indexOf(thread), 1)
    for (const files of this.#away.get(thread) ?? []) this.#returned.push({ files, left: allOf(files) })
    this.#away.delete(thread)
    this.#wake()
  }

  #wake(): void {
    this.#waiting?.()
    this.#waiting = undefined
  }

  returned(): ReturnedFiles[] {
    return this.#returned.splice(0)
  }

  next(): Promise<void> | undefined {
    if (this.#filling.length > 0) this.#send()
    if (this.#returned.length > 0) return Promise.resolve()
    return this.#answer()
  }

  #answer(): Promise<void> | undefined {
    if (!this.#started.some(({ busy }) => busy > 0)) return undefined
    return new Promise((resolve) => {
      this.#waiting = resolve
    })
  }

  async end(): Promise<void> {
    this.#filling = []
    for (let answer = this.#answer(); answer !== undefined; answer = this.#answer()) await answer
    await Promise.all(this.#started.splice(0).map((thread) => thread.end()))
    this.#untilStart = 0
  }
}

function allOf(files: readonly FileToMake[]): Set<number> {
  return new Set(files.keys())
}
