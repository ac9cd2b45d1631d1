/** Tests of pulling small generated images, intact and damaged at any bit. */
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { concatBytes, encodeUtf8 } from '../../../src/bytes.ts'
import {
  type Digest,
  type ImageSource,
  type ImportOptions,
  listImages,
  type PulledImage,
  pullImage,
} from '../../../src/container/index.ts'
import { OstreeError } from '../../../src/errors.ts'
import { nodePlatform } from '../../../src/platform/node.ts'
import { portablePlatform } from '../../../src/platform/portable.ts'
import { createMemoryStorage, Repo } from '../../../src/repo/index.ts'
import { packTar, type TarEntry } from '../../../src/tar/index.ts'
import { anyLayerTree, layerEntries } from '../../../src/testing/index.ts'

const PLAIN = 'application/vnd.oci.image.layer.v1.tar'
const GZIP = `${PLAIN}+gzip`
const REFERENCE = 'ostree-unverified-image:oci:image'
const HOST = { architecture: 'amd64', os: 'linux' }
const digestOf = (bytes: Uint8Array) => `sha256:${nodePlatform.sha256(bytes)}` as Digest

interface Layer {
  readonly mediaType: string
  readonly tar: Uint8Array
  readonly blob: Uint8Array
}

async function tarOf(entries: readonly TarEntry[]): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  for await (const part of packTar(entries)) parts.push(part.slice())
  return concatBytes(parts)
}

const plain = (tar: Uint8Array): Layer => ({ mediaType: PLAIN, tar, blob: tar })
const zipped = (tar: Uint8Array): Layer => ({ mediaType: GZIP, tar, blob: new Uint8Array(gzipSync(tar)) })
/** Compresses into several gzip members, as pigz and eStargz do. */
const zippedInParts = (tar: Uint8Array): Layer => {
  const cuts = [0, 1, 700, tar.length >> 1, tar.length].toSorted((a, b) => a - b)
  const parts = cuts.slice(1).map((end, i) => new Uint8Array(gzipSync(tar.subarray(cuts[i], end))))
  return { mediaType: GZIP, tar, blob: concatBytes(parts) }
}

/** Creates an image. @param given returns the bytes that the source delivers for a layer */
function imageOf(layers: readonly Layer[], given: (layer: Layer) => AsyncIterable<Uint8Array>): ImageSource {
  const descriptors = layers.map(({ mediaType, blob }) => ({ mediaType, digest: digestOf(blob), size: blob.length }))
  return {
    manifestDigest: digestOf(encodeUtf8(descriptors.map(({ digest }) => digest).join())),
    manifest: { schemaVersion: 2, config: { ...EMPTY, mediaType: '' }, layers: descriptors },
    original: { bytes: new Uint8Array(0), mediaType: '' },
    givesPlainLayers: false,
    configBytes: async () => new Uint8Array(0),
    async config() {
      return { ...HOST, config: {}, rootfs: { type: 'layers', diff_ids: layers.map(({ tar }) => digestOf(tar)) } }
    },
    blob: (descriptor) => given(layers.find(({ blob }) => digestOf(blob) === descriptor.digest) as Layer),
    async [Symbol.asyncDispose]() {},
  }
}

const EMPTY = { digest: digestOf(new Uint8Array(0)), size: 0 }

async function* inPieces(bytes: Uint8Array, size = 97): AsyncGenerator<Uint8Array> {
  // One buffer for all pieces, as a reader of files may use.
  const buffer = new Uint8Array(size)
  for (let at = 0; at < bytes.length; at += size) {
    const piece = bytes.subarray(at, at + size)
    buffer.set(piece)
    yield buffer.subarray(0, piece.length)
  }
}

function pull(repo: Repo, source: ImageSource, options: Partial<ImportOptions> = {}): Promise<PulledImage> {
  return pullImage(repo, REFERENCE, { host: HOST, open: async () => source, ...options })
}

function emptyRepo(platform = nodePlatform): Promise<Repo> {
  return Repo.open(createMemoryStorage({ mode: 'bare-user', platform }), platform)
}

const whole = (layers: readonly Layer[]) => imageOf(layers, ({ blob }) => inPieces(blob))

/** Returns the tree of an image; its commit is not compared, as it has digests that depend on the compression. */
async function rootOf(repo: Repo, { mergeCommit }: PulledImage): Promise<string> {
  const { rootTree, rootMeta } = await repo.readCommit(mergeCommit)
  return `${rootTree} ${rootMeta}`
}

describe('the layers of an image', () => {
  test.each([nodePlatform, portablePlatform])(
    'layers give the same tree however they are compressed ($name)',
    async (platform) => {
      await fc.assert(
        fc.asyncProperty(fc.array(anyLayerTree(), { minLength: 1, maxLength: 3 }), async (trees) => {
          const tars = await Promise.all(trees.map((tree) => tarOf(layerEntries(tree))))
          const roots = new Set<string>()
          for (const compress of [plain, zipped, zippedInParts]) {
            const repo = await emptyRepo(platform)
            roots.add(await rootOf(repo, await pull(repo, whole(tars.map(compress)))))
            await repo.close()
          }
          expect(roots.size).toBe(1)
        }),
        { numRuns: 30 },
      )
    },
  )
})

const entries: TarEntry[] = [
  { path: 'usr/', type: 'directory' },
  { path: 'usr/a', body: encodeUtf8('content') },
  { path: 'usr/b', type: 'hardlink', linkPath: 'usr/a' },
  { path: 'usr/l', type: 'symlink', linkPath: 'a' },
]

describe('a damaged layer', () => {
  test.each([
    ['plain', plain],
    ['gzip', zipped],
    ['gzip of several members', zippedInParts],
  ])(
    'a layer (%s) with any bit flipped is rejected, and the correct one can be pulled afterwards',
    async (_, compress) => {
      const good = compress(await tarOf(entries))
      const below = compress(await tarOf([{ path: 'usr/', type: 'directory' }]))
      const right = await emptyRepo()
      const expected = (await pull(right, whole([below, good]))).mergeCommit
      await right.close()
      await fc.assert(
        fc.asyncProperty(fc.nat({ max: good.blob.length * 8 - 1 }), fc.constantFrom(1, 97, 4096), async (bit, size) => {
          const wrong = good.blob.slice()
          wrong[bit >> 3] = (wrong[bit >> 3] as number) ^ (1 << (bit & 7))
          const damaged = imageOf([below, good], ({ blob }) => inPieces(blob === good.blob ? wrong : blob, size))
          const repo = await emptyRepo()
          const error = await pull(repo, damaged).catch((reason: unknown) => reason)
          expect(error).toBeInstanceOf(OstreeError)
          expect((error as OstreeError).message).toContain(digestOf(good.blob))
          expect(await listImages(repo)).toEqual([])
          // The layer below is intact, and kept.
          expect((await repo.listRefs()).map(({ name }) => name)).toEqual([
            `ostree/container/blob/${digestOf(below.blob).replace(':', '_3A_')}`,
          ])
          const again = await pull(repo, whole([below, good]))
          expect(again.mergeCommit).toBe(expected)
          expect(again.layersFetched).toBe(1)
          await repo.close()
        }),
        { numRuns: 150 },
      )
    },
  )

  test('a layer that is a byte too short or too long is rejected', async () => {
    const good = zipped(await tarOf(entries))
    for (const blob of [good.blob.subarray(0, -1), concatBytes([good.blob, Uint8Array.of(0)]), new Uint8Array(0)]) {
      const repo = await emptyRepo()
      await expect(
        pull(
          repo,
          imageOf([good], () => inPieces(blob)),
        ),
      ).rejects.toMatchObject({
        name: 'DigestMismatchError',
        data: { what: 'size', blob: digestOf(good.blob) },
      })
      expect(await repo.listRefs()).toEqual([])
      await repo.close()
    }
  })
})

describe('an aborted pull', () => {
  test('an aborted pull does not wait for a source that never answers', async () => {
    const good = zipped(await tarOf(entries))
    const controller = new AbortController()
    const repo = await emptyRepo()
    const silent: AsyncIterable<Uint8Array> = {
      [Symbol.asyncIterator]: () => ({
        next: () => {
          setTimeout(() => controller.abort(), 20)
          return new Promise<never>(() => {})
        },
        return: () => new Promise<never>(() => {}),
      }),
    }
    const pulling = pull(
      repo,
      imageOf([good], () => silent),
      { signal: controller.signal },
    )
    await expect(pulling).rejects.toMatchObject({ name: 'AbortError' })
    expect(await repo.listRefs()).toEqual([])
    expect((await pull(repo, whole([good]))).layersFetched).toBe(1)
    await repo.close()
  })
})
