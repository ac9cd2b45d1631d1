/**
 * An image into an OCI layout: a directory, an archive, memory.
 *
 * Blobs come first, under the names their digests give them; then the manifest, a blob as well; `index.json` last, and
 * with it the image is there. Without a tag the image replaces whatever the index named; with one, what had that tag.
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

export class LayoutDestination implements ImageDestination {
  readonly #tree: WritableTree
  readonly #platform: Platform
  readonly #tag: string | undefined
  readonly #publish: () => Promise<void>
  #entry: Descriptor | undefined

  /**
   * Takes the tree over: disposing of this disposes of it.
   * @param publish called when the layout is complete, for what is more than its files
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

  /** Entries of other names, as they are. */
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
