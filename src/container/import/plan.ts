/** Plans a pull without doing it: manifest and config are read, layers are not, and nothing is written. */

import type { Repo } from '../../repo/index.ts'
import { type ManifestDiff, manifestDiff } from '../oci/manifest-diff.ts'
import type { Descriptor, Digest, ImageConfiguration, ImageManifest } from '../oci/oci-types.ts'
import { type OstreeImageReference, parseAnyImageReference } from '../oci/reference.ts'
import { parseManifestLayout } from '../store/layout.ts'
import type { LayerKind } from '../store/names.ts'
import type { ImportOptions } from './import-options.ts'
import { ImageImporter } from './importer.ts'
import { layerHistory, missingLayers, type PreparedImport } from './prepared-import.ts'

/** A layer of an image, and what a pull would do with it. */
export interface PlannedLayer {
  readonly digest: Digest
  /** Compressed bytes. */
  readonly size: number
  readonly kind: LayerKind
  /** Whether the layer would be fetched. One that the manifest names twice is fetched once. */
  readonly action: 'fetch' | 'reuse'
  /** The command in the image's history; empty when it has none for the layer. */
  readonly createdBy: string
}

/** What a pull would do. */
export interface PullPlan {
  /** False when this image is stored already: then there is nothing to fetch. */
  readonly changed: boolean
  readonly manifestDigest: Digest
  readonly version: string | undefined
  /** The commit layer, the chunks, the derived layers. */
  readonly layers: readonly PlannedLayer[]
  readonly fetchBytes: number
  readonly reuseBytes: number
  /** The difference to the stored image of that name; `undefined` when there is none, or it is the same. */
  readonly diff: ManifestDiff | undefined
}

/**
 * Returns what `pullImage` would fetch and reuse. Only the manifest and the config are read, and nothing is written.
 *
 * @example
 * const { fetchBytes, layers } = await planPull(repo, 'ostree-unverified-registry:quay.io/exampleos/os:1', options)
 * @param reference how the image is verified, and the image: a reference, or its text
 * @throws {InvalidNameError} when the text is not a reference
 * @throws {OstreeError} when the image cannot be opened, as for `pullImage`
 */
export async function planPull(
  repo: Repo,
  reference: string | OstreeImageReference,
  options: ImportOptions,
): Promise<PullPlan> {
  const parsed = typeof reference === 'string' ? parseAnyImageReference(reference) : reference
  await using importer = new ImageImporter(repo, parsed, { ...options, noCachedUpdate: true })
  const result = await importer.prepare()
  if (result.kind === 'ready') return planImport(result.prepared)
  const { manifestDigest, manifest, configuration, version } = result.state
  return { changed: false, manifestDigest, version, ...plan(manifest, configuration, new Set()), diff: undefined }
}

/** Returns what an import would do. */
export function planImport(prepared: PreparedImport): PullPlan {
  const { manifest, manifestDigest, config, version, previousState } = prepared
  const missing = new Set(missingLayers(prepared).map(({ layer }) => layer.digest))
  const diff = previousState && manifestDiff(previousState.manifest, manifest)
  return { changed: true, manifestDigest, version, ...plan(manifest, config, missing), diff }
}

function plan(manifest: ImageManifest, config: ImageConfiguration, missing: ReadonlySet<Digest>) {
  const { commitLayer, chunks, derived } = parseManifestLayout(manifest, config)
  const made = new Map(layerHistory(manifest, config).map(({ layer, history }) => [layer, history?.created_by ?? '']))
  const fetched = new Set<Digest>()
  const layers: PlannedLayer[] = []
  const add = (layer: Descriptor, kind: LayerKind) => {
    const { digest, size } = layer
    const action = missing.has(digest) && !fetched.has(digest) ? 'fetch' : 'reuse'
    fetched.add(digest)
    layers.push({ digest, size, kind, action, createdBy: made.get(layer) ?? '' })
  }
  if (commitLayer !== undefined) add(commitLayer, 'commit')
  for (const layer of chunks) add(layer, 'chunk')
  for (const layer of derived) add(layer, 'derived')
  const bytes = (action: PlannedLayer['action']) =>
    layers.filter((layer) => layer.action === action).reduce((sum, { size }) => sum + size, 0)
  return { layers, fetchBytes: bytes('fetch'), reuseBytes: bytes('reuse') }
}
