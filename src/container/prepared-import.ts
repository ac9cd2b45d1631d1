/**
 * What an import is going to do, known once manifest and config are read and before any layer is.
 *
 * Source: ostree-ext, container::store (PreparedImport).
 */

import { formatSize } from './format-size.ts'
import type { Descriptor, Digest, HistoryEntry, ImageConfiguration, ImageManifest } from './oci-types.ts'
import type { LayeredImageState, LayerState } from './query.ts'

/** A layer at its place in the manifest. */
export interface PreparedLayer extends LayerState {
  /** In `manifest.layers`. */
  readonly index: number
}

export interface PreparedImport {
  /** Of the original bytes. */
  readonly manifestDigest: Digest
  readonly manifest: ImageManifest
  readonly config: ImageConfiguration
  readonly version: string | undefined
  /** The same image as it is stored now, if it is. */
  readonly previous: LayeredImageState | undefined
  readonly commitLayer: PreparedLayer | undefined
  readonly chunks: readonly PreparedLayer[]
  readonly derived: readonly PreparedLayer[]
}

export type PrepareResult =
  | { readonly kind: 'present'; readonly state: LayeredImageState }
  | { readonly kind: 'ready'; readonly prepared: PreparedImport }

/** What the import gave, beside what a query gives. */
export interface ImportedImage extends LayeredImageState {
  /** Left out of the layers that were read in this run; `undefined` when nothing was. */
  readonly filteredFiles: ReadonlyMap<string, ReadonlyMap<string, number>> | undefined
  readonly layersFetched: number
  readonly layersReused: number
}

/** The commit layer, the chunks, the derived layers. */
export function allLayers({ commitLayer, chunks, derived }: PreparedImport): PreparedLayer[] {
  return [...(commitLayer === undefined ? [] : [commitLayer]), ...chunks, ...derived]
}

export function layersToFetch(prepared: PreparedImport): PreparedLayer[] {
  return allLayers(prepared).filter(({ commit }) => commit === undefined)
}

/** `layers already present: 1; layers needed: 2 (9.2 kB)`, or `undefined` when none is needed. */
export function formatLayerStatus(prepared: PreparedImport): string | undefined {
  const needed = layersToFetch(prepared)
  if (needed.length === 0) return undefined
  const present = allLayers(prepared).length - needed.length
  const size = needed.reduce((sum, { layer }) => sum + layer.size, 0)
  return `layers already present: ${present}; layers needed: ${needed.length} (${formatSize(size)})`
}

/** How each layer came to be, by its place; entries that made no layer are passed over, a short history gives none. */
export function layerHistory(
  manifest: ImageManifest,
  config: ImageConfiguration,
): { layer: Descriptor; history: HistoryEntry | undefined }[] {
  const entries = (config.history ?? []).filter(({ empty_layer }) => empty_layer !== true)
  return manifest.layers.map((layer, index) => ({ layer, history: entries[index] }))
}
