/**
 * Lists and reads the images in a repository. Only `clearCachedUpdate` writes.
 *
 * An image is a ref to its merge commit, whose metadata holds manifest, manifest digest and config. Each layer is a
 * commit of its own, with a ref that is named after its digest.
 *
 * Source: ostree-ext, container::store (query_image, query_image_commit, list_images, parse_cached_update).
 */

import type { Checksum } from '../../bytes.ts'
import { FormatError, NotFoundError, OstreeError, withContext } from '../../errors.ts'
import { lookup, string, type Vardict } from '../../gvariant/index.ts'
import type { Repo } from '../../repo/index.ts'
import type { Descriptor, Digest, ImageConfiguration, ImageManifest } from '../oci/oci-types.ts'
import { formatImageReference, type ImageReference, toImageReference } from '../oci/reference.ts'
import { versionForConfig } from './image-time.ts'
import { findLayerRef, requireLayer } from './layer-refs.ts'
import { label } from './layout.ts'
import {
  type CachedImageUpdate,
  hasConfig,
  imageConfigFromCommitmeta,
  manifestDataFromCommitmeta,
  parseCachedUpdate,
} from './merge-metadata.ts'
import {
  CACHED_KEYS,
  DIFFID_LABEL,
  IMAGE_PREFIX,
  LAYER_PREFIX,
  META_CONFIG,
  META_MANIFEST,
  refForImage,
  refForLayer,
} from './names.ts'
import { unprefixUnescapeRef } from './ref-escape.ts'
import { listLocalRefs, resolveLocalRef } from './refs.ts'

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
 * @param onError called with an error for each ref below `ostree/container/image` that is not an escaped name; such refs
 *   are skipped
 * @throws {InvalidNameError} naming such a ref, without `onError`
 */
export async function listImages(repo: Repo, onError?: (error: OstreeError) => void): Promise<string[]> {
  const names: string[] = []
  for (const ref of await listLocalRefs(repo, IMAGE_PREFIX)) {
    try {
      names.push(unprefixUnescapeRef(IMAGE_PREFIX, ref))
    } catch (error) {
      const named = withContext(`Reading ref ${ref}`, error)
      if (onError === undefined || !(named instanceof OstreeError)) throw named
      onError(named)
    }
  }
  return names
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
  const baseCommit = await findBase(repo, commit, { first, metadata, configuration })
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

interface BaseInput {
  readonly first: Descriptor
  readonly metadata: Vardict
  readonly configuration: ImageConfiguration
}

/** Finds the commit of the first layer. */
async function findBase(
  repo: Repo,
  mergeCommit: Checksum,
  { first: layer, metadata, configuration }: BaseInput,
): Promise<Checksum> {
  const missing = 'Missing base image ref'
  const kind = label(configuration, DIFFID_LABEL) === undefined ? 'derived' : 'commit'
  if (hasConfig(metadata)) return requireLayer(repo, mergeCommit, { layer, kind }, missing)
  // Without a config, which the first versions of ostree-ext did not store, the kind is not known.
  const found = await findLayerRef(repo, mergeCommit, { layer, kind })
  const ref = refForLayer(layer)
  if (found === undefined) throw new NotFoundError(ref, `${missing} ${ref}`)
  return found.commit
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

/** Reads the texts of manifest and config of a merge commit, as they were stored. `undefined` where one is missing. */
export async function storedDocuments(
  repo: Repo,
  commit: Checksum,
): Promise<{ manifest: string | undefined; config: string | undefined }> {
  const { metadata } = await repo.readCommit(commit)
  return { manifest: lookup(metadata, META_MANIFEST, string), config: lookup(metadata, META_CONFIG, string) }
}
