/**
 * Small files written on other threads while the main one parses and hashes. Nobody ever waits for them but `flush`: when
 * all slabs are under way the main thread writes by itself, so that on a machine without idle processors nothing is lost.
 *
 * Threads start when a transaction turns out to be large, and stay for the next one. Where the program that they run is
 * not found as a file of its own (some bundlers leave it out) there are none.
 */

import { IoError, type OstreeError, withContext } from '../../../../errors.ts'
import type { FileHeader } from '../../../../objects/index.ts'
import { idleThreads, Thread, type Threads } from '../../../../system/threads/thread.ts'
import { type PackedError, unpackError } from '../../../../system/threads/thread-errors.ts'
import type { LooseLayout, RepoMode } from '../../../core/interface.ts'
import type { ContentMode } from '../content/content-mode.ts'
import { type PackedSlab, Slab, unpackSlab } from './slab.ts'

/** Threads cost about 40 ms to start, as much as it takes to write 2000 files. */
const FILES_BEFORE_START = 2000
const MOST_WRITERS = 4
/** More stand in each other's way in the file system. */
const MOST_BARE_WRITERS = 2
/** One being written, one waiting. */
const SLABS_A_WRITER = 2

export interface WriterData {
  readonly settings: LooseLayout
}

export type ToWorker = { kind: 'begin'; perObjectFsync: boolean } | { kind: 'write'; slab: PackedSlab }

export type ToMain = { kind: 'written'; bytes: Uint8Array } | { kind: 'failed'; error: PackedError }

type Writer = Thread<ToWorker, ToMain>

/**
 * As many as would else be idle. A tar of 40,000 files (262 MB) on two processors, without and with one: mode archive
 * 4.6 and 3.0 s; bare-user-only in memory 1.5 and 1.06 s, on ext4 with fsync 7.0 and 5.0 s. A thread costs 20 MiB.
 * @returns `undefined` where there are none to be had
 */
export function defaultWriters(mode: RepoMode): Threads | undefined {
  return idleThreads(import.meta.url, 'write-worker', mode === 'archive' ? MOST_WRITERS : MOST_BARE_WRITERS)
}

export class WriteBehind {
  readonly #threads: Threads
  readonly #content: ContentMode
  readonly settings: LooseLayout
  readonly #writers: Writer[] = []
  #slab = new Slab()
  /** Buffers that came back. */
  #spare: Uint8Array[] = []
  #files = 0
  #underWay = 0
  #perObjectFsync = false
  #failure: OstreeError | undefined
  /** Those who wait until nothing is under way. */
  #waiting: (() => void)[] = []

  /** @param content writes where no thread does */
  constructor(threads: Threads, settings: LooseLayout, content: ContentMode) {
    this.#threads = threads
    this.#content = content
    this.settings = settings
  }

  /** A transaction begins; the last one has been flushed. */
  begin(perObjectFsync: boolean): void {
    this.#files = 0
    this.#failure = undefined
    this.#perObjectFsync = perObjectFsync
    for (const writer of this.#writers) writer.tell({ kind: 'begin', perObjectFsync })
  }

  /** Some file is not there yet. */
  get pending(): boolean {
    return this.#underWay > 0 || !this.#slab.empty
  }

  /**
   * Copies the body and takes the file over.
   * @returns `false` when the caller had better write it
   * @throws what went wrong with an earlier one
   */
  take(path: string, header: FileHeader, body: Uint8Array): boolean {
    if (this.#failure !== undefined) throw this.#failure
    if (this.#writers.length === 0) {
      if (++this.#files === (this.#threads.after ?? FILES_BEFORE_START)) this.#start()
      return false
    }
    if (this.#slab.add(path, header, body)) return true
    return this.#send() && this.#slab.add(path, header, body)
  }

  /** Hands the slab to the writer that has least to do. @returns `false` when all have enough */
  #send(): boolean {
    let writer = this.#freeWriter()
    if (writer === undefined) {
      for (const each of this.#writers) each.receive()
      writer = this.#freeWriter()
    }
    if (writer === undefined) return false
    this.#sendTo(writer)
    return true
  }

  #freeWriter(): Writer | undefined {
    const writer = this.#leastBusy()
    return writer !== undefined && writer.busy < SLABS_A_WRITER ? writer : undefined
  }

  /** Of those that are up. */
  #leastBusy(): Writer | undefined {
    let best: Writer | undefined
    for (const writer of this.#writers) {
      if (writer.ready && (best === undefined || writer.busy < best.busy)) best = writer
    }
    return best
  }

  #sendTo(writer: Writer): void {
    const slab = this.#slab.pack()
    this.#slab = new Slab(this.#spare.pop())
    this.#underWay++
    writer.ask({ kind: 'write', slab }, [slab.bytes.buffer as ArrayBuffer])
  }

  #hear(message: ToMain): void {
    if (message.kind === 'written') this.#spare.push(message.bytes)
    else this.#fail(unpackError(message.error))
    this.#settle(1)
  }

  #fail(error: OstreeError): void {
    this.#failure ??= error
  }

  #settle(slabs: number): void {
    if (slabs === 0) return
    this.#underWay -= slabs
    if (this.#underWay > 0) return
    for (const resolve of this.#waiting.splice(0)) resolve()
  }

  /** Until every file taken is written. @throws what went wrong */
  async flush(): Promise<void> {
    if (!this.#slab.empty) {
      const writer = this.#leastBusy()
      if (writer !== undefined) this.#sendTo(writer)
      else this.#writeSlab()
    }
    if (this.#underWay > 0) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    }
    if (this.#failure !== undefined) throw withContext('Writing content object', this.#failure)
  }

  /** No thread came up: what was meant for them is written here. */
  #writeSlab(): void {
    const slab = this.#slab.pack()
    this.#slab = new Slab(slab.bytes)
    unpackSlab(slab, (path, header, body) => this.#content.create(path, header, body))
  }

  /** As `flush`, for files that are not wanted any more. */
  async discard(): Promise<void> {
    this.#slab = new Slab()
    await this.flush().catch(() => {})
  }

  async close(): Promise<void> {
    await Promise.all(this.#writers.splice(0).map((writer) => writer.end()))
  }

  #start(): void {
    const { mode, zlibLevel, disableXattrs } = this.settings
    const data: WriterData = { settings: { mode, zlibLevel, disableXattrs } }
    for (let i = 0; i < this.#threads.count; i++) {
      const writer: Writer = new Thread(
        this.#threads.program,
        data,
        (reply) => this.#hear(reply),
        (error) => this.#lose(writer, error),
      )
      writer.tell({ kind: 'begin', perObjectFsync: this.#perObjectFsync })
      this.#writers.push(writer)
    }
  }

  /** A thread that ended by itself takes with it what it had. */
  #lose(writer: Writer, error: unknown): void {
    const index = this.#writers.indexOf(writer)
    if (index < 0) return
    this.#writers.splice(index, 1)
    if (writer.busy > 0) this.#fail(new IoError(`writer thread: ${error ?? 'ended'}`, 'EIO'))
    this.#settle(writer.busy)
  }
}
