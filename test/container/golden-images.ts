/** Images of the vectors, and images derived from them, as blobs in memory and as sources. */

import { gunzipSync } from 'node:zlib'
import { type Checksum, concatBytes } from '../../src/bytes.ts'
import { type Digest, type ImageSource, parseManifest } from '../../src/container/index.ts'
import { canonicalJson, normaliseConfig } from '../../src/container/internal.ts'
import { NotFoundError } from '../../src/errors.ts'
import { nodePlatform } from '../../src/platform/node.ts'
import { type TarHeader, TarParser } from '../../src/tar/index.ts'
import { goldenBytes } from '../support/golden.ts'

/**
 * Layers of the vectors that ours imports otherwise, because the reference fails or loses files where container engines
 * do not: a file over a directory of the same layer, hard links within `var`, and links in `etc` to the object store.
 */
export const IMPORTED_OTHERWISE: readonly string[] = [
  'file-over-dir-same-tar',
  'hardlink-var-factory',
  'object-store-links',
]

/** An image: its blobs by digest, and the digest of its manifest. */
export interface GoldenImage {
  readonly blobs: Map<string, Uint8Array>
  readonly manifest: Digest
}

/** Reads the only image of an OCI layout in a `.tar.gz`. */
export function goldenImage(name: string): GoldenImage {
  const files = unpack(gunzipSync(goldenBytes(name)))
  const blobs = new Map<string, Uint8Array>()
  for (const [path, bytes] of files) {
    const hex = /^(?:\.\/)?blobs\/sha256\/([0-9a-f]{64})$/.exec(path)?.[1]
    if (hex !== undefined) blobs.set(`sha256:${hex}`, bytes)
  }
  const index = JSON.parse(text(files.get('index.json') ?? files.get('./index.json')))
  return { blobs, manifest: index.manifests[0].digest }
}

/** Unpacks a tar to files by path. */
export function unpack(tar: Uint8Array): Map<string, Uint8Array> {
  const files = new Map<string, Uint8Array>()
  let parts: Uint8Array[] = []
  let at = ''
  const parser = new TarParser({
    entry(header: TarHeader) {
      at = new TextDecoder().decode(header.path)
      parts = []
    },
    data(bytes) {
      parts.push(bytes.slice())
    },
    end() {
      files.set(at, concatBytes(parts))
    },
  })
  parser.push(tar)
  parser.finish()
  return files
}

function text(bytes: Uint8Array | undefined): string {
  return new TextDecoder().decode(bytes)
}

interface LooseManifest {
  config: { digest: string; size: number }
  layers: { mediaType: string; digest: string; size: number }[]
}

/** Adds gzip layers on top of an image; manifest and config become canonical JSON. */
export function withLayers(image: GoldenImage, layers: readonly Uint8Array[]): GoldenImage {
  const blobs = new Map(image.blobs)
  const put = (bytes: Uint8Array) => {
    const digest = digestOf(bytes)
    blobs.set(digest, bytes)
    return { digest, size: bytes.length }
  }
  const manifest: LooseManifest = JSON.parse(text(blobs.get(image.manifest)))
  const config = JSON.parse(text(blobs.get(manifest.config.digest)))
  for (const blob of layers) {
    manifest.layers.push({ mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip', ...put(blob) })
    config.rootfs.diff_ids.push(digestOf(gunzipSync(blob)))
    config.history.push({ created_by: 'generate_derived_oci' })
  }
  manifest.config = { ...manifest.config, ...put(new TextEncoder().encode(canonicalJson(config))) }
  return { blobs, manifest: put(new TextEncoder().encode(canonicalJson(manifest))).digest }
}

/** Returns a function that opens the image, whatever its arguments are. */
export function sourceOf({ blobs, manifest }: GoldenImage): () => Promise<ImageSource> {
  const blob = (digest: string) => {
    const bytes = blobs.get(digest)
    if (bytes === undefined) throw new NotFoundError(digest, `No blob ${digest}`)
    return bytes
  }
  const parsed = parseManifest(blob(manifest))
  return async () => ({
    manifestDigest: manifest,
    original: { bytes: blob(manifest), mediaType: 'application/vnd.oci.image.manifest.v1+json' },
    manifest: parsed,
    configBytes: async () => blob(parsed.config.digest),
    config: async () => normaliseConfig(blob(parsed.config.digest)),
    async *blob({ digest }) {
      yield blob(digest)
    },
    givesPlainLayers: false,
    async [Symbol.asyncDispose]() {},
  })
}

export function digestOf(bytes: Uint8Array): Digest {
  const checksum: Checksum = nodePlatform.sha256(bytes)
  return `sha256:${checksum}` as Digest
}

/** Returns the same image as an ordinary one: nothing says that layers belong to a commit. */
export function withoutLabels({ blobs, manifest }: GoldenImage): GoldenImage {
  const changed = new Map(blobs)
  const read = (digest: string) => JSON.parse(new TextDecoder().decode(changed.get(digest)))
  const put = (content: object) => {
    const bytes = new TextEncoder().encode(JSON.stringify(content))
    changed.set(digestOf(bytes), bytes)
    return { digest: digestOf(bytes), size: bytes.length }
  }
  const parsed = read(manifest)
  const { config, ...rest } = read(parsed.config.digest)
  const described = put({ ...rest, config: { ...config, Labels: {} } })
  return { manifest: put({ ...parsed, config: { ...parsed.config, ...described } }).digest, blobs: changed }
}
