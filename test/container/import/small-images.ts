/** Images of a few layers for tests, which are not files. */
import { gzipSync } from 'node:zlib'
import { concatBytes, encodeUtf8 } from '../../../src/bytes.ts'
import type { Digest, ImageSource } from '../../../src/container/index.ts'
import { nodePlatform } from '../../../src/platform/node.ts'
import { packTar, type TarEntry } from '../../../src/tar/index.ts'

export const HOST = { architecture: 'amd64', os: 'linux' }
const GZIP = 'application/vnd.oci.image.layer.v1.tar+gzip'

export const digestOf = (bytes: Uint8Array) => `sha256:${nodePlatform.sha256(bytes)}` as Digest

async function tarOf(entries: readonly TarEntry[]): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  for await (const part of packTar(entries)) parts.push(part.slice())
  return concatBytes(parts)
}

const file = (path: string, body: Uint8Array, more: object = {}): TarEntry =>
  ({
    type: 'file',
    path: encodeUtf8(path),
    mode: 0o644,
    uid: 0,
    gid: 0,
    mtime: 0,
    size: body.length,
    body,
    ...more,
  }) as never

export interface Layer {
  readonly tar: Uint8Array
  readonly blob: Uint8Array
}

/** Layers that share files, with links, whiteouts, an object that occurs twice, and a file larger than one batch. */
export async function someLayers(): Promise<Layer[]> {
  const text = (of: string, times: number) => encodeUtf8(`${of} `.repeat(times))
  const link = (path: string, target: string): TarEntry =>
    ({
      type: 'symlink',
      path: encodeUtf8(path),
      linkPath: encodeUtf8(target),
      mode: 0o777,
      uid: 0,
      gid: 0,
      mtime: 0,
      size: 0,
    }) as never
  const large = new Uint8Array(2_500_000).map((_, i) => (i * i) >> 7)
  const many = (layer: number, count: number) =>
    Array.from({ length: count }, (_, i) => file(`usr/l${layer}/f${i}`, text(`${layer}-${i}`, i % 90)))
  const layers = [
    [...many(0, 300), file('usr/shared', text('shared', 400)), link('usr/link', 'shared')],
    [
      file('usr/large', large),
      file('usr/copy', text('shared', 400)),
      file('usr/again', text('shared', 400)),
      ...many(1, 40),
    ],
    [file('usr/.wh.shared', new Uint8Array(0)), file('run/dropped', text('x', 3)), ...many(2, 1500)],
    [file('etc/conf', text('conf', 2)), file('usr/large2', large), ...many(0, 300)],
    [],
    many(5, 10),
  ]
  return Promise.all(
    layers.map(async (entries) => {
      const tar = await tarOf(entries)
      return { tar, blob: new Uint8Array(gzipSync(tar, { level: 1 })) }
    }),
  )
}

export async function* pieces(bytes: Uint8Array, size = 50_000): AsyncGenerator<Uint8Array> {
  const chunk = new Uint8Array(size)
  for (let at = 0; at < bytes.length; at += size) {
    await new Promise((resolve) => setImmediate(resolve))
    const part = bytes.subarray(at, at + size)
    chunk.set(part)
    // The memory is used again, as a source may do.
    yield chunk.subarray(0, part.length)
  }
}

export function imageOf(layers: readonly Layer[], given = (layer: Layer) => pieces(layer.blob)): ImageSource {
  const descriptors = layers.map(({ blob }) => ({ mediaType: GZIP, digest: digestOf(blob), size: blob.length }))
  const empty = { mediaType: '', digest: digestOf(new Uint8Array(0)), size: 0 }
  return {
    manifestDigest: digestOf(encodeUtf8(descriptors.map(({ digest }) => digest).join())),
    manifest: { schemaVersion: 2, config: empty, layers: descriptors },
    original: { bytes: new Uint8Array(0), mediaType: '' },
    givesPlainLayers: false,
    configBytes: async () => new Uint8Array(0),
    async config() {
      return { ...HOST, config: {}, rootfs: { type: 'layers', diff_ids: layers.map(({ tar }) => digestOf(tar)) } }
    },
    blob: (descriptor) => given(layers.find(({ blob }) => digestOf(blob) === descriptor.digest) as Layer),
    [Symbol.asyncDispose]: async () => {},
  }
}
