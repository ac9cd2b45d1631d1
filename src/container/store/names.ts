/**
 * Names of images in a repository: refs, metadata keys, labels.
 * Source: ostree-ext, module `container::store` and `container`.
 */
import type { Checksum } from '../../bytes.ts'
import type { Descriptor, Digest } from '../oci/oci-types.ts'
import { formatImageReference, type ImageReference, toImageReference } from '../oci/reference.ts'
import { prefixEscapeRef } from './ref-escape.ts'

/**
 * What a layer holds: `commit` an OSTree commit with its metadata, `chunk` more files of that commit, `derived`
 * ordinary files on top of it.
 */
export type LayerKind = 'commit' | 'chunk' | 'derived'

/** Prefix of the refs of layers, which are named by digest. */
export const LAYER_PREFIX = 'ostree/container/blob'
/** Prefix of the refs of images, which point to merge commits. */
export const IMAGE_PREFIX = 'ostree/container/image'
/**
 * Prefix of the refs of layers that one image has as something else than the layer's own ref says: the same blob is a
 * layer of another kind in another image, or was imported with other rules. ostree-ext does not list these refs, and
 * `ostree prune` keeps what they point to.
 */
export const IMAGE_LAYER_PREFIX = 'ostree/container/image-layer'
/** Prefix of refs that other tools set to base images. Their layers are kept; this library does not write such refs. */
export const BASE_IMAGE_PREFIX = 'ostree/container/baseimage'
/** Refs of deployments, by libostree and by rpm-ostree. */
export const OSTREE_BASE_DEPLOYMENT_REFS: readonly string[] = ['ostree/0', 'ostree/1']
export const RPMOSTREE_BASE_REFS: readonly string[] = ['rpmostree/base']

/** Key in the metadata of a merge commit: digest of the original manifest, a string. */
export const META_MANIFEST_DIGEST = 'ostree.manifest-digest'
/** Key in the metadata of a merge commit: the manifest as canonical JSON, a string. */
export const META_MANIFEST = 'ostree.manifest'
/** Key in the metadata of a merge commit: the config as canonical JSON, a string. */
export const META_CONFIG = 'ostree.container.image-config'
/** Key in the metadata of merge commits and of commits of derived layers: version of the importer. */
export const IMPORTER_VERSION = 'ostree.importer.version'

/** Detached metadata of a merge commit for which a newer image was seen. */
export const CACHED_MANIFEST_DIGEST = 'ostree-ext.cached.manifest-digest'
export const CACHED_MANIFEST = 'ostree-ext.cached.manifest'
export const CACHED_CONFIG = 'ostree-ext.cached.config'
export const CACHED_KEYS: ReadonlySet<string> = new Set([CACHED_MANIFEST_DIGEST, CACHED_MANIFEST, CACHED_CONFIG])

/** Label of an image: diff id of the last layer that belongs to the encapsulated commit. */
export const DIFFID_LABEL = 'ostree.final-diffid'
export const BOOTC_LABEL = 'containers.bootc'
/**
 * Label of an image: checksum of the encapsulated commit. An import compares it only with the option
 * `verifyCommitLabel`.
 */
export const OSTREE_COMMIT_LABEL = 'ostree.commit'
/** Labels that hold the version of an image, the preferred one first. */
export const VERSION_LABELS: readonly string[] = ['org.opencontainers.image.version', 'version']
export const CREATED_ANNOTATION = 'org.opencontainers.image.created'

/** Annotation of a chunk layer: names of the components in it, in byte order, joined by commas. */
export const CONTENT_ANNOTATION = 'ostree.components'
export const COMPONENT_SEPARATOR = ','

/** Group and key of the image in the origin file of a deployment. */
export const ORIGIN_GROUP = 'origin'
export const ORIGIN_IMAGE_KEY = 'container-image-reference'
export const DEFAULT_STATEROOT = 'default'

/** Returns the ref under which a layer is stored: `ostree/container/blob/sha256_3A_HEX`. */
export function refForBlobDigest(digest: Digest): string {
  return prefixEscapeRef(LAYER_PREFIX, digest)
}

/** Returns the ref under which a layer is stored, as `refForBlobDigest` of its digest. */
export function refForLayer(layer: Descriptor): string {
  return refForBlobDigest(layer.digest)
}

/**
 * Returns the ref of a layer as one image has it: `ostree/container/image-layer/MERGE/KIND/sha256_3A_HEX`.
 * @param mergeCommit of the image
 */
export function refForImageLayer(mergeCommit: Checksum, kind: LayerKind, layer: Descriptor): string {
  return prefixEscapeRef(`${IMAGE_LAYER_PREFIX}/${mergeCommit}/${kind}`, layer.digest)
}

/**
 * Returns the ref under which an image is stored: `ostree/container/image/` and the escaped reference.
 * @param image a reference, or its text, such as `docker://quay.io/a/b:latest`
 * @throws {InvalidNameError} when the text is not a reference
 */
export function refForImage(image: string | ImageReference): string {
  return prefixEscapeRef(IMAGE_PREFIX, formatImageReference(toImageReference(image)))
}
