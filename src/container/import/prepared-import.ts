/**
 * The plan of an import: what is known when manifest and config are read, and no layer is.
 *
 * Source: ostree-ext, container::store (PreparedImport).
 */

import { FormatError } from '../../errors.ts'
import { formatSize } from '../../format-size.ts'
import type { Descriptor, Digest, HistoryEntry, ImageConfiguration, ImageManifest } from '../oci/oci-types.ts'
import type { LayeredImageState, ManifestLayerState } from '../store/query.ts'

/** A layer at its place in the manifest. */
export interface PreparedLayer extends ManifestLayerState {
  /** Position in `manifest.layers`, from 0. */
  readonly index: number
}

/** The plan that `ImageImporter.prepare` returns and `import` follows. */
export interface PreparedImport {
  /** Digest of the manifest's original bytes. */
  readonly manifestDigest: Digest
  readonly manifest: ImageManifest
  readonly config: ImageConfiguration
  readonly version: string | undefined
  /** The image of that name as it is stored now, if it is. */
  readonly previousState: LayeredImageState | undefined
  readonly previousManifestDigest: Digest | undefined
  /** Digest of the config of the image as it is stored now. */
  readonly previousImageid: Digest | undefined
  /** The layer with the commit itself; `undefined` for an image without an OSTree base. */
  readonly ostreeCommitLayer: PreparedLayer | undefined
  /** The chunks: layers with content objects of that commit. */
  readonly ostreeLayers: readonly PreparedLayer[]
  /** The derived layers, lowest first. */
  readonly layers: readonly PreparedLayer[]
}

/** Either the image is stored already, or the plan of its import. */
export type PrepareResult =
  | { readonly kind: 'already-present'; readonly state: LayeredImageState }
  | { readonly kind: 'ready'; readonly prepared: PreparedImport }

/** Returns all layers: the commit layer, the chunks, the derived layers. */
export function allLayers({ ostreeCommitLayer, ostreeLayers, layers }: PreparedImport): PreparedLayer[] {
  return [...(ostreeCommitLayer === undefined ? [] : [ostreeCommitLayer]), ...ostreeLayers, ...layers]
}

/** Returns the layers that are not stored. */
export function missingLayers(prepared: PreparedImport): PreparedLayer[] {
  return allLayers(prepared).filter(({ commit }) => commit === undefined)
}

/**
 * Returns the layers that an import fetches, in that order: the commit layer after its chunks, because a commit is
 * checked for completeness. Each digest occurs once.
 */
export function fetchOrder({ ostreeCommitLayer, ostreeLayers, layers }: PreparedImport): Descriptor[] {
  const commitLayer = ostreeCommitLayer === undefined ? [] : [ostreeCommitLayer]
  const missing = [...ostreeLayers, ...commitLayer, ...layers].filter(({ commit }) => commit === undefined)
  return [...new Map(missing.map(({ layer }) => [layer.digest, layer])).values()]
}

/**
 * Yields all layers in the order of `allLayers`, each with its entry of the history. Entries without a layer are skipped.
 * @throws {FormatError} at the first layer without an entry
 */
export function* layersWithHistory(prepared: PreparedImport): Generator<[layer: PreparedLayer, made: HistoryEntry]> {
  const entries = historyOfLayers(prepared.config)
  for (const [i, layer] of allLayers(prepared).entries()) {
    const made = entries[i]
    if (made === undefined) throw new FormatError('config', 'Truncated history')
    yield [layer, made]
  }
}

/**
 * Returns the layers that are not stored, each with the command that its history gives.
 * @throws {FormatError} as `layersWithHistory`
 */
export function layersToFetch(prepared: PreparedImport): [layer: PreparedLayer, createdBy: string][] {
  return Array.from(layersWithHistory(prepared))
    .filter(([{ commit }]) => commit === undefined)
    .map(([layer, { created_by }]) => [layer, created_by ?? ''])
}

/** Returns `layers already present: 1; layers needed: 2 (9.2 kB)`; `undefined` when no layer is needed. */
export function formatLayerStatus(prepared: PreparedImport): string | undefined {
  const needed = missingLayers(prepared)
  if (needed.length === 0) return undefined
  const present = allLayers(prepared).length - needed.length
  const size = needed.reduce((sum, { layer }) => sum + layer.size, 0)
  return `layers already present: ${present}; layers needed: ${needed.length} (${formatSize(size)})`
}

/**
 * Returns each layer with its entry of the history, by position. Entries without a layer are skipped; layers beyond the
 * end of the history have `undefined`.
 */
export function layerHistory(
  manifest: ImageManifest,
  config: ImageConfiguration,
): { layer: Descriptor; history: HistoryEntry | undefined }[] {
  const entries = historyOfLayers(config)
  return manifest.layers.map((layer, index) => ({ layer, history: entries[index] }))
}

function historyOfLayers({ history = [] }: ImageConfiguration): HistoryEntry[] {
  return history.filter(({ empty_layer }) => empty_layer !== true)
}
