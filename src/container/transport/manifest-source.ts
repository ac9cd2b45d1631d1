/**
 * Opens an image from its manifest, for all transports: determines the type, chooses the platform from an index,
 * converts a Docker manifest to OCI, and verifies manifest and config.
 */
import { DigestMismatchError, FormatError, LimitError, withContext } from '../../errors.ts'
import type { Platform } from '../../platform/index.ts'
import { normaliseConfig } from '../oci/config.ts'
import { digestChecksum, digestOf } from '../oci/digest.ts'
import { convertDockerManifest } from '../oci/docker-manifest.ts'
import { guessManifestType, isIndexType, parseIndex, parseManifest } from '../oci/manifest.ts'
import { DOCKER_MANIFEST } from '../oci/media-types.ts'
import type { Descriptor, Digest, ImageConfiguration, ImageManifest } from '../oci/oci-types.ts'
import { chooseManifest } from '../oci/platform-choice.ts'
import { type ImageSource, MAX_LAYERS, type SourceContext } from './interface.ts'

/** Maximum size of a config, in bytes. */
export const MAX_CONFIG_SIZE: number = 4 * 1024 * 1024
/** Maximum number of indexes that lead to a manifest: an index may contain another index. */
const MAX_INDEXES = 2

/** Reads the documents and blobs of one image. A transport implements it; the returned bytes need not be verified. */
export interface BlobReader {
  /**
   * Reads a manifest that an index names.
   * @throws {NotFoundError} when it is missing; {LimitError} when it has more than `MAX_MANIFEST_SIZE` bytes
   */
  manifest(descriptor: Descriptor): Promise<Uint8Array>
  /** Reads the config. @throws {NotFoundError} when it is missing; {LimitError} when it has more than `limit` bytes */
  config(descriptor: Descriptor, limit: number): Promise<Uint8Array>
  /** Reads a blob as it is stored. @throws {NotFoundError} when it is missing */
  blob(descriptor: Descriptor): AsyncIterable<Uint8Array>
  /** As `ImageSource.givesPlainLayers`. */
  readonly givesPlainLayers: boolean
  /** Ends running reads and releases the resources of the image. */
  close?(): void
}

/**
 * Verifies size and digest of bytes.
 * @throws {DigestMismatchError} when one differs; {UnsupportedError} when the digest's algorithm is not SHA-256
 */
export function verifyBytes(platform: Platform, bytes: Uint8Array, { digest, size }: Descriptor): void {
  digestChecksum(digest)
  if (bytes.length !== size) throw new DigestMismatchError('size', digest, size, bytes.length)
  verifyDigest(platform, bytes, digest)
}

/** Verifies the digest of bytes whose size is not known beforehand. @throws as `verifyBytes` */
export function verifyDigest(platform: Platform, bytes: Uint8Array, digest: Digest): void {
  const expected = digestChecksum(digest)
  const actual = platform.sha256(bytes)
  if (actual !== expected) throw new DigestMismatchError('digest', digest, digest, digestOf(actual))
}

/** Reads and verifies the manifest or index that a descriptor names, and opens it. @throws as `openManifest` */
export async function openDescriptor(
  reader: BlobReader,
  descriptor: Descriptor,
  context: SourceContext,
): Promise<ImageSource> {
  const bytes = await readManifest(reader, descriptor, context)
  return await openManifest(reader, bytes, descriptor.mediaType, context)
}

/**
 * Opens the image of a manifest or index.
 * @param bytes content of the manifest or index; the caller has verified it if its digest is known
 * @param mediaType the declared media type; `undefined` guesses it from the bytes
 * @throws {FormatError} when a document is malformed; {UnsupportedError} when its type is not supported
 * @throws {NotFoundError} when an index has no image for `context.host`, or a document is missing
 * @throws {DigestMismatchError} when a document does not match its descriptor
 * @throws {LimitError} when the image has more than `context.maxLayers` layers
 */
export async function openManifest(
  reader: BlobReader,
  bytes: Uint8Array,
  mediaType: string | undefined,
  context: SourceContext,
): Promise<ImageSource> {
  let selected = bytes
  let type = guessManifestType(bytes, mediaType)
  for (let indexes = 0; isIndexType(type); indexes++) {
    if (indexes === MAX_INDEXES) throw new FormatError('image index', 'Invalid image index: nested too deep')
    context.signal?.throwIfAborted()
    const chosen = chooseManifest(parseIndex(selected), context.host)
    selected = await readManifest(reader, chosen, context)
    type = guessManifestType(selected, chosen.mediaType)
  }
  const { platform } = context
  const original = parseManifest(selected)
  const { maxLayers = MAX_LAYERS } = context
  if (original.layers.length > maxLayers) throw new LimitError('number of layers', maxLayers)
  let config: Promise<Uint8Array> | undefined
  const readConfig = () => {
    config ??= readVerifiedConfig(reader, original.config, platform)
    return config
  }
  const manifest = type === DOCKER_MANIFEST ? convertDockerManifest(platform, selected, await readConfig()) : original
  const digest = digestOf(platform.sha256(selected))
  return new ManifestSource(reader, digest, { bytes: selected, mediaType: type }, manifest, readConfig)
}

async function readManifest(
  reader: BlobReader,
  descriptor: Descriptor,
  { platform }: SourceContext,
): Promise<Uint8Array> {
  digestChecksum(descriptor.digest)
  const bytes = await reader.manifest(descriptor)
  verifyBytes(platform, bytes, descriptor)
  return bytes
}

async function readVerifiedConfig(reader: BlobReader, descriptor: Descriptor, platform: Platform): Promise<Uint8Array> {
  digestChecksum(descriptor.digest)
  const bytes = await reader.config(descriptor, MAX_CONFIG_SIZE)
  verifyBytes(platform, bytes, descriptor)
  return bytes
}

class ManifestSource implements ImageSource {
  readonly manifestDigest: ImageSource['manifestDigest']
  readonly original: ImageSource['original']
  readonly manifest: ImageManifest
  readonly #reader: BlobReader
  readonly #readConfig: () => Promise<Uint8Array>

  constructor(
    reader: BlobReader,
    manifestDigest: ImageSource['manifestDigest'],
    original: ImageSource['original'],
    manifest: ImageManifest,
    readConfig: () => Promise<Uint8Array>,
  ) {
    this.#reader = reader
    this.manifestDigest = manifestDigest
    this.original = original
    this.manifest = manifest
    this.#readConfig = readConfig
  }

  get givesPlainLayers(): boolean {
    return this.#reader.givesPlainLayers
  }

  configBytes(): Promise<Uint8Array> {
    return this.#readConfig()
  }

  async config(): Promise<ImageConfiguration> {
    const bytes = await this.#readConfig()
    try {
      return normaliseConfig(bytes)
    } catch (error) {
      throw withContext(`config ${this.manifest.config.digest}`, error)
    }
  }

  blob(layer: Descriptor): AsyncIterable<Uint8Array> {
    // Checks the digest's form, since transports use it in paths.
    digestChecksum(layer.digest)
    return this.#reader.blob(layer)
  }

  /** Calls the reader's `close`. Only registries need it: files are open only while they are read. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#reader.close?.()
  }
}
