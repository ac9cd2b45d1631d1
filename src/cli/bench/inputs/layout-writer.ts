/** Writes the image that is measured: a layout whose only image has the tag `bench`, and its layers as plain tars. */
import { mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Checksum } from '../../../bytes.ts'
import { UnsupportedError } from '../../../errors.ts'
import type { DecompressionKind } from '../../../platform/index.ts'
import { nodePlatform } from '../../../platform/node.ts'
import { uncompressedTar } from '../../../repo/index.ts'
import { nodeFiles } from '../../../system/local-files.ts'
import { type TarHeader, TarParser } from '../../../tar/index.ts'
import type { Input, InputLayer } from './input.ts'

const LAYER = 'application/vnd.oci.image.layer.v1.tar'
const CONFIG = 'application/vnd.oci.image.config.v1+json'
const MANIFEST = 'application/vnd.oci.image.manifest.v1+json'
/** Level of gzip, which is the usual one. */
const GZIP_LEVEL = 6

/** How a layer is described in the manifest. */
interface Described {
  readonly mediaType: string
  readonly digest: string
  readonly size: number
  readonly diffId: string
}

/** Counts the files in an archive. */
class Counter {
  files = 0
  content = 0

  entry({ type, size }: TarHeader): void {
    if (type !== 'file' && type !== 'unknown') return
    this.files++
    this.content += size
  }

  data(): void {}
  end(): void {}
}

/** Writes a layout into an empty folder. */
export class LayoutWriter {
  readonly #folder: string
  readonly #onBytes: (bytes: number) => void
  readonly #layers: InputLayer[] = []
  readonly #described: Described[] = []

  /** @param onBytes called with the bytes of plain tars that were written since the last call */
  constructor(folder: string, onBytes: (bytes: number) => void) {
    this.#folder = folder
    this.#onBytes = onBytes
    mkdirSync(join(folder, 'layout/blobs/sha256'), { recursive: true })
    mkdirSync(join(folder, 'tars'))
  }

  /** Adds a layer that is compressed by gzip here. @throws {TarFormatError}; what `tar` throws */
  async addTar(tar: AsyncIterable<Uint8Array>): Promise<void> {
    const plain = new Tee(this.#nextTar, this.#onBytes)
    const blob = new Tee(this.#nextBlob)
    const counter = new Counter()
    const counted = parsed(plain.pass(tar), counter)
    for await (const _ of blob.pass(nodePlatform.compress('gzip', counted, { level: GZIP_LEVEL })));
    this.#add(plain, blob, counter, 'gzip')
  }

  /**
   * Adds a layer as it is.
   * @throws {UnsupportedError} when it is compressed in a way that images do not use; {TarFormatError}, {CompressionError};
   *   what `bytes` throws
   */
  async addBlob(bytes: AsyncIterable<Uint8Array>): Promise<void> {
    const plain = new Tee(this.#nextTar, this.#onBytes)
    const blob = new Tee(this.#nextBlob)
    const counter = new Counter()
    let kind: DecompressionKind | undefined
    const onKind = (found: typeof kind) => {
      kind = found
    }
    const tar = uncompressedTar(nodePlatform, blob.pass(bytes), { onKind })
    for await (const _ of parsed(plain.pass(tar), counter));
    if (kind !== undefined && kind !== 'gzip' && kind !== 'zstd') {
      throw new UnsupportedError(kind, `Layers of images are not compressed by ${kind}`)
    }
    this.#add(plain, blob, counter, kind)
  }

  /** Ends the layout. @param config the bytes of the image's config; else one is made */
  finish(name: string, config?: Uint8Array): Input {
    const rootfs = { type: 'layers', diff_ids: this.#described.map(({ diffId }) => diffId) }
    const made = { created: '2024-01-01T00:00:00Z', architecture: 'amd64', os: 'linux', config: {}, rootfs }
    const layers = this.#described.map(({ mediaType, digest, size }) => ({ mediaType, digest, size }))
    const manifest = { schemaVersion: 2, mediaType: MANIFEST, config: this.#put(CONFIG, config ?? json(made)), layers }
    const annotations = { 'org.opencontainers.image.ref.name': 'bench' }
    const index = { schemaVersion: 2, manifests: [{ ...this.#put(MANIFEST, json(manifest)), annotations }] }
    const layout = join(this.#folder, 'layout')
    writeFileSync(join(layout, 'index.json'), json(index))
    writeFileSync(join(layout, 'oci-layout'), json({ imageLayoutVersion: '1.0.0' }))
    const sum = (of: (layer: InputLayer) => number) => this.#layers.reduce((total, layer) => total + of(layer), 0)
    return {
      name,
      layout,
      image: `oci:${layout}:bench`,
      layers: this.#layers,
      files: sum(({ files }) => files),
      content: sum(({ content }) => content),
      compressed: sum(({ compressed }) => compressed),
      plain: sum(({ size }) => size),
    }
  }

  get #nextTar(): string {
    return join(this.#folder, 'tars', `${this.#layers.length}.tar`)
  }

  get #nextBlob(): string {
    return join(this.#folder, 'layout', 'next')
  }

  #add(tar: Tee, blob: Tee, { files, content }: Counter, kind: 'gzip' | 'zstd' | undefined): void {
    const [plain, stored] = [tar.result, blob.result]
    const path = this.#blobPath(stored.checksum)
    renameSync(blob.path, path)
    this.#layers.push({ blob: path, tar: tar.path, compressed: stored.size, size: plain.size, files, content })
    this.#described.push({
      mediaType: kind === undefined ? LAYER : `${LAYER}+${kind}`,
      digest: `sha256:${stored.checksum}`,
      size: stored.size,
      diffId: `sha256:${plain.checksum}`,
    })
  }

  #put(mediaType: string, bytes: Uint8Array): { mediaType: string; digest: string; size: number } {
    const checksum = nodePlatform.sha256(bytes)
    writeFileSync(this.#blobPath(checksum), bytes)
    return { mediaType, digest: `sha256:${checksum}`, size: bytes.length }
  }

  #blobPath(checksum: Checksum): string {
    return join(this.#folder, 'layout/blobs/sha256', checksum)
  }
}

/** Writes a stream to a file while it is read, with its checksum. */
class Tee {
  readonly path: string
  readonly #onBytes: ((bytes: number) => void) | undefined
  #result: { readonly checksum: Checksum; readonly size: number } | undefined

  constructor(path: string, onBytes?: (bytes: number) => void) {
    this.path = path
    this.#onBytes = onBytes
  }

  async *pass(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
    const hasher = nodePlatform.createSha256()
    const file = await nodeFiles.createFile(this.path)
    let size = 0
    try {
      for await (const chunk of chunks) {
        hasher.update(chunk)
        await file.write(chunk)
        size += chunk.length
        this.#onBytes?.(chunk.length)
        yield chunk
      }
    } finally {
      await file.close()
    }
    this.#result = { checksum: hasher.digest(), size }
  }

  /** Of a stream that was read to its end. */
  get result(): { readonly checksum: Checksum; readonly size: number } {
    if (this.#result === undefined) throw new Error(`${this.path} was not written to its end`)
    return this.#result
  }
}

/** Passes an archive on, and parses it meanwhile. */
async function* parsed(tar: AsyncIterable<Uint8Array>, sink: Counter): AsyncGenerator<Uint8Array, void, undefined> {
  const parser = new TarParser(sink, { allowMissingPadding: true })
  for await (const chunk of tar) {
    parser.push(chunk)
    yield chunk
  }
  parser.finish()
}

function json(value: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value))
}
