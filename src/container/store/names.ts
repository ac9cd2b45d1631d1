/**
 * Where images live in a repository: refs, metadata keys, labels.
 * Source: ostree-ext, module `container::store` and `container`.
 */
import type { Descriptor, Digest } from '../oci/oci-types.ts'
import { formatImageReference, type ImageReference, toImageReference } from '../oci/reference.ts'
import { prefixEscapeRef } from './ref-escape.ts'

/** Below it a ref for each layer, named by digest. */
export const LAYER_PREFIX = 'ostree/container/blob'
/** Below it a ref for each image, pointing to its merge commit. */
export const IMAGE_PREFIX = 'ostree/container/image'
/** Below it refs other tools keep to base images; roots for garbage collection, never written here. */
export const BASE_IMAGE_PREFIX = 'ostree/container/baseimage'
/** Refs of deployments, by libostree and by rpm-ostree. */
export const OSTREE_BASE_DEPLOYMENT_REFS: readonly string[] = ['ostree/0', 'ostree/1']
export const RPMOSTREE_BASE_REFS: readonly string[] = ['rpmostree/base']

/** Metadata of a merge commit, where every value is a string: key of the digest of the original manifest. */
export const META_MANIFEST_DIGEST = 'ostree.manifest-digest'
/** Key of the manifest as canonical JSON. */
export const META_MANIFEST = 'ostree.manifest'
/** Key of the config as canonical JSON. */
export const META_CONFIG = 'ostree.container.image-config'
/** Also on commits of derived layers. */
export const IMPORTER_VERSION = 'ostree.importer.version'

/** Detached metadata of a merge commit for which a newer image was seen. */
export const CACHED_MANIFEST_DIGEST = 'ostree-ext.cached.manifest-digest'
export const CACHED_MANIFEST = 'ostree-ext.cached.manifest'
export const CACHED_CONFIG = 'ostree-ext.cached.config'

/** Label: diff id of the last layer that belongs to the encapsulated commit. */
export const DIFFID_LABEL = 'ostree.final-diffid'
export const BOOTC_LABEL = 'containers.bootc'
/** Label: checksum of the encapsulated commit. For information; nothing compares it. */
export const OSTREE_COMMIT_LABEL = 'ostree.commit'
/** Labels that hold the version, the preferred one first. */
export const VERSION_LABELS: readonly string[] = ['org.opencontainers.image.version', 'version']
export const CREATED_ANNOTATION = 'org.opencontainers.image.created'

/** Annotation of a chunk layer: names of the components in it, in byte order. */
export const CONTENT_ANNOTATION = 'ostree.components'
export const COMPONENT_SEPARATOR = ','

/** Key of a deployment's origin file. */
export const ORIGIN_GROUP = 'origin'
export const ORIGIN_IMAGE_KEY = 'container-image-reference'
export const DEFAULT_STATEROOT = 'default'

/** @returns `ostree/container/blob/sha256_3A_<hex>` */
export function refForBlobDigest(digest: Digest): string {
  return prefixEscapeRef(LAYER_PREFIX, digest)
}

/** As `refForBlobDigest`, of the layer's digest. */
export function refForLayer(layer: Descriptor): string {
  return refForBlobDigest(layer.digest)
}

/**
 * Returns the ref under which an image is stored: `ostree/container/image/` and the escaped reference.
 * @param image a reference, or its text, such as `docker://quay.io/a/b:latest`
 * @throws {InvalidNameError} when the text is not a reference
 */
export function refForImage(image: string | ImageReference): string {
  return prefixEscapeRef(IMAGE_PREFIX, formatImageReference(toImageReference(image)))
}
