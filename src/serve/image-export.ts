/**
 * The bytes of stored images as a registry gives them. A store keeps the files of layers, not the layers, so they are
 * written again, once for each image, into scratch space of the store, from which they are served:
 *
 *     merge commit ─ export ─▶ layers, as blobs in scratch space ─▶ the same digests as in the manifest of the image?
 *                                                                    yes: served, with that manifest and config
 *                                                                    no:  refused, or served as a new image
 *
 * One image is exported at a time. The blobs of the images that were requested last are kept.
 */

import { type Checksum, encodeUtf8 } from '../bytes.ts'
import type { Digest, ExportToOciOptions, ImageDestination, LayeredImageState, StoredBlob } from '../container/index.ts'
import { digestOf, exportToOci, queryImage } from '../container/index.ts'
import { canonicalJson, storedDocuments } from '../container/internal.ts'
import { NotFoundError, UnsupportedError, UsageError } from '../errors.ts'
import type { RandomAccess, Repo } from '../repo/index.ts'
import { accessTo, createScratch, streamAccess } from '../repo/internal.ts'

/** A manifest or blob. */
export interface ServedBlob {
  readonly digest: Digest
  readonly mediaType: string
  readonly access: RandomAccess
}

/** An image whose bytes are known. */
export class ExportedImage {
  readonly manifest: ServedBlob
  /** Config and layers by their digests. */
  readonly blobs: ReadonlyMap<string, ServedBlob>
  #readers = 0
  #retired = false

  constructor(manifest: ServedBlob, blobs: ReadonlyMap<string, ServedBlob>) {
    this.manifest = manifest
    this.blobs = blobs
  }

  /** Yields bytes of one of the blobs. @throws {UsageError} when its space was given back before the first byte */
  async *read({ access }: ServedBlob, start: number, end: number): AsyncGenerator<Uint8Array, void, undefined> {
    if (this.#retired) throw new UsageError('The blob is not kept any more')
    this.#readers++
    try {
      yield* streamAccess(access, start, end)
    } finally {
      this.#readers--
      this.#closeUnused()
    }
  }

  /** Gives the space of the blobs back, once those that read them are done. */
  retire(): void {
    this.#retired = true
    this.#closeUnused()
  }

  #closeUnused(): void {
    if (!this.#retired || this.#readers > 0) return
    for (const { access } of this.blobs.values()) access.close()
  }
}

type Outcome = ExportedImage | UnsupportedError

const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json'
const BINARY = 'application/octet-stream'
/** Images whose blobs are kept. */
const KEPT_IMAGES = 4
/** Bytes of a blob that are kept in memory, if the store has scratch space: an image may have many layers. */
const MOST_IN_MEMORY = 1 << 16

/** Exports images, and remembers what the last ones gave. */
export class ImageExports {
  readonly #repo: Repo
  readonly #reexport: boolean
  /** By merge commit, the last requested at the end. */
  readonly #kept = new Map<Checksum, Promise<Outcome>>()
  #last: Promise<unknown> = Promise.resolve()

  /** @param reexport whether images whose original bytes cannot be made are served as new images */
  constructor(repo: Repo, reexport: boolean) {
    this.#repo = repo
    this.#reexport = reexport
  }

  /** Gives all space back. */
  close(): void {
    for (const image of this.#kept.values()) image.then(retire, () => {})
    this.#kept.clear()
  }

  /** Whether an image may get digests other than those of its stored manifest. */
  get changesDigests(): boolean {
    return this.#reexport
  }

  /** Reads the stored documents of an image. @throws {NotFoundError} when it is not stored */
  async state(image: string): Promise<LayeredImageState> {
    const state = await queryImage(this.#repo, image)
    if (state === undefined) throw new NotFoundError(image, `No such image: ${image}`)
    return state
  }

  /**
   * Returns the bytes of an image.
   * @throws {UnsupportedError} when its original bytes cannot be made
   */
  async get(image: string): Promise<ExportedImage> {
    const state = await this.state(image)
    const key = state.mergeCommit
    let outcome = this.#kept.get(key)
    this.#kept.delete(key)
    if (outcome === undefined) {
      outcome = this.#last.then(() => this.#export(image, state))
      this.#last = outcome.catch(() => {})
      outcome.catch(() => this.#kept.delete(key))
    }
    this.#kept.set(key, outcome)
    for (const [oldest, image] of this.#kept) {
      if (this.#kept.size <= KEPT_IMAGES) break
      this.#kept.delete(oldest)
      image.then(retire, () => {})
    }
    const result = await outcome
    if (result instanceof UnsupportedError) throw result
    return result
  }

  async #export(image: string, state: LayeredImageState): Promise<Outcome> {
    const original = await this.#original(image, state)
    if (original !== undefined) return original
    if (!this.#reexport) {
      const message = `The original bytes of ${image} cannot be made from what is stored: its layers or documents would have other digests`
      return new UnsupportedError('original image', message)
    }
    const destination = await this.#written(image, {})
    return destination.exported()
  }

  /** Writes an image into scratch space, which is given back if that fails. */
  async #written(image: string, options: ExportToOciOptions): Promise<ScratchDestination> {
    const destination = new ScratchDestination(this.#repo)
    try {
      await exportToOci(this.#repo, image, destination, options)
      return destination
    } catch (error) {
      destination.close()
      throw error
    }
  }

  /** Returns the image as it was, if each layer can be written with its digest. */
  async #original(image: string, state: LayeredImageState): Promise<ExportedImage | undefined> {
    const { platform } = this.#repo
    const stored = await storedDocuments(this.#repo, state.mergeCommit)
    const manifest = exact(platform, [stored.manifest, canonicalJson(state.manifest)], state.manifestDigest)
    const config = exact(platform, [stored.config, canonicalJson(state.configuration)], state.manifest.config.digest)
    if (manifest === undefined || config === undefined) return undefined
    for (const options of compressionsOf(state)) {
      const destination = await this.#written(image, options)
      const layers = new Set<string>(state.manifest.layers.map(({ digest }) => digest))
      const isOriginal = [...layers].every((digest) => destination.blobs.has(digest))
      // The config that was written is not that of the image.
      destination.close((digest) => !isOriginal || !layers.has(digest))
      if (!isOriginal) continue
      const { blobs } = destination
      const { digest, mediaType } = state.manifest.config
      blobs.set(digest, { digest, mediaType, access: accessTo(config) })
      const type = state.manifest.mediaType ?? OCI_MANIFEST
      return new ExportedImage({ digest: state.manifestDigest, mediaType: type, access: accessTo(manifest) }, blobs)
    }
    return undefined
  }
}

function retire(outcome: Outcome): void {
  if (outcome instanceof ExportedImage) outcome.retire()
}

/** Returns the ways in which the layers of an image may have been compressed, as encapsulating images does. */
function compressionsOf({ manifest }: LayeredImageState): ExportToOciOptions[] {
  const types = manifest.layers.map(({ mediaType }) => mediaType)
  if (types.every((type) => type.endsWith('tar'))) return [{ compression: { kind: 'none' } }]
  if (types.every((type) => type.endsWith('+zstd'))) return [{ compression: { kind: 'zstd' } }]
  return [{}, { skipCompression: true }]
}

/** Returns the text that has a digest, as bytes. */
function exact(
  platform: Repo['platform'],
  texts: readonly (string | undefined)[],
  digest: string,
): Uint8Array | undefined {
  for (const text of texts) {
    const bytes = text === undefined ? undefined : encodeUtf8(text)
    if (bytes !== undefined && `sha256:${platform.sha256(bytes)}` === digest) return bytes
  }
  return undefined
}

/** Keeps an image in scratch space of a store. */
class ScratchDestination implements ImageDestination {
  readonly what = 'scratch space'
  readonly blobs = new Map<string, ServedBlob>()
  readonly #repo: Repo
  #manifest: ServedBlob | undefined

  constructor(repo: Repo) {
    this.#repo = repo
  }

  acceptsManifest(): boolean {
    return true
  }

  async hasBlob(): Promise<boolean> {
    return false
  }

  async putBlob(
    bytes: AsyncIterable<Uint8Array>,
    { mediaType = BINARY }: { readonly mediaType?: string | undefined } = {},
  ): Promise<StoredBlob> {
    const access = createScratch(this.#repo.storage, MOST_IN_MEMORY)
    const hasher = this.#repo.platform.createSha256()
    try {
      for await (const chunk of bytes) {
        hasher.update(chunk)
        access.write(chunk)
      }
    } catch (error) {
      access.close()
      throw error
    }
    const digest = digestOf(hasher.digest())
    const { size } = access
    if (this.blobs.has(digest)) access.close()
    else this.blobs.set(digest, { digest, mediaType, access })
    return { digest, size }
  }

  async putManifest(bytes: Uint8Array, { mediaType }: { readonly mediaType: string }): Promise<Digest> {
    const digest = digestOf(this.#repo.platform.sha256(bytes))
    this.#manifest = { digest, mediaType, access: accessTo(bytes) }
    return digest
  }

  async commit(): Promise<Digest> {
    return this.exported().manifest.digest
  }

  /** Returns what was written. @throws {UsageError} before `putManifest` */
  exported(): ExportedImage {
    if (this.#manifest === undefined) throw new UsageError('No manifest was written')
    return new ExportedImage(this.#manifest, this.blobs)
  }

  /** Drops blobs. @param unwanted tells which; default: all */
  close(unwanted: (digest: string) => boolean = () => true): void {
    for (const [digest, { access }] of this.blobs) {
      if (!unwanted(digest)) continue
      access.close()
      this.blobs.delete(digest)
    }
  }

  /** The blobs stay: they are served. */
  async [Symbol.asyncDispose](): Promise<void> {}
}
