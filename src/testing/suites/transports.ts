/**
 * Conformance suite of image transports. The test file of a transport is one call:
 *
 * ```ts
 * import * as vitest from 'vitest'
 * transportSuite(vitest, {
 *   name: 'memory',
 *   platform,
 *   open: ({ layers, fields }, context) => openMemoryLayout(buildImage(platform, layers, fields), fields.tag, context),
 * })
 * ```
 */

import { concatBytes, readAll } from '../../bytes.ts'
import {
  type Descriptor,
  type Digest,
  type ImageSource,
  parseManifest,
  type TransportContext,
} from '../../container/index.ts'
import { openLayer } from '../../container/internal.ts'
import type { Platform } from '../../platform/index.ts'
import { compressLayer } from '../compress-layer.ts'
import type { ImageFields, LayerFields } from '../image-builder.ts'
import { packLayer } from '../pack-layer.ts'
import { noise, type TestTools, text } from './kit.ts'

/** An image that the transport under test has to serve, for one of the builders, such as `buildImage`. */
export interface TransportImage {
  readonly layers: readonly LayerFields[]
  readonly fields: ImageFields & { readonly tag: string }
}

/** A transport under test. */
export interface TransportSubject {
  readonly name: string
  /** Computes the expected digests; may differ from the platform of the transport. */
  readonly platform: Platform
  /** Stores the image and opens it by its tag. The suite disposes the source. */
  open(image: TransportImage, context: TransportContext): Promise<ImageSource>
}

/** Size in bytes of a layer that is larger than the chunks of any transport. */
const LARGE = 5 << 18

/** Registers the tests of a transport. */
export function transportSuite({ describe, test, expect }: TestTools, subject: TransportSubject): void {
  const { platform } = subject
  const context: TransportContext = { platform, host: { architecture: 'amd64', os: 'linux' } }
  const fields = { tag: 'example.org/image:1', created: '2024-01-02T03:04:05Z', config: { Labels: { a: 'b' } } }

  /** A small, a large and two empty layers, each compressed differently; the first one is listed twice. */
  let layersMade: Promise<LayerFields[]> | undefined
  const someLayers = () => {
    layersMade ??= makeLayers()
    return layersMade
  }
  async function makeLayers(): Promise<LayerFields[]> {
    const small = await packLayer([{ path: 'usr/hello', body: text('hello\n') }])
    const large = await packLayer([{ path: 'usr/large', body: noise(LARGE) }])
    const first = await compressLayer(platform, small, 'gzip')
    return [
      first,
      await compressLayer(platform, large, 'none'),
      await compressLayer(platform, small.slice(0, 0), 'zstd-frames'),
      await compressLayer(platform, await packLayer([]), 'gzip-members'),
      first,
    ]
  }

  async function opened<T>(layers: readonly LayerFields[], work: (source: ImageSource) => Promise<T>): Promise<T> {
    await using source = await subject.open({ layers, fields }, context)
    return await work(source)
  }

  const layerOf = (source: ImageSource, index: number) => {
    const layer = source.manifest.layers[index]
    if (layer === undefined) throw new Error(`no layer ${index}`)
    return layer
  }
  const digestOf = (bytes: Uint8Array) => `sha256:${platform.sha256(bytes)}`
  /** Reads and verifies a layer, decompressed. */
  const tarOf = async (source: ImageSource, layer: Descriptor, index: number) => {
    const { rootfs } = await source.config()
    return readAll(openLayer(source, layer, { platform, diffId: rootfs.diff_ids[index] }))
  }
  const sums = (layers: readonly LayerFields[]) => layers.map(({ tar }) => platform.sha256(tar))

  describe(`transport ${subject.name}`, () => {
    test('the manifest digest is that of the original bytes of the manifest', async () => {
      const layers = await someLayers()
      await opened(layers, async (source) => {
        const { original, manifestDigest, manifest } = source
        expect(manifestDigest).toBe(digestOf(original.bytes))
        const { config, layers: listed } = parseManifest(original.bytes)
        expect([config.digest, ...listed.map(({ digest }) => digest)]).toEqual([
          manifest.config.digest,
          ...manifest.layers.map(({ digest }) => digest),
        ])
        expect(manifest.layers).toHaveLength(layers.length)
      })
    })

    test('the config is available as stored bytes and parsed', async () => {
      const layers = await someLayers()
      await opened(layers, async (source) => {
        const bytes = await source.configBytes()
        expect(digestOf(bytes)).toBe(source.manifest.config.digest)
        const { config, rootfs, created } = await source.config()
        expect({ config, created }).toEqual({ config: fields.config, created: fields.created })
        expect(rootfs.diff_ids).toEqual(layers.map(({ tar }) => digestOf(tar)))
      })
    })

    test('each blob has the digest and the size of its descriptor', async () => {
      await opened(await someLayers(), async (source) => {
        for (const layer of source.manifest.layers) {
          const blob = await readAll(source.blob(layer))
          expect({ digest: digestOf(blob), size: blob.length }).toEqual({ digest: layer.digest, size: layer.size })
        }
      })
    })

    test('each layer decompresses to its original tar', async () => {
      const layers = await someLayers()
      await opened(layers, async (source) => {
        const tars: Uint8Array[] = []
        for (const [i, layer] of source.manifest.layers.entries()) tars.push(await tarOf(source, layer, i))
        expect(tars.map((tar) => platform.sha256(tar))).toEqual(sums(layers))
      })
    })

    test('layers can be read repeatedly and concurrently', async () => {
      const layers = await someLayers()
      await opened(layers, async (source) => {
        const { layers: listed } = source.manifest
        const all = [...listed.entries(), ...listed.entries()].map(([i, layer]) => tarOf(source, layer, i))
        const tars = await Promise.all(all)
        expect(tars.map((tar) => platform.sha256(tar))).toEqual([...sums(layers), ...sums(layers)])
      })
    })

    test('reading a blob may be stopped in the middle and started again', async () => {
      const layers = await someLayers()
      await opened(layers, async (source) => {
        const large = layerOf(source, 1)
        for await (const chunk of source.blob(large)) {
          expect(chunk.length).toBeGreaterThan(0)
          break
        }
        expect(digestOf(await readAll(source.blob(large)))).toBe(large.digest)
      })
    })

    test('a missing blob is reported as not found', async () => {
      await opened(await someLayers(), async (source) => {
        const unknown = { ...layerOf(source, 0), digest: `sha256:${'0'.repeat(64)}` as Digest }
        await expect((async () => readAll(source.blob(unknown)))()).rejects.toMatchObject({ code: 'not-found' })
      })
    })

    test('a malformed digest is never used as a path', async () => {
      await opened(await someLayers(), async (source) => {
        for (const digest of ['sha256:../../../etc/passwd', 'sha512:x', '../index.json'] as Digest[]) {
          const reading = (async () => readAll(source.blob({ ...layerOf(source, 0), digest })))()
          await expect(reading).rejects.toMatchObject({ code: expect.stringMatching(/not-found|unsupported|invalid/) })
        }
      })
    })

    test.each([
      ['cut short', (bytes: Uint8Array) => bytes.subarray(0, bytes.length - 700)],
      ['empty', (bytes: Uint8Array) => bytes.subarray(0, 0)],
      ['changed in one bit', (bytes: Uint8Array) => bytes.map((byte, i) => (i === 600 ? byte ^ 1 : byte))],
      ['longer', (bytes: Uint8Array) => concatBytes([bytes, new Uint8Array(512)])],
    ])('a layer that is %s is an error that names it', async (_, damage) => {
      const tar = await packLayer([{ path: 'usr/noise', body: noise(4000) }])
      const layer = await compressLayer(platform, tar, 'none')
      await opened([{ ...layer, found: damage(tar) }], async (source) => {
        const described = layerOf(source, 0)
        await expect(tarOf(source, described, 0)).rejects.toMatchObject({
          code: 'corrupt',
          message: expect.stringContaining(described.digest),
        })
      })
    })

    test('a missing layer is reported as not found, at the latest when it is read', async () => {
      const layer = await compressLayer(platform, await packLayer([]), 'none')
      const reading = opened([{ ...layer, found: null }], (source) => tarOf(source, layerOf(source, 0), 0))
      await expect(reading).rejects.toMatchObject({ code: 'not-found' })
    })

    test('reading a layer stops when its signal is aborted, with the given reason', async () => {
      await opened(await someLayers(), async (source) => {
        const controller = new AbortController()
        const reason = new Error('enough')
        const { signal } = controller
        const read = async () => {
          for await (const chunk of openLayer(source, layerOf(source, 1), { platform, signal })) {
            expect(chunk.length).toBeGreaterThan(0)
            controller.abort(reason)
          }
        }
        await expect(read()).rejects.toBe(reason)
        expect((await tarOf(source, layerOf(source, 0), 0)).length).toBeGreaterThan(0)
      })
    })

    test('a source may be disposed twice', async () => {
      const source = await subject.open({ layers: await someLayers(), fields }, context)
      await source[Symbol.asyncDispose]()
      await source[Symbol.asyncDispose]()
    })
  })
}
