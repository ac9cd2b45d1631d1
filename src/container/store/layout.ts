/**
 * Divides the layers of an image into those of its OSTree commit and the ordinary ones on top of them.
 *
 * ```
 * layer 0      1 … k               k+1 …
 * commit       chunks              derived
 *              └ k: the diff id named by the label ostree.final-diffid
 * ```
 *
 * Source: ostree-ext, container::store::parse_manifest_layout.
 */

import { FormatError, withContext } from '../../errors.ts'
import type { Descriptor, DiffId, ImageConfiguration, ImageManifest } from '../oci/oci-types.ts'
import { DIFFID_LABEL, type LayerKind } from './names.ts'

/** The layers of an image by what they hold. */
export interface ManifestLayout {
  /** The layer with the commit and its metadata; `undefined` in an image without an OSTree base. */
  readonly commitLayer: Descriptor | undefined
  /** The layers with content objects of the commit. */
  readonly chunks: readonly Descriptor[]
  /** The ordinary layers on top. */
  readonly derived: readonly Descriptor[]
}

/** The layers of an image that has an OSTree commit. */
export interface OstreeManifestLayout extends ManifestLayout {
  readonly commitLayer: Descriptor
}

/**
 * Divides the layers of an image into the one that holds the commit, the chunks of that commit, and the derived layers.
 * @throws {FormatError} when there are no layers, or the label `ostree.final-diffid` names none of them or one of
 *   several
 */
export function parseManifestLayout(manifest: ImageManifest, config: ImageConfiguration): ManifestLayout {
  try {
    return divide(manifest, config)
  } catch (error) {
    throw withContext('Parsing manifest layout', error)
  }
}

/** A layer, and what it holds in its image. */
export interface LayerOfKind {
  readonly layer: Descriptor
  readonly kind: LayerKind
}

/** Lists the layers of a layout: the commit layer, the chunks, the derived layers. */
export function layersOfLayout({ commitLayer, chunks, derived }: ManifestLayout): LayerOfKind[] {
  return [
    ...(commitLayer === undefined ? [] : [{ layer: commitLayer, kind: 'commit' as const }]),
    ...chunks.map((layer) => ({ layer, kind: 'chunk' as const })),
    ...derived.map((layer) => ({ layer, kind: 'derived' as const })),
  ]
}

function divide(manifest: ImageManifest, config: ImageConfiguration): ManifestLayout {
  const [first] = manifest.layers
  if (first === undefined) throw new FormatError('manifest', 'No layers in manifest')
  const final = label(config, DIFFID_LABEL)
  if (final === undefined) return { commitLayer: undefined, chunks: [], derived: manifest.layers }

  const target = layerFromDiffid(manifest, config, final)
  const chunks: Descriptor[] = []
  const derived: Descriptor[] = []
  let passed = false
  for (const layer of manifest.layers) {
    const isTarget = sameDescriptor(layer, target)
    if (isTarget && passed) throw new FormatError('manifest', `Multiple entries for ${layer.digest}`)
    if (isTarget || !passed) {
      if (!sameDescriptor(layer, first)) chunks.push(layer)
    } else {
      derived.push(layer)
    }
    passed ||= isTarget
  }
  return { commitLayer: first, chunks, derived }
}

/**
 * Divides the layers of an image that must have an OSTree commit.
 * @throws {FormatError} when the image has none, and as `parseManifestLayout`
 */
export function parseOstreeManifestLayout(manifest: ImageManifest, config: ImageConfiguration): OstreeManifestLayout {
  const { commitLayer, ...layout } = parseManifestLayout(manifest, config)
  if (commitLayer === undefined) {
    throw new FormatError('manifest', `No ${DIFFID_LABEL} label found, not an ostree encapsulated container`)
  }
  return { commitLayer, ...layout }
}

/**
 * Returns the layer whose uncompressed tar has a diff id.
 * @throws {FormatError} when the config does not have that diff id, or the manifest has no layer in its place
 */
export function layerFromDiffid(manifest: ImageManifest, config: ImageConfiguration, diffid: DiffId): Descriptor {
  const position = config.rootfs.diff_ids.indexOf(diffid)
  if (position < 0) throw new FormatError('config', `Missing ${DIFFID_LABEL} ${diffid}`)
  const layer = manifest.layers[position]
  if (layer === undefined) {
    throw new FormatError('config', `diffid position ${position} exceeds layer count ${manifest.layers.length}`)
  }
  return layer
}

/** Returns the value of a label. Only own properties count, because the image may have any names. */
export function label(config: ImageConfiguration, name: string): string | undefined {
  const labels = config.config?.Labels
  return labels !== undefined && Object.hasOwn(labels, name) ? labels[name] : undefined
}

/** Returns whether two descriptors are equal in every field, in any order of keys. */
export function sameDescriptor(a: Descriptor, b: Descriptor): boolean {
  return a === b || (a.digest === b.digest && sameValue(a, b))
}

function sameValue(a: unknown, b: unknown): boolean {
  if (a === b) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  const left = Object.entries(a).filter(([, value]) => value !== undefined)
  const right = new Map(Object.entries(b).filter(([, value]) => value !== undefined))
  return left.length === right.size && left.every(([key, value]) => right.has(key) && sameValue(value, right.get(key)))
}
