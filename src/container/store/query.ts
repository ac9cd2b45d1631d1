/**
 * Lists and reads the images in a repository. Only `clearCachedUpdate` writes.
 *
 * An image is a ref to its merge commit, whose metadata holds manifest, manifest digest and config. Each layer is a
 * commit of its own, with a ref that is named after its digest.
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

/** A newer version of a stored image, which an import saw but did not fetch. */
export interface CachedImageUpdate {
  readonly manifest: ImageManifest
  readonly manifestDigest: Digest
  readonly config: ImageConfiguration
  readonly version: string | undefined
}

/** A stored image. */
export interface LayeredImageState {
  /** Commit of layer 0: the OSTree base, or in an image without one the commit of its first layer. */
  readonly baseCommit: Checksum
  /** Commit with the tree of the whole image. */
  readonly mergeCommit: Checksum
  readonly manifestDigest: Digest
  readonly manifest: ImageManifest
  readonly configuration: ImageConfiguration
  readonly version: string | undefined
  /** A newer image of that name, which was found but not imported. */
  readonly cachedUpdate: CachedImageUpdate | undefined
}

/** A layer of a manifest, and the commit that it is stored as. */
export interface ManifestLayerState {
  readonly layer: Descriptor
  /** The ref of the layer, even if the commit was found with another ref. */
  readonly ostreeRef: string
  /** `undefined` when the layer is not stored. */
  readonly commit: Checksum | undefined
}

/**
 * Lists the names of the stored images, such as `docker://quay.io/a/b:latest`, in byte order.
 * @throws {OstreeError} when a ref below `ostree/container/image` is not an escaped name
 */
export async function listImages(repo: Repo): Promise<string[]> {
  const refs = await listLocalRefs(repo, IMAGE_PREFIX)
  return refs.map((ref) => unprefixUnescapeRef(IMAGE_PREFIX, ref))
}

/** Lists the local refs at or below a path of whole components. */
export async function listLocalRefs(repo: Repo, prefix: string): Promise<string[]> {
  const paths = await repo.refs.list(`heads/${prefix}`)
  return paths.map((path) => path.slice('heads/'.length))
}

export function resolveLocalRef(repo: Repo, ref: string): Promise<Checksum | undefined> {
  return readRef(repo.refs, `heads/${ref}`)
}

/**
 * Reads a stored image.
 * @param image a reference, or its text
 * @returns `undefined` when the image is not stored
 * @throws {InvalidNameError} when the text is not a reference
 * @throws {NotFoundError} when the ref of its base is missing; {FormatError} when the metadata of its commit is
 *   malformed
 */
export async function queryImage(repo: Repo, image: string | ImageReference): Promise<LayeredImageState | undefined> {
  try {
    const commit = await resolveLocalRef(repo, refForImage(image))
    return commit === undefined ? undefined : await queryImageCommit(repo, commit)
  } catch (error) {
    throw withContext(`Querying image ${formatImageReference(toImageReference(image))}`, error)
  }
}

/**
 * Reads a stored image; one that cannot be read counts as not stored.
 * @param onError called with the error that reading it gave
 * @returns `undefined` when the image is not stored, or cannot be read
 */
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

/**
 * Reads the image that a merge commit belongs to, whether or not a ref names that commit.
 * @throws {ObjectNotFoundError} when there is no such commit
 * @throws {NotFoundError} when the ref of its base is missing; {FormatError} when its metadata is malformed
 */
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

/**
 * Reads the manifest of a stored image, and its digest.
 * @param image a reference, or its text
 * @throws {NotFoundError} when the image is not stored; {FormatError} when the metadata of its commit is malformed
 */
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

/**
 * Reads the manifest and its digest from the metadata of a merge commit.
 * @throws {FormatError} when a key is missing or its value is malformed
 */
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

/** Reads the digest of the manifest from a merge commit. @throws {FormatError} as `manifestDataFromCommitmeta` */
export function manifestDigestFromCommit({ metadata }: Commit): Digest {
  return manifestDataFromCommitmeta(metadata).manifestDigest
}

/**
 * Reads the config of an image from the metadata of a merge commit. Commits of the first versions of ostree-ext have
 * none; for those a config without diff ids is returned.
 * @throws {FormatError} when the value is malformed
 */
export function imageConfigFromCommitmeta(metadata: Vardict): ImageConfiguration {
  const config = text(metadata, META_CONFIG)
  if (config === undefined || config === 'null') {
    return { architecture: 'unknown', os: 'unknown', rootfs: { type: 'layers', diff_ids: [] } }
  }
  return normaliseConfig(encodeUtf8(config))
}

/** Reads which commit the ref of a layer points to. */
export async function queryLayer(repo: Repo, layer: Descriptor): Promise<ManifestLayerState> {
  const ref = refForLayer(layer)
  return { layer, ostreeRef: ref, commit: await resolveLocalRef(repo, ref) }
}

/** Counts the stored layers, whether or not an image needs them. */
export async function countLayerReferences(repo: Repo): Promise<number> {
  return (await listLocalRefs(repo, LAYER_PREFIX)).length
}

/**
 * Reads a newer version of the image from the detached metadata of a merge commit.
 * @returns `undefined` when none was seen
 * @throws {FormatError} when a part of it is missing or malformed
 */
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

/**
 * Removes the note of a newer version from a stored image.
 * @param image a reference, or its text
 * @throws {NotFoundError} when the image is not stored
 */
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
