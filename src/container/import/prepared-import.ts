/**
 * What an import is going to do, known once manifest and config are read and before any layer is.
 *
 * Source: ostree-ext, container::store (PreparedImport).
 */

import { FormatError } from '../../errors.ts'
import { formatSize } from '../../format-size.ts'
import type { Descriptor, Digest, HistoryEntry, ImageConfiguration, ImageManifest } from '../oci/oci-types.ts'
import type { LayeredImageState, ManifestLayerState } from '../store/query.ts'

/** A layer at its place in the manifest. */
export interface PreparedLayer extends ManifestLayerState {
  /** In `manifest.layers`. */
  readonly index: number
}

/** What `ImageImporter.prepare` found out, and `import` goes by. */
export interface PreparedImport {
  /** Of the original bytes. */
  readonly manifestDigest: Digest
  readonly manifest: ImageManifest
  readonly config: ImageConfiguration
  readonly version: string | undefined
  /** The same image as it is stored now, if it is. */
  readonly previousState: LayeredImageState | undefined
  readonly previousManifestDigest: Digest | undefined
  /** Digest of the config of the image as it is stored now. */
  readonly previousImageid: Digest | undefined
  /** Holds the commit itself; none in an image without an OSTree base. */
  readonly ostreeCommitLayer: PreparedLayer | undefined
  /** The chunks: content objects of that commit. */
  readonly ostreeLayers: readonly PreparedLayer[]
  /** The derived layers, lowest first. */
  readonly layers: readonly PreparedLayer[]
  /** Nothing is verified before the import; it is in the state an import gives. */
  readonly verifyText: string | undefined
}

/** Either nothing is to be done, or it is known what. */
export type PrepareResult =
  | { readonly kind: 'already-present'; readonly state: LayeredImageState }
  | { readonly kind: 'ready'; readonly prepared: PreparedImport }

/** What the import gave, beside what a query gives. */
export interface ImportedImage extends LayeredImageState {
  readonly layersFetched: number
  readonly layersReused: number
}

/** The commit layer, the chunks, the derived layers. */
export function allLayers({ ostreeCommitLayer, ostreeLayers, layers }: PreparedImport): PreparedLayer[] {
  return [...(ostreeCommitLayer === undefined ? [] : [ostreeCommitLayer]), ...ostreeLayers, ...layers]
}

/** Those that are not stored. */
export function missingLayers(prepared: PreparedImport): PreparedLayer[] {
  return allLayers(prepared).filter(({ commit }) => commit === undefined)
}

/** What an import reads, in its order: a commit can be checked only when its chunks are there. Each digest once. */
export function fetchOrder({ ostreeCommitLayer, ostreeLayers, layers }: PreparedImport): Descriptor[] {
  const commitLayer = ostreeCommitLayer === undefined ? [] : [ostreeCommitLayer]
  const missing = [...ostreeLayers, ...commitLayer, ...layers].filter(({ commit }) => commit === undefined)
  return [...new Map(missing.map(({ layer }) => [layer.digest, layer])).values()]
}

/**
 * All layers in the order of `allLayers`, each with how it came to be. Entries that made no layer are passed over.
 * @throws {FormatError} when the history ends before the layers do, at the first that has none
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
 * Those that are not stored, each with what its history says made it.
 * @throws {FormatError} as `layersWithHistory`
 */
export function layersToFetch(prepared: PreparedImport): [layer: PreparedLayer, createdBy: string][] {
  return Array.from(layersWithHistory(prepared))
    .filter(([{ commit }]) => commit === undefined)
    .map(([layer, { created_by }]) => [layer, created_by ?? ''])
}

/** `layers already present: 1; layers needed: 2 (9.2 kB)`, or `undefined` when none is needed. */
export function formatLayerStatus(prepared: PreparedImport): string | undefined {
  const needed = missingLayers(prepared)
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
  const entries = historyOfLayers(config)
  return manifest.layers.map((layer, index) => ({ layer, history: entries[index] }))
}

function historyOfLayers({ history = [] }: ImageConfiguration): HistoryEntry[] {
  return history.filter(({ empty_layer }) => empty_layer !== true)
}
