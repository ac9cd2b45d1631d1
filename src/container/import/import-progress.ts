/**
 * The progress of an import in the form that ostree-ext gives it, made of the events of `onProgress`:
 *
 * ```ts
 * onProgress: (event) => {
 *   const progress = importProgressOf(event)
 *   if (progress !== undefined) console.log(progress.kind, progress.layer.digest)
 * }
 * ```
 *
 * Source: ostree-ext, container::store (ImportProgress, LayerProgress).
 */

import type { Progress } from '../../progress.ts'

/** A layer that is not stored yet is fetched, or was fetched. The commit layer counts as a chunk. */
export interface ImportProgress {
  readonly kind: 'ostree-chunk-started' | 'ostree-chunk-completed' | 'derived-layer-started' | 'derived-layer-completed'
  /** Digest of the layer, and its compressed size in bytes. */
  readonly layer: { readonly digest: string; readonly size: number }
}

/** The number of bytes received of the layer that is being fetched. */
export interface LayerProgress {
  /** Position in the manifest's layers, from 0. */
  readonly layerIndex: number
  /** Compressed bytes received so far. */
  readonly fetched: number
  /** Compressed bytes of the layer. */
  readonly total: number
}

/** Returns the `ImportProgress` of an event. @returns `undefined` for other events, also for layers stored already */
export function importProgressOf(event: Progress): ImportProgress | undefined {
  if (event.kind !== 'layer-start' && event.kind !== 'layer-done') return undefined
  const { part, digest, size } = event
  if (part === undefined) return undefined
  return { kind: `${part}-${event.kind === 'layer-start' ? 'started' : 'completed'}`, layer: { digest, size } }
}

/** Returns the `LayerProgress` of an event. @returns `undefined` for events that are not about bytes */
export function layerProgressOf(event: Progress): LayerProgress | undefined {
  if (event.kind !== 'bytes') return undefined
  return { layerIndex: event.index, fetched: event.received, total: event.size }
}

/** Returns whether the event is the first one of its layer. */
export function isStarting({ kind }: ImportProgress): boolean {
  return kind === 'ostree-chunk-started' || kind === 'derived-layer-started'
}
