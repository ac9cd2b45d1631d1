/**
 * Threads that import layers. A layer is imported by one thread, the thread that started it feeds it with the blob and
 * stores what it sends:
 *
 *     starter                                   thread
 *       job         ───────────────────────────▶
 *       chunk …     ───────────────────────────▶  digest, decompress, diff id
 *       end                                       tar, hashes, and loose files, if the store has them
 *                   ◀───────────────────────────  bytes …
 *                   ◀───────────────────────────  batch …
 *       stored …    ───────────────────────────▶
 *                   ◀───────────────────────────  done, or failed
 *
 * A thread can also do the first half alone. Then it sends `tar` instead of `batch`, and the starter imports the tar.
 */

import type { Platform } from '../../../platform/index.ts'
import type { LanePlace, RepoMode, RepoSettings } from '../../../repo/index.ts'
import type { ObjectBatch } from '../../../repo/internal.ts'
import type { LayerJob, LayerJobResult } from './layer-job.ts'

/** The work that a thread is given. */
export interface LaneRequest {
  readonly job: LayerJob
  /** What the thread sends: the objects of the layer, or its verified plain tar. */
  readonly gives: LaneOutput
  readonly settings: RepoSettings
  /** Where the thread writes loose files. Absent if batches have to hold the contents. */
  readonly place: LanePlace | undefined
  /** Bytes of batches, or of the tar, that the thread may have sent and that are not stored. */
  readonly mostWaiting: number
}

export type LaneOutput = 'objects' | 'tar'

/** A message to a thread, in the order of its work. */
export type ToLane =
  | { readonly kind: 'chunk'; readonly bytes: Uint8Array }
  | { readonly kind: 'end' }
  /** The rest of the blob cannot be read. */
  | { readonly kind: 'broken' }
  /** A batch, or a piece of the tar, is stored; its memory may be used again. */
  | { readonly kind: 'stored'; readonly bytes: Uint8Array; readonly cost: number }
  /** The work has to end with an error. */
  | { readonly kind: 'stop' }

/** A message of a thread. The last one is `done` or `failed`; a thread that has ended gives `failed`, too. */
export type FromLane =
  /** The number of bytes of the blob that were read so far. */
  | { readonly kind: 'bytes'; readonly received: number }
  | { readonly kind: 'batch'; readonly batch: ObjectBatch; readonly cost: number }
  /** The next bytes of the plain tar. */
  | { readonly kind: 'tar'; readonly bytes: Uint8Array; readonly cost: number }
  /** The work has ended, and the layer is verified. `result` is absent if the thread gave the tar. */
  | { readonly kind: 'done'; readonly result: LayerJobResult | undefined }
  /** `outside`: the reason is not in the layer. The rest of the blob cannot be read, or the thread has ended by itself. */
  | { readonly kind: 'failed'; readonly error: unknown; readonly outside: boolean }

/** A thread that imports one layer after the other. */
export interface LaneThread {
  /**
   * Gives the thread a layer.
   * @param hear called with each message about it, never before this returns
   * @returns sends a message; a `Uint8Array` in it has a buffer of its own, which is moved to the thread
   */
  run(request: LaneRequest, hear: (message: FromLane) => void): (message: ToLane) => void
  /** Ends the thread, whose work has ended. */
  end(): Promise<void>
}

/** Starts threads that import layers. */
export interface LayerThreads {
  /** The largest number of threads that help. */
  readonly count: number
  /** The platform that the threads use: they are for repositories with a platform of this name. */
  readonly platform: Platform['name']
  /** Compressed bytes of layers for each thread that is started. Default: 8 MiB. */
  readonly after?: number | undefined
  /**
   * Whether threads import whole layers also for stores in one file or in memory, which only one thread writes: on two
   * processors that takes longer. Otherwise one thread decodes layers for them. Default false.
   */
  readonly embedded?: boolean | undefined
  /**
   * Starts a thread, a `LaneThread`, which only the library can use.
   * @param mode of the repository whose files the thread writes; `undefined` if it sends their contents
   */
  start(mode: RepoMode | undefined): unknown
}
