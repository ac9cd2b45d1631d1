/**
 * Writes an image to an OCI layout in a directory, an archive, or memory.
 *
 * Blobs are written first, named by their digests, then the manifest, which is a blob too. `index.json` is written last
 * and makes the image visible. Without a tag, the image replaces all entries of the index; with a tag, only the entry
 * of that tag.
 *
 * Source: OCI image-spec 1.1, image-layout.md; ocidir (insert_manifest, replace_with_single_manifest).
 */
import { encodeUtf8, streamOf } from '../../bytes.ts'
import { ConflictError, UnsupportedError, UsageError, withContext } from '../../errors.ts'
import type { Platform } from '../../platform/index.ts'
import { canonicalJson } from '../oci/canonical-json.ts'
import { MAX_MANIFEST_SIZE, parseIndex } from '../oci/manifest.ts'
import { OCI_MANIFEST } from '../oci/media-types.ts'
import type { Descriptor, Digest, StoredBlob } from '../oci/oci-types.ts'
import { present } from '../oci/present.ts'
import type { ImageDestination, PutBlobOptions, PutManifestOptions } from './destination.ts'
import { readFile } from './file-tree.ts'
import { blobPath, REF_NAME } from './oci-layout.ts'
import { putVerified, type WritableTree } from './writable-tree.ts'

const LAYOUT_VERSION = '{"imageLayoutVersion":"1.0.0"}'

/** A destination that writes the files of an OCI layout. */
export class LayoutDestination implements ImageDestination {
  readonly #tree: WritableTree
  readonly #platform: Platform
  readonly #tag: string | undefined
  readonly #publish: () => Promise<void>
  #entry: Descriptor | undefined

  /**
   * Creates a destination. Disposing of it disposes of `tree`.
   * @param tag the image's name in the index; `undefined` for an image without a name
   * @param publish called by `commit` when all files are written, such as to pack them into an archive
   */
  constructor(
    tree: WritableTree,
    platform: Platform,
    tag: string | undefined,
    publish: () => Promise<void> = async () => {},
  ) {
    this.#tree = tree
    this.#platform = platform
    this.#tag = tag
    this.#publish = publish
  }

  get what(): string {
    return this.#tree.what
  }

  acceptsManifest(mediaType: string): boolean {
    return mediaType === OCI_MANIFEST
  }

  async hasBlob({ digest, size }: StoredBlob): Promise<boolean> {
    return (await this.#tree.size(blobPath(digest))) === size
  }

  putBlob(bytes: AsyncIterable<Uint8Array>, options: PutBlobOptions = {}): Promise<StoredBlob> {
    return putVerified(this.#tree, this.#platform, bytes, options, blobPath)
  }

  async putManifest(bytes: Uint8Array, { mediaType, platform }: PutManifestOptions): Promise<Digest> {
    if (!this.acceptsManifest(mediaType)) {
      throw new UnsupportedError('manifest type', `oci:${this.what}: a layout cannot hold ${mediaType}`)
    }
    if (this.#entry !== undefined)
      throw new ConflictError('manifest', `oci:${this.what}: the image already has a manifest`)
    const { digest, size } = await this.putBlob(streamOf(bytes))
    const annotations = this.#tag === undefined ? undefined : { [REF_NAME]: this.#tag }
    this.#entry = present({
      mediaType,
      digest,
      size,
      annotations,
      platform: platform && present({ ...platform }),
    })
    return digest
  }

  async commit(): Promise<Digest> {
    const entry = this.#entry
    if (entry === undefined) throw new UsageError(`oci:${this.what}: an image needs a manifest`)
    const manifests = this.#tag === undefined ? [entry] : [...(await this.#others(this.#tag)), entry]
    await this.#tree.replace('oci-layout', encodeUtf8(LAYOUT_VERSION))
    await this.#tree.replace('index.json', encodeUtf8(canonicalJson({ schemaVersion: 2, manifests })))
    await this.#publish()
    return entry.digest
  }

  /** Returns the entries of the existing index that do not have the tag. */
  async #others(tag: string): Promise<readonly Descriptor[]> {
    if ((await this.#tree.size('index.json')) === undefined) return []
    try {
      const { manifests } = parseIndex(await readFile(this.#tree, 'index.json', MAX_MANIFEST_SIZE))
      return manifests.filter(({ annotations }) => annotations?.[REF_NAME] !== tag)
    } catch (error) {
      throw withContext(`oci:${this.what}: index.json`, error)
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve(this.#tree[Symbol.asyncDispose]())
  }
}
