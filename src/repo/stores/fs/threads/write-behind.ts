/**
 * Writes small files in other threads while the main one parses and hashes. Only `flush` waits for them: while all
 * threads are busy the main thread writes files itself, so that a machine without idle processors loses no time.
 *
 * Threads start when a transaction turns out to be large, and stay for the next one. There are none where the program
 * that they run is not a file of its own (some bundlers leave it out).
 */

import { IoError, OstreeError, withContext } from '../../../../errors.ts'
import type { FileHeader } from '../../../../objects/index.ts'
import { ThreadPool } from '../../../../system/threads/pool.ts'
import { idleThreads, type Threads } from '../../../../system/threads/thread.ts'
import { type PackedError, unpackError } from '../../../../system/threads/thread-errors.ts'
import type { LooseLayout, RepoMode } from '../../../core/interface.ts'
import type { ContentMode } from '../content/content-mode.ts'
import { type PackedSlab, Slab, unpackSlab } from './slab.ts'

/** Threads cost about 40 ms to start, as much as it takes to write 2000 files. */
const FILES_BEFORE_START = 2000
const MOST_WRITERS = 4
/** More threads wait for each other in the file system. */
const MOST_BARE_WRITERS = 2

export interface WriterData {
  readonly settings: LooseLayout
}

export interface SlabToWrite {
  readonly slab: PackedSlab
  readonly perObjectFsync: boolean
  /** Whether files of mode archive are compressed with the bytes of zlib. */
  readonly exact: boolean
}

export type SlabOutcome = { kind: 'written'; bytes: Uint8Array } | { kind: 'failed'; error: PackedError }

/**
 * Returns threads for the processors that would otherwise be idle. A tar of 40,000 files (262 MB) on two processors, without and
 * with one: mode archive 4.6 and 3.0 s; bare-user-only in memory 1.5 and 1.06 s, on ext4 with fsync 7.0 and 5.0 s. A
 * thread costs 20 MiB.
 */
export function defaultWriters(mode: RepoMode): Threads | undefined {
  return idleThreads(import.meta.url, 'write-worker', mode === 'archive' ? MOST_WRITERS : MOST_BARE_WRITERS)
}

export class WriteBehind {
  readonly settings: LooseLayout
  readonly #content: ContentMode
  readonly #pool: ThreadPool<void, SlabToWrite, SlabOutcome>
  #slab = new Slab()
  /** Buffers of slabs that have been written, to be filled again. */
  readonly #spare: Uint8Array[] = []
  #perObjectFsync = false
  #exact = false
  #failure: OstreeError | undefined

  /** @param content writes the last files where no thread has started */
  constructor(threads: Threads, settings: LooseLayout, content: ContentMode) {
    const { mode, zlibLevel, disableXattrs } = settings
    const data: WriterData = { settings: { mode, zlibLevel, disableXattrs } }
    this.#pool = new ThreadPool(threads, data, FILES_BEFORE_START, {
      answered: (_, outcome) => {
        if (outcome.kind === 'written') this.#spare.push(outcome.bytes)
        else this.#failure ??= unpackError(outcome.error)
      },
      lost: (_, error) => {
        this.#failure ??= new IoError(`writer thread: ${error ?? 'ended'}`, 'EIO')
      },
    })
    this.#content = content
    this.settings = settings
  }

  /** Begins a transaction; the previous one has been flushed. */
  begin(perObjectFsync: boolean, exact: boolean): void {
    this.#pool.recount()
    this.#failure = undefined
    this.#perObjectFsync = perObjectFsync
    this.#exact = exact
  }

  /** Whether some file that was taken is not written yet. */
  get pending(): boolean {
    return this.#pool.busy || !this.#slab.empty
  }

  /**
   * Takes the file over, with a copy of its body.
   * @returns false when the caller has to write it
   * @throws the error that an earlier file met
   */
  take(path: string, header: FileHeader, body: Uint8Array): boolean {
    if (this.#failure !== undefined) throw this.#failure
    if (!this.#pool.count()) return false
    if (this.#slab.add(path, header, body)) return true
    if (!this.#pool.hasRoom) this.#pool.receive()
    return this.#pool.hasRoom && this.#send() && this.#slab.add(path, header, body)
  }

  /** Sends the slab to a thread. @returns false when no thread has started */
  #send(): boolean {
    const slab = this.#slab.pack()
    const request: SlabToWrite = { slab, perObjectFsync: this.#perObjectFsync, exact: this.#exact }
    if (!this.#pool.give(undefined, request, [slab.bytes.buffer as ArrayBuffer])) return false
    this.#slab = new Slab(this.#spare.pop())
    return true
  }

  /** Waits until every file that was taken is written. @throws the first error that one met */
  async flush(): Promise<void> {
    if (!this.#slab.empty && !this.#send()) this.#writeSlab()
    await this.#pool.settled()
    if (this.#failure !== undefined) throw withContext('Writing content object', this.#failure)
  }

  /** Writes the files that were meant for threads which have not started. */
  #writeSlab(): void {
    const slab = this.#slab.pack()
    this.#slab = new Slab(slab.bytes)
    try {
      unpackSlab(slab, (path, header, body) => this.#content.create(path, header, body))
    } catch (error) {
      if (!(error instanceof OstreeError)) throw error
      this.#failure ??= error
    }
  }

  /** Drops the files that are not sent yet, and waits for the others. Errors are ignored. */
  async discard(): Promise<void> {
    this.#slab = new Slab()
    await this.flush().catch(() => {})
  }

  close(): Promise<void> {
    return this.#pool.end()
  }
}
