/**
 * Reads an image from an archive that `docker save` wrote.
 *
 *     manifest.json      [{"Config": PATH, "RepoTags": [..], "Layers": [PATH, ..]}, ..]
 *     PATH ..            config; layers, plain or compressed, or links to them
 *
 * The archive has no image manifest, so a Docker manifest is built. Its layer digests are the diff ids, since layers
 * are always read as plain tar, also where the archive has them compressed. An image is named FILE, FILE:REF or FILE:@N.
 * Source: containers/image, package `docker/internal/tarfile`.
 */
import { concatBytes, EMPTY_BYTES, encodeUtf8 } from '../../bytes.ts'
import { FormatError, LimitError, NotFoundError, withContext } from '../../errors.ts'
import { uncompressedTar } from '../../repo/index.ts'
import { normaliseConfig } from '../oci/config.ts'
import { digestOf, parseDigest } from '../oci/digest.ts'
import { JsonObject, parseJsonArray } from '../oci/json.ts'
import { MAX_MANIFEST_SIZE } from '../oci/manifest.ts'
import { DOCKER_CONFIG, DOCKER_LAYER_GZIP, DOCKER_MANIFEST } from '../oci/media-types.ts'
import type { Descriptor, Digest, StoredBlob } from '../oci/oci-types.ts'
import { limitExpansion } from '../oci/verified-blob.ts'
import { hasMagic, MAGIC_LENGTH } from './archive-tree.ts'
import { type FileTree, missingFile, readFile } from './file-tree.ts'
import { type ImageSource, MAX_LAYER_BYTES, MAX_LAYERS, type SourceContext } from './interface.ts'
import { MAX_CONFIG_SIZE, openManifest } from './manifest-source.ts'

/** Name of the list of images in the archive. */
export const SAVED_IMAGES = 'manifest.json'
const LENIENT = { what: SAVED_IMAGES, anyCase: true }

interface SavedImage {
  readonly config: string
  readonly tags: readonly string[]
  readonly layers: readonly string[]
}

/**
 * Opens an image in an archive. Each file of layers that is compressed in the archive is decompressed once, to get its
 * size, after the limit of layers was checked.
 * @param image a reference among the tags, or `@N`; without it the archive must hold exactly one image
 * @throws {NotFoundError} when there is no such image, or a choice is needed, or a file of the image is missing
 * @throws {FormatError} when `manifest.json` or the config is malformed; {LimitError} when something is too large
 */
export async function openDockerArchive(
  tree: FileTree,
  image: string | undefined,
  context: SourceContext,
): Promise<ImageSource> {
  try {
    const saved = chooseImage(parseSavedImages(await readFile(tree, SAVED_IMAGES, MAX_MANIFEST_SIZE)), image)
    const { platform, maxLayers = MAX_LAYERS } = context
    if (saved.layers.length > maxLayers) throw new LimitError('number of layers', maxLayers)
    const config = await readFile(tree, saved.config, MAX_CONFIG_SIZE)
    const paths = layerPaths(saved, normaliseConfig(config).rootfs.diff_ids)
    const plain = (path: string) => plainLayer(tree, path, context)
    const layers: StoredBlob[] = []
    const sizes = new Map<string, number>()
    for (const [digest, path] of paths.all) {
      const file = tree.target?.(path) ?? path
      const size = sizes.get(file) ?? (await plainSize(tree, file, plain))
      sizes.set(file, size)
      layers.push({ digest, size })
    }
    const manifest = savedManifest({ digest: digestOf(platform.sha256(config)), size: config.length }, layers)
    const blob = ({ digest }: Descriptor) => {
      const path = paths.byDigest.get(digest)
      if (path === undefined) throw new NotFoundError(digest, `${tree.what}: no such layer: ${digest}`)
      return plain(path)
    }
    const nothing = async (): Promise<never> => {
      throw new NotFoundError('manifest', 'a docker-archive has no index')
    }
    const reader = { manifest: nothing, config: async () => config, blob, givesPlainLayers: true }
    return await openManifest(reader, manifest, DOCKER_MANIFEST, context)
  } catch (error) {
    throw withContext(`docker-archive:${tree.what}`, error)
  }
}

/**
 * Returns the Docker manifest for an image in an archive. Its layers have the media type of compressed ones, as in
 * containers/image.
 * @param layers diff ids, and sizes of the plain tar in bytes
 */
export function savedManifest(config: StoredBlob, layers: readonly StoredBlob[]): Uint8Array {
  const described = (mediaType: string, { size, digest }: StoredBlob) => ({ mediaType, size, digest })
  const manifest = {
    schemaVersion: 2,
    mediaType: DOCKER_MANIFEST,
    config: described(DOCKER_CONFIG, config),
    layers: layers.map((layer) => described(DOCKER_LAYER_GZIP, layer)),
  }
  return encodeUtf8(JSON.stringify(manifest))
}

function parseSavedImages(bytes: Uint8Array): SavedImage[] {
  const items = parseJsonArray(bytes, LENIENT).map((item, i) => new JsonObject(item, `[${i}]`, LENIENT))
  return items.map((saved) => ({
    config: saved.required('Config', saved.string('Config')),
    tags: saved.strings('RepoTags') ?? [],
    layers: saved.strings('Layers') ?? [],
  }))
}

function chooseImage(images: readonly SavedImage[], image: string | undefined): SavedImage {
  if (image === undefined) {
    const [only, ...others] = images
    if (only === undefined) throw new NotFoundError('image', 'no image in the archive')
    if (others.length > 0)
      throw new NotFoundError('image', `${images.length} images in the archive, choose one by reference or @index`)
    return only
  }
  const wanted = fullReference(image)
  const found = /^@\d{1,9}$/.test(image)
    ? images[Number(image.slice(1))]
    : images.find(({ tags }) => tags.some((tag) => fullReference(tag) === wanted))
  if (found === undefined) throw new NotFoundError(image, `no image in the archive with reference ${image}`)
  return found
}

/** Expands Docker's short names: `box` becomes `docker.io/library/box:latest`. */
function fullReference(text: string): string {
  const tagged = text.slice(text.lastIndexOf('/') + 1).includes(':') ? text : `${text}:latest`
  const [first = '', ...rest] = tagged.split('/')
  if (rest.length === 0) return `docker.io/library/${tagged}`
  return /[.:]/.test(first) || first === 'localhost' ? tagged : `docker.io/${tagged}`
}

function layerPaths({ layers }: SavedImage, diffIds: readonly string[] | null) {
  const count = diffIds?.length ?? 0
  if (count !== layers.length)
    throw new FormatError('manifest.json', `Invalid manifest.json: ${layers.length} layers, ${count} diff ids`)
  const all = layers.map((path, index): [Digest, string] => [
    parseDigest(diffIds?.[index] ?? ''),
    path.replace(/^(\.?\/)+/, ''),
  ])
  return { all, byDigest: new Map(all) }
}

async function* plainLayer(
  tree: FileTree,
  path: string,
  { platform, signal, maxLayerBytes: maxBytes = MAX_LAYER_BYTES }: SourceContext,
): AsyncGenerator<Uint8Array, void, undefined> {
  const stored = { received: (await tree.size(path)) ?? 0 }
  const limits = { what: 'layer', maxBytes, path }
  const tar = uncompressedTar(platform, tree.stream(path), { ...limits, signal })
  for await (const chunk of limitExpansion(tar, stored, limits)) {
    signal?.throwIfAborted()
    yield chunk
  }
}

/** Returns the size of a layer's plain tar, in bytes. A compressed layer is decompressed to find it. */
async function plainSize(
  tree: FileTree,
  path: string,
  plain: (path: string) => AsyncIterable<Uint8Array>,
): Promise<number> {
  const stored = await tree.size(path)
  if (stored === undefined) throw missingFile(tree.what, path)
  if (!(await isCompressed(tree, path))) return stored
  let size = 0
  for await (const chunk of plain(path)) size += chunk.length
  return size
}

async function isCompressed(tree: FileTree, path: string): Promise<boolean> {
  let start: Uint8Array = EMPTY_BYTES
  for await (const chunk of tree.stream(path)) {
    start = concatBytes([start, chunk.subarray(0, MAGIC_LENGTH)])
    if (start.length >= MAGIC_LENGTH) break
  }
  return hasMagic(start)
}
