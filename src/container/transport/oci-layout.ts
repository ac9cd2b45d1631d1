/**
 * Reads an image from an OCI image layout.
 *
 *     oci-layout            {"imageLayoutVersion":"1.0.0"}
 *     index.json            manifests[], named by the annotation org.opencontainers.image.ref.name
 *     blobs/sha256/<hex>
 *
 * An image is named PATH, PATH:TAG or PATH:@N, with N counted from 0. Source: OCI image-spec 1.1, image-layout.md;
 * containers/image, package `oci/layout`.
 */
import { InvalidNameError, NotFoundError, withContext } from '../../errors.ts'
import { digestChecksum } from '../oci/digest.ts'
import { isIndexType, MAX_MANIFEST_SIZE, parseIndex } from '../oci/manifest.ts'
import { DOCKER_MANIFEST, OCI_MANIFEST } from '../oci/media-types.ts'
import type { Descriptor, Digest } from '../oci/oci-types.ts'
import { type FileTree, readFile } from './file-tree.ts'
import type { ImageSource, SourceContext } from './interface.ts'
import { type BlobReader, openDescriptor } from './manifest-source.ts'

/** The annotation that names an image in an index. */
export const REF_NAME = 'org.opencontainers.image.ref.name'

/**
 * Splits `PATH:IMAGE` at the first colon. `image` is `undefined` when there is no colon, or no text after it.
 * @throws {InvalidNameError} when the path is empty
 */
export function splitImageName(name: string): { path: string; image: string | undefined } {
  const colon = name.indexOf(':')
  const path = colon < 0 ? name : name.slice(0, colon)
  if (path === '') throw new InvalidNameError(name, `Invalid image name ${JSON.stringify(name)}: no path`)
  return { path, image: colon < 0 ? undefined : name.slice(colon + 1) || undefined }
}

/**
 * Opens an image of a layout.
 * @param image a tag, or `@N`; without it the layout must hold exactly one image
 * @throws {NotFoundError} when there is no such image, or a choice is needed; as `openManifest`
 */
export async function openLayout(
  tree: FileTree,
  image: string | undefined,
  context: SourceContext,
): Promise<ImageSource> {
  try {
    const { manifests } = parseIndex(await readFile(tree, 'index.json', MAX_MANIFEST_SIZE))
    return await openDescriptor(layoutReader(tree), chooseImage(manifests, image), context)
  } catch (error) {
    throw withContext(`oci:${tree.what}`, error)
  }
}

function chooseImage(manifests: readonly Descriptor[], image: string | undefined): Descriptor {
  if (image === undefined) {
    const [only, ...others] = manifests
    if (only === undefined) throw new NotFoundError('image', 'no image in oci')
    if (others.length > 0) throw new NotFoundError('image', 'more than one image in oci, choose an image')
    return only
  }
  const found = /^@\d{1,9}$/.test(image)
    ? manifests[Number(image.slice(1))]
    : manifests.find(({ annotations, mediaType }) => annotations?.[REF_NAME] === image && isImageType(mediaType))
  if (found === undefined) throw new NotFoundError(image, `no descriptor found for reference ${JSON.stringify(image)}`)
  return found
}

function isImageType(mediaType: string): boolean {
  return mediaType === OCI_MANIFEST || mediaType === DOCKER_MANIFEST || isIndexType(mediaType)
}

/** Returns the path of a blob in a layout. @throws {UnsupportedError} when the digest's algorithm is not SHA-256 */
export function blobPath(digest: Digest): string {
  return `blobs/sha256/${digestChecksum(digest)}`
}

function layoutReader(tree: FileTree): BlobReader {
  return {
    manifest: ({ digest }) => readFile(tree, blobPath(digest), MAX_MANIFEST_SIZE),
    config: ({ digest }, limit) => readFile(tree, blobPath(digest), limit),
    blob: ({ digest }) => tree.stream(blobPath(digest)),
    givesPlainLayers: false,
  }
}
