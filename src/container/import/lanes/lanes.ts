/**
 * Imports layers side by side, in threads, and stores them in their order:
 *
 *     thread 1   layer 1 ──────────▶  layer 3 ──────────────▶
 *     thread 2   layer 2 ───────────────▶  layer 4 ──────▶
 *     here            layer 1 stored,  layer 2 stored, …
 *
 * Results, events and statistics are those of an import without threads: a layer that is not the next one waits, its
 * messages in memory or its objects in a directory of its own. After a failure the later layers stop, the earlier ones
 * are stored as usual.
 */

import type { Repo, Transaction } from '../../../repo/index.ts'
import { BatchReader } from '../../../repo/internal.ts'
import type { ImageSource } from '../../transport/interface.ts'
import type { LaneOutput, LaneThread, LayerThreads } from './interface.ts'
import { Lane } from './lane.ts'
import {
  type LayerJob,
  type LayerJobContext,
  type LayerJobResult,
  openJob,
  runLayerJob,
  storeLayer,
} from './layer-job.ts'

/** Compressed bytes for each thread: it takes 60 ms of a processor to start. */
const BYTES_PER_THREAD = 8 << 20
/** Bytes of batches of one layer that wait to be stored. */
const MOST_WAITING = 8 << 20
/** Bytes of a plain tar that wait to be imported. */
const MOST_WAITING_OF_TAR = 1 << 20
/** Bytes of batches of all layers that wait to be stored above which no further layer begins. */
const MOST_WAITING_OF_ALL = 12 << 20

/** What layers are imported with. */
export interface LanesInput {
  readonly repo: Repo
  readonly tx: Transaction
  readonly source: Pick<ImageSource, 'blob'>
  readonly threads: LayerThreads | undefined
  readonly signal: AbortSignal | undefined
}

/** The layers of one import. */
export class Lanes implements AsyncDisposable {
  readonly #input: LanesInput
  /** Layers that wait for a thread, in order. */
  #planned: LayerJob[] = []
  /** Layers that were given to a thread and are not stored, in order. */
  readonly #begun = new Map<LayerJob, Lane>()
  readonly #idle: LaneThread[] = []
  readonly #all: LaneThread[] = []
  #most = 0
  #gives: LaneOutput = 'objects'
  #ended = false

  constructor(input: LanesInput) {
    this.#input = input
  }

  /**
   * Begins with the first of some layers, as many as there are threads; the others follow. Each is given to `run` later,
   * in this order. Layers that threads would not make faster are left to `run`.
   * @param labels whether the layers are labelled, for which objects are read back: a thread that sends them cannot do that
   */
  plan(jobs: readonly LayerJob[], labels = false): void {
    const { threads, repo } = this.#input
    if (threads === undefined || threads.platform !== repo.platform.name || repo.settings.fsverity === 'yes') return
    const bytes = jobs.reduce((sum, { layer }) => sum + layer.size, 0)
    const worthwhile = Math.floor(bytes / Math.max(1, threads.after ?? BYTES_PER_THREAD))
    this.#most = Math.min(threads.count, jobs.length, worthwhile)
    const isEmbedded = repo.storage.directory === undefined
    if (isEmbedded && (labels || threads.embedded !== true)) {
      // One thread decodes layers as fast as this one stores them.
      this.#gives = 'tar'
      this.#most = Math.min(this.#most, 1)
    } else {
      this.#gives = 'objects'
      // Small files of a single layer are written to a directory by other threads.
      if (labels || (!isEmbedded && this.#most === 1)) this.#most = 0
    }
    this.#planned = this.#most === 0 ? [] : [...jobs]
    this.#begin()
  }

  /**
   * Stores the objects of a layer: of one that is planned, and then of all before it, or of another one, in this thread.
   * @param context as of `runLayerJob`
   * @throws as `runLayerJob`; {IoError} if a thread ends by itself
   */
  async run(
    job: LayerJob,
    context: Omit<LayerJobContext, 'tx' | 'signal' | 'repo' | 'platform'>,
  ): Promise<LayerJobResult> {
    const { repo, tx, source, signal } = this.#input
    const lane = this.#begun.get(job)
    const inline = { ...context, repo, platform: repo.platform, tx, signal }
    if (lane === undefined) {
      this.#planned = this.#planned.filter((planned) => planned !== job)
      return runLayerJob(job, () => source.blob(job.layer), inline)
    }
    try {
      if (lane.gives === 'tar') {
        const result = await storeLayer(job, this.#tarOf(job, lane, context.onBytes), inline)
        this.#begun.delete(job)
        return result
      }
      const result = await this.#store(lane, context.onBytes)
      if ('fault' in result) return await runLayerJob(job, () => failing(result.fault), inline)
      this.#begun.delete(job)
      return result
    } finally {
      this.#begin()
    }
  }

  /** Returns the plain tar that a thread sends. The iteration throws as that of `openLayer`. */
  async *#tarOf(
    job: LayerJob,
    lane: Lane,
    onBytes: (received: number) => void,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const { repo, signal } = this.#input
    const abort = () => lane.stop(signal?.reason)
    signal?.addEventListener('abort', abort, { once: true })
    try {
      if (signal?.aborted) abort()
      for (;;) {
        const message = await lane.next()
        switch (message.kind) {
          case 'bytes':
            onBytes(message.received)
            break
          case 'tar':
            yield message.bytes
            lane.stored(message.bytes, message.cost)
            this.#begin()
            break
          case 'done':
            return
          case 'failed':
            throw message.error
          case 'fault':
            // The error is given the place in the layer that it would have without a thread.
            yield* openJob(job, () => failing(message.error), { platform: repo.platform, signal, onBytes })
            return
        }
      }
    } finally {
      lane.stop(new Error('The tar is not read to its end'))
      signal?.removeEventListener('abort', abort)
    }
  }

  /** Stores what a thread sends of a layer. @returns the error of the blob, or of the listener, in `fault` */
  async #store(lane: Lane, onBytes: (received: number) => void): Promise<LayerJobResult | { fault: unknown }> {
    const { tx, signal } = this.#input
    const reader = new BatchReader(tx, lane.staged)
    const abort = () => lane.stop(signal?.reason)
    signal?.addEventListener('abort', abort, { once: true })
    try {
      if (signal?.aborted) abort()
      for (;;) {
        const message = await lane.next()
        switch (message.kind) {
          case 'bytes':
            try {
              onBytes(message.received)
            } catch (error) {
              return { fault: error }
            }
            break
          case 'batch':
            await reader.take(message.batch)
            lane.stored(message.batch.bytes, message.cost)
            this.#begin()
            break
          case 'tar':
            break
          case 'done':
            lane.staged?.finish()
            return message.result as LayerJobResult // the thread gives objects
          case 'fault':
            return { fault: message.error }
          case 'failed':
            throw message.error
        }
      }
    } finally {
      reader.abort()
      signal?.removeEventListener('abort', abort)
    }
  }

  /** Gives planned layers to threads, as long as there are idle threads and memory. */
  #begin(): void {
    const { threads } = this.#input
    while (!this.#ended && threads !== undefined && this.#planned.length > 0) {
      const running = this.#all.length - this.#idle.length
      if (running >= this.#most || this.#waiting > MOST_WAITING_OF_ALL) return
      try {
        this.#beginWith(this.#planned[0] as LayerJob, threads)
      } catch {
        // `run` does the work in this thread, and meets the error again.
        this.#ended = true
        return
      }
      this.#planned.shift()
    }
  }

  #beginWith(job: LayerJob, threads: LayerThreads): void {
    const { repo, tx, source } = this.#input
    const gives = this.#gives
    const staged = gives === 'objects' ? tx.openLane() : undefined
    const mostWaiting = gives === 'tar' ? MOST_WAITING_OF_TAR : MOST_WAITING
    const thread = this.#idle.pop() ?? this.#start(threads)
    const lane = new Lane({
      thread,
      request: { job, gives, settings: repo.settings, place: staged?.place, mostWaiting },
      staged,
      blob: source.blob(job.layer),
      ended: (failed) => {
        this.#idle.push(thread)
        if (failed) this.#stopAfter(job)
        this.#begin()
      },
    })
    this.#begun.set(job, lane)
  }

  #start(threads: LayerThreads): LaneThread {
    // A thread writes files only for a repository in a directory.
    const { storage, mode } = this.#input.repo
    const thread = threads.start(storage.directory === undefined ? undefined : mode) as LaneThread
    this.#all.push(thread)
    return thread
  }

  get #waiting(): number {
    let sum = 0
    for (const lane of this.#begun.values()) sum += lane.waiting
    return sum
  }

  /** Stops the layers after one that failed. */
  #stopAfter(job: LayerJob): void {
    this.#ended = true
    let isLater = false
    for (const [other, lane] of this.#begun) {
      if (isLater) lane.stop(new Error('An earlier layer has failed'))
      if (other === job) isLater = true
    }
  }

  /** Stops all work, and waits until nothing is written any more. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#ended = true
    for (const lane of this.#begun.values()) lane.stop(new Error('The import has ended'))
    await Promise.all(Array.from(this.#begun.values(), ({ finished }) => finished))
    await Promise.all(this.#all.map((thread) => thread.end()))
  }
}

// biome-ignore lint/correctness/useYield: a blob that fails at once
async function* failing(error: unknown): AsyncGenerator<Uint8Array, void, undefined> {
  throw error
}
