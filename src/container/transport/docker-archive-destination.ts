/**
 * Writes an image as `docker save` does: one tar file with the layers as plain tar, the config, and `manifest.json`.
 *
 *     <diff id>.tar ..    layers, each once
 *     <hex>.json          the config
 *     manifest.json       [{"Config": …, "RepoTags": [..], "Layers": [..]}]
 *
 * The manifest is not stored: a reader builds one from config and layers. The digest returned here is that of the
 * manifest such a reader builds.
 * Source: containers/image, package `docker/internal/tarfile`.
 */
import { encodeUtf8 } from '../../bytes.ts'
import {
  ConflictError,
  DigestMismatchError,
  FormatError,
  InvalidNameError,
  UnsupportedError,
  UsageError,
} from '../../errors.ts'
import type { Platform, WritableFiles } from '../../platform/index.ts'
import { uncompressedTar } from '../../repo/index.ts'
import type { TarEntry } from '../../tar/index.ts'
import { normaliseConfig } from '../oci/config.ts'
import { digestChecksum, digestOf } from '../oci/digest.ts'
import { parseManifest } from '../oci/manifest.ts'
import { DOCKER_CONFIG, DOCKER_MANIFEST, OCI_CONFIG, OCI_MANIFEST } from '../oci/media-types.ts'
import type { Digest, StoredBlob } from '../oci/oci-types.ts'
import { formatRegistryReference, parseRegistryReference } from '../oci/registry-reference.ts'
import { limitExpansion, VerifiedBlob } from '../oci/verified-blob.ts'
import { writeArchive } from './archive-file.ts'
import type { ImageDestination, PutBlobOptions, PutManifestOptions } from './destination.ts'
import { SAVED_IMAGES, savedManifest } from './docker-archive.ts'
import { readFile } from './file-tree.ts'
import { MAX_LAYER_BYTES } from './interface.ts'
import { MAX_CONFIG_SIZE } from './manifest-source.ts'
import { directoryWritableTree, putConverted, putVerified, type WritableTree } from './writable-tree.ts'

const MODE = 0o444

/**
 * Opens a `docker-archive:` destination. Its commit replaces a file that exists at `path`.
 * @param image the tag of the image in the archive, as Docker names images; without it the image has no tag
 * @throws {InvalidNameError} when `image` is not such a name; {IoError} when no temporary directory can be created
 */
export async function openDockerArchiveDestination(
  files: WritableFiles,
  path: string,
  image: string | undefined,
  platform: Platform,
): Promise<ImageDestination> {
  const tags = image === undefined ? [] : [tagOf(image)]
  const folder = await files.createTemporary(files.parent(path))
  const tree = await directoryWritableTree(files, folder, [])
  return new DockerArchiveDestination(path, tree, platform, tags, {
    write: (members) => writeArchive(files, folder, members, path),
    remove: () => files.remove(folder),
  })
}

function tagOf(image: string): string {
  const reference = parseRegistryReference(image)
  if (reference.tag !== undefined) return formatRegistryReference(reference)
  throw new InvalidNameError(image, `Invalid image name ${JSON.stringify(image)}: an archive needs a tag, not a digest`)
}

/** The archive that is written. */
interface Place {
  write(members: AsyncIterable<TarEntry>): Promise<void>
  remove(): Promise<void>
}

const layerPath = (diffId: Digest) => `${digestChecksum(diffId)}.tar`
const configPath = (digest: Digest) => `${digestChecksum(digest)}.json`

class DockerArchiveDestination implements ImageDestination {
  readonly what: string
  readonly keepsLayersPlain = true
  readonly #tree: WritableTree
  readonly #platform: Platform
  readonly #tags: readonly string[]
  readonly #place: Place
  /** The layers as plain tar, by the digests of the blobs passed to `putBlob`. */
  readonly #layers = new Map<Digest, StoredBlob>()
  #image: { readonly config: StoredBlob; readonly layers: readonly StoredBlob[]; readonly digest: Digest } | undefined

  constructor(what: string, tree: WritableTree, platform: Platform, tags: readonly string[], place: Place) {
    this.what = what
    this.#tree = tree
    this.#platform = platform
    this.#tags = tags
    this.#place = place
  }

  acceptsManifest(mediaType: string): boolean {
    return mediaType === OCI_MANIFEST || mediaType === DOCKER_MANIFEST
  }

  async hasBlob({ digest, size }: StoredBlob): Promise<boolean> {
    return this.#layers.has(digest) || (await this.#tree.size(configPath(digest))) === size
  }

  async putBlob(bytes: AsyncIterable<Uint8Array>, options: PutBlobOptions = {}): Promise<StoredBlob> {
    const { mediaType } = options
    if (mediaType === OCI_CONFIG || mediaType === DOCKER_CONFIG) {
      return await putVerified(this.#tree, this.#platform, bytes, options, configPath)
    }
    const platform = this.#platform
    const { blob, file } = await putConverted(this.#tree, platform, bytes, options, layerPath, (stored) => {
      const limits = { what: 'layer', maxBytes: MAX_LAYER_BYTES }
      return new VerifiedBlob(platform, limitExpansion(uncompressedTar(platform, stored, limits), stored, limits))
    })
    this.#layers.set(blob.digest, file)
    return blob
  }

  async putManifest(bytes: Uint8Array, { mediaType }: PutManifestOptions): Promise<Digest> {
    const place = `docker-archive:${this.what}`
    if (!this.acceptsManifest(mediaType)) {
      throw new UnsupportedError('manifest type', `${place}: an archive cannot hold ${mediaType}`)
    }
    if (this.#image !== undefined) throw new ConflictError('manifest', `${place}: the image already has a manifest`)
    const { config, layers } = parseManifest(bytes)
    const { rootfs } = normaliseConfig(await readFile(this.#tree, configPath(config.digest), MAX_CONFIG_SIZE))
    const plain = layers.map(({ digest }, i) => {
      const layer = this.#layers.get(digest)
      if (layer === undefined) throw new FormatError('manifest', `${place}: layer ${digest} was not stored`)
      const diffId = rootfs.diff_ids[i]
      if (diffId !== layer.digest) throw new DigestMismatchError('diffId', digest, String(diffId), layer.digest)
      return layer
    })
    const digest = digestOf(this.#platform.sha256(savedManifest(config, plain)))
    this.#image = { config, layers: plain, digest }
    return digest
  }

  async commit(): Promise<Digest> {
    if (this.#image === undefined) throw new UsageError(`docker-archive:${this.what}: an image needs a manifest`)
    await this.#place.write(this.#members(this.#image))
    return this.#image.digest
  }

  async *#members(image: { config: StoredBlob; layers: readonly StoredBlob[] }): AsyncGenerator<TarEntry> {
    const paths = image.layers.map(({ digest }) => layerPath(digest))
    const config = configPath(image.config.digest)
    for (const path of new Set([...paths, config])) {
      const size = await this.#tree.size(path)
      yield { path, mode: MODE, body: this.#tree.stream(path), ...(size !== undefined && { size }) }
    }
    const saved = [{ Config: config, RepoTags: this.#tags, Layers: paths }]
    yield { path: SAVED_IMAGES, mode: MODE, body: encodeUtf8(JSON.stringify(saved)) }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#tree[Symbol.asyncDispose]()
    await this.#place.remove()
  }
}
