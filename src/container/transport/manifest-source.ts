/**
 * From a manifest to an open image: type, choice of platform, Docker's form turned into OCI's, the config. What all
 * transports share once they can say how a blob is read.
 */
import { DigestMismatchError, FormatError, withContext } from '../../errors.ts'
import type { Platform } from '../../platform/index.ts'
import { normaliseConfig } from '../oci/config.ts'
import { digestChecksum, digestOf } from '../oci/digest.ts'
import { convertDockerManifest } from '../oci/docker-manifest.ts'
import { guessManifestType, isIndexType, parseIndex, parseManifest } from '../oci/manifest.ts'
import { DOCKER_MANIFEST } from '../oci/media-types.ts'
import type { Descriptor, Digest, ImageConfiguration, ImageManifest } from '../oci/oci-types.ts'
import { chooseManifest } from '../oci/platform-choice.ts'
import type { ImageSource, SourceContext } from './interface.ts'

/** Bytes of a config. */
export const MAX_CONFIG_SIZE: number = 4 * 1024 * 1024
/** Indexes on the way to a manifest: one may hold another, no more. */
const MAX_INDEXES = 2

/** What a transport must know. Nothing it gives needs to be verified. */
export interface BlobReader {
  /** A manifest that an index names. @throws {NotFoundError}, {LimitError} past `MAX_MANIFEST_SIZE` */
  manifest(descriptor: Descriptor): Promise<Uint8Array>
  /** @throws {NotFoundError}, {LimitError} */
  config(descriptor: Descriptor, limit: number): Promise<Uint8Array>
  blob(descriptor: Descriptor): AsyncIterable<Uint8Array>
  readonly sniffCompression: boolean
  /** Lets go of what is held for the image, whatever is still being read. */
  close?(): void
}

/** @throws {DigestMismatchError}, {UnsupportedError} when the digest cannot be verified */
export function verifyBytes(platform: Platform, bytes: Uint8Array, { digest, size }: Descriptor): void {
  digestChecksum(digest)
  if (bytes.length !== size) throw new DigestMismatchError('size', digest, size, bytes.length)
  verifyDigest(platform, bytes, digest)
}

/** As `verifyBytes`, where nobody said how many there are. */
export function verifyDigest(platform: Platform, bytes: Uint8Array, digest: Digest): void {
  const expected = digestChecksum(digest)
  const actual = platform.sha256(bytes)
  if (actual !== expected) throw new DigestMismatchError('digest', digest, digest, digestOf(actual))
}

/** Reads a manifest or index that a descriptor names, and opens it as `openManifest` does. */
export async function openDescriptor(
  reader: BlobReader,
  descriptor: Descriptor,
  context: SourceContext,
): Promise<ImageSource> {
  const bytes = await readManifest(reader, descriptor, context)
  return await openManifest(reader, bytes, descriptor.mediaType, context)
}

/**
 * @param bytes of a manifest or index, verified if there was anything to verify them against
 * @param mediaType as declared; guessed from the bytes when `undefined`
 * @throws {FormatError}, {UnsupportedError}, {NotFoundError} when an index has nothing for this host
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

  get sniffCompression(): boolean {
    return this.#reader.sniffCompression
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
    // also what keeps a digest from being a path that leads elsewhere
    digestChecksum(layer.digest)
    return this.#reader.blob(layer)
  }

  /** Files are open only while they are read; a network may hold more. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#reader.close?.()
  }
}
