/**
 * What an import tells while it runs, layer by layer, and byte by byte of the layer at hand.
 *
 * Source: ostree-ext, container::store (ImportProgress, LayerProgress).
 */

import type { MaybePromise } from '../../bytes.ts'
import type { Descriptor } from '../oci/oci-types.ts'

/** Layers that are here already give no event. The commit layer counts as a chunk. */
export interface ImportProgress {
  readonly kind: 'ostree-chunk-started' | 'ostree-chunk-completed' | 'derived-layer-started' | 'derived-layer-completed'
  readonly layer: Descriptor
}

/** How far the layer at hand is. */
export interface LayerProgress {
  /** In the manifest's layers. */
  readonly layerIndex: number
  /** Bytes of the blob as stored. */
  readonly fetched: number
  readonly total: number
}

/** Who hears of an import. */
export interface ImportListeners {
  /** The import waits for the promise it gives, and fails when it throws. */
  readonly onImportProgress?: ((event: ImportProgress) => MaybePromise<void>) | undefined
  readonly onLayerProgress?: ((progress: LayerProgress) => void) | undefined
}

/** Whether the event is the first of its layer. */
export function isStarting({ kind }: ImportProgress): boolean {
  return kind === 'ostree-chunk-started' || kind === 'derived-layer-started'
}
