/**
 * Images in a repository: which there are, and what their commits say of them. Nothing here writes, but for
 * `clearCachedUpdate`.
 *
 * An image is a ref to its merge commit; the commit's metadata holds manifest, manifest digest and config. Each layer is
 * a commit of its own, behind a ref named after its digest.
 *
 * Source: ostree-ext, container::store (query_image, query_image_commit, list_images, parse_cached_update).
 */

import { type Checksum, encodeUtf8 } from '../../bytes.ts'
import { FormatError, NotFoundError, OstreeError, withContext } from '../../errors.ts'
import { lookup, string, type Vardict } from '../../gvariant/index.ts'
import type { Commit } from '../../objects/index.ts'
import type { Repo } from '../../repo/index.ts'
import { readRef } from '../../repo/internal.ts'
import { normaliseConfig } from '../oci/config.ts'
import { parseDigest } from '../oci/digest.ts'
import { parseManifest } from '../oci/manifest.ts'
import type { Descriptor, Digest, ImageConfiguration, ImageManifest } from '../oci/oci-types.ts'
import { formatImageReference, type ImageReference, toImageReference } from '../oci/reference.ts'
import { versionForConfig } from './image-time.ts'
import {
  CACHED_CONFIG,
  CACHED_MANIFEST,
  CACHED_MANIFEST_DIGEST,
  IMAGE_PREFIX,
  LAYER_PREFIX,
  META_CONFIG,
  META_MANIFEST,
  META_MANIFEST_DIGEST,
  refForImage,
  refForLayer,
} from './names.ts'
import { unprefixUnescapeRef } from './ref-escape.ts'

/** A newer image that was seen but not pulled. */
export interface CachedImageUpdate {
  readonly manifest: ImageManifest
  readonly manifestDigest: Digest
  readonly config: ImageConfiguration
  readonly version: string | undefined
}

/** An image as stored. */
export interface LayeredImageState {
  /** Behind the ref of layer 0: of an image without an OSTree base, the commit of its first layer. */
  readonly baseCommit: Checksum
  /** What a checkout of the image is a checkout of. */
  readonly mergeCommit: Checksum
  readonly manifestDigest: Digest
  readonly manifest: ImageManifest
  readonly configuration: ImageConfiguration
  readonly version: string | undefined
  /** A newer image that was seen when this one was stored already. */
  readonly cachedUpdate: CachedImageUpdate | undefined
}

/** A layer, and the commit it is stored as. */
export interface ManifestLayerState {
  readonly layer: Descriptor
  /** The layer's own ref, also when the commit was found behind another. */
  readonly ostreeRef: string
  /** `undefined` when the layer has to be fetched. */
  readonly commit: Checksum | undefined
}

/** In byte order, as `docker://quay.io/a/b:latest`. @throws {OstreeError} when a ref is no escaped name */
export async function listImages(repo: Repo): Promise<string[]> {
  const refs = await listLocalRefs(repo, IMAGE_PREFIX)
  return refs.map((ref) => unprefixUnescapeRef(IMAGE_PREFIX, ref))
}

/** Names of the local refs at or below a path of whole components. */
export async function listLocalRefs(repo: Repo, prefix: string): Promise<string[]> {
  const paths = await repo.refs.list(`heads/${prefix}`)
  return paths.map((path) => path.slice('heads/'.length))
}

export function resolveLocalRef(repo: Repo, ref: string): Promise<Checksum | undefined> {
  return readRef(repo.refs, `heads/${ref}`)
}

/** @returns `undefined` when there is no such image */
export async function queryImage(repo: Repo, image: string | ImageReference): Promise<LayeredImageState | undefined> {
  try {
    const commit = await resolveLocalRef(repo, refForImage(image))
    return commit === undefined ? undefined : await queryImageCommit(repo, commit)
  } catch (error) {
    throw withContext(`Querying image ${formatImageReference(toImageReference(image))}`, error)
  }
}

/** As `queryImage`, and `undefined` also when what is stored cannot be read: then `onError` hears why. */
export async function tryQueryImage(
  repo: Repo,
  image: string | ImageReference,
  onError?: (error: OstreeError) => void,
): Promise<LayeredImageState | undefined> {
  try {
    return await queryImage(repo, image)
  } catch (error) {
    if (!(error instanceof OstreeError)) throw error
    onError?.(error)
    return undefined
  }
}

/** @param commit any merge commit, whether an image ref names it or not */
export async function queryImageCommit(repo: Repo, commit: Checksum): Promise<LayeredImageState> {
  const { metadata } = await repo.readCommit(commit)
  const { manifest, manifestDigest } = manifestDataFromCommitmeta(metadata)
  const configuration = imageConfigFromCommitmeta(metadata)
  const [first] = manifest.layers
  if (first === undefined) throw new FormatError(`${commit}.commit`, 'No layers found')
  const baseRef = refForLayer(first)
  const baseCommit = await resolveLocalRef(repo, baseRef)
  if (baseCommit === undefined) throw new NotFoundError(baseRef, `Missing base image ref ${baseRef}`)
  const cachedUpdate = parseCachedUpdate(await repo.readDetachedMetadata(commit))
  return {
    baseCommit,
    mergeCommit: commit,
    manifestDigest,
    manifest,
    configuration,
    version: versionForConfig(configuration),
    cachedUpdate,
  }
}

/** @throws {NotFoundError} when the image is not stored */
export async function manifestForImage(
  repo: Repo,
  image: string | ImageReference,
): Promise<{ manifest: ImageManifest; manifestDigest: Digest }> {
  const ref = refForImage(image)
  const commit = await resolveLocalRef(repo, ref)
  if (commit === undefined) throw noSuchImage(image)
  const { metadata } = await repo.readCommit(commit)
  return manifestDataFromCommitmeta(metadata)
}

export function noSuchImage(image: string | ImageReference): NotFoundError {
  const name = formatImageReference(toImageReference(image))
  return new NotFoundError(name, `No such image: ${name}`)
}

/** @throws {FormatError} when metadata is missing or malformed */
export function manifestDataFromCommitmeta(metadata: Vardict): { manifest: ImageManifest; manifestDigest: Digest } {
  try {
    const digest = text(metadata, META_MANIFEST_DIGEST)
    if (digest === undefined) {
      throw new FormatError('commit', `Missing ${META_MANIFEST_DIGEST} metadata on merge commit`)
    }
    const manifest = text(metadata, META_MANIFEST)
    if (manifest === undefined) throw new FormatError('commit', `Failed to find ${META_MANIFEST} metadata key`)
    return { manifest: parseManifest(encodeUtf8(manifest)), manifestDigest: parseDigest(digest) }
  } catch (error) {
    throw withContext('Reading manifest data from commit', error)
  }
}

/** Of a merge commit. @throws {FormatError} as `manifestDataFromCommitmeta` */
export function manifestDigestFromCommit({ metadata }: Commit): Digest {
  return manifestDataFromCommitmeta(metadata).manifestDigest
}

/** Images of the first stores have none: the default has no diff ids. */
export function imageConfigFromCommitmeta(metadata: Vardict): ImageConfiguration {
  const config = text(metadata, META_CONFIG)
  if (config === undefined || config === 'null') {
    return { architecture: 'unknown', os: 'unknown', rootfs: { type: 'layers', diff_ids: [] } }
  }
  return normaliseConfig(encodeUtf8(config))
}

/** The commit behind the layer's own ref, if any. */
export async function queryLayer(repo: Repo, layer: Descriptor): Promise<ManifestLayerState> {
  const ref = refForLayer(layer)
  return { layer, ostreeRef: ref, commit: await resolveLocalRef(repo, ref) }
}

/** How many layers are stored, needed or not. */
export async function countLayerReferences(repo: Repo): Promise<number> {
  return (await listLocalRefs(repo, LAYER_PREFIX)).length
}

/** @param detached metadata of a merge commit @throws {FormatError} when only part of an update is there */
export function parseCachedUpdate(detached: Vardict): CachedImageUpdate | undefined {
  const digest = text(detached, CACHED_MANIFEST_DIGEST)
  if (digest === undefined) return undefined
  const manifest = text(detached, CACHED_MANIFEST)
  if (manifest === undefined) throw new FormatError('commitmeta', `Expected cached manifest ${CACHED_MANIFEST}`)
  const config = text(detached, CACHED_CONFIG)
  if (config === undefined) throw new FormatError('commitmeta', `Expected cached manifest ${CACHED_CONFIG}`)
  const parsed = normaliseConfig(encodeUtf8(config))
  return {
    manifest: parseManifest(encodeUtf8(manifest)),
    manifestDigest: parseDigest(digest),
    config: parsed,
    version: versionForConfig(parsed),
  }
}

/** Forgets a newer image that was seen. @throws {NotFoundError} when the image is not stored */
export async function clearCachedUpdate(repo: Repo, image: string | ImageReference): Promise<void> {
  const context = `Clearing cached update ${formatImageReference(toImageReference(image))}`
  try {
    const commit = await resolveLocalRef(repo, refForImage(image))
    if (commit === undefined) throw noSuchImage(image)
    const detached = await repo.readDetachedMetadata(commit)
    const kept = detached.filter(([key]) => !CACHED_KEYS.has(key))
    if (kept.length === detached.length) return
    await repo.writeDetachedMetadata(
      commit,
      kept.sort(([a], [b]) => (a < b ? -1 : 1)),
    )
  } catch (error) {
    throw withContext(context, error)
  }
}

const CACHED_KEYS = new Set<string>([CACHED_MANIFEST_DIGEST, CACHED_MANIFEST, CACHED_CONFIG])

/** Returns a string of the metadata; `undefined` when the key is absent. @throws {FormatError} when it has another type */
function text(metadata: Vardict, key: string): string | undefined {
  const value = lookup(metadata, key, string)
  if (value === undefined && metadata.some(([name]) => name === key)) {
    throw new FormatError('metadata', `Metadata ${key} is no string`)
  }
  return value
}
