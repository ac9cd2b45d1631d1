import { gunzipSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Checksum, displayUtf8, encodeUtf8, readAll } from '../../../src/bytes.ts'
import { type ImportedLayer, type ImportLayerOptions, importLayer } from '../../../src/container/import/import-layer.ts'
import type { Digest } from '../../../src/container/oci/oci-types.ts'
import { OstreeError, TarFormatError } from '../../../src/errors.ts'
import { nodePlatform } from '../../../src/platform/node.ts'
import { createMemoryStorage, Repo, type RepoMode } from '../../../src/repo/index.ts'
import { packTar, type TarEntry, TarParser } from '../../../src/tar/index.ts'
import { goldenBytes, goldenJson } from '../../support/golden.ts'
import { IMPORTED_OTHERWISE } from '../golden-images.ts'

interface LayerVector {
  readonly file: string
  readonly filtered: Readonly<Record<string, number>> | null
  readonly layer_root_dirtree?: Checksum
  readonly layer_root_dirmeta?: Checksum
  readonly error?: string
  readonly filter_error?: string
}
interface CaseVector {
  readonly allow_nonusr: boolean
  readonly retain_var: boolean
}
interface Golden<C> {
  readonly cases: Readonly<Record<string, C>>
}

const LAYER = `sha256:${'ab'.repeat(32)}` as Digest

const vectors: [string, CaseVector & LayerVector][] = [
  ...Object.entries(goldenJson<Golden<CaseVector & LayerVector>>('container/derived-layers.json').cases),
  ...Object.entries(
    goldenJson<Golden<CaseVector & { layers: LayerVector[] }>>('container/derived-layers-2.json').cases,
  ).flatMap(([name, { layers, ...rules }]) =>
    layers.map((layer): [string, CaseVector & LayerVector] => [`${name} (${layer.file})`, { ...rules, ...layer }]),
  ),
]

async function* inChunks(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  // One buffer for all chunks, as a decompressor may use.
  const buffer = new Uint8Array(size)
  for (let at = 0; at < bytes.length; at += size) {
    const part = bytes.subarray(at, at + size)
    buffer.set(part)
    yield buffer.subarray(0, part.length)
    buffer.fill(0xee)
  }
}

interface TakeOptions extends Partial<ImportLayerOptions> {
  readonly mode?: RepoMode
  /** Bytes that the source yields at a time. */
  readonly chunk?: number
}

async function take(bytes: Uint8Array, options: TakeOptions = {}): Promise<ImportedLayer & { repo: Repo }> {
  const { mode = 'bare-user', chunk = 1 << 20 } = options
  const repo = await Repo.open(createMemoryStorage({ platform: nodePlatform, mode }), nodePlatform)
  const layer = await repo.transaction((tx) =>
    importLayer(repo, tx, inChunks(bytes, chunk), { layer: LAYER, ...options }),
  )
  return { ...layer, repo }
}

describe('layers imported by the reference programs', () => {
  test.each(vectors.filter(([name]) => !IMPORTED_OTHERWISE.some((other) => name.startsWith(other))))(
    'the layer %s gives the tree and filtered paths of the vector, or its error (cases D6, D8)',
    async (_, vector) => {
      const bytes = goldenBytes(`container/${vector.file}`)
      const rules = { allowNonusr: vector.allow_nonusr, retainVar: vector.retain_var }
      const error = vector.filter_error ?? vector.error?.replace(/^error: /, '').trimEnd()
      for (const chunk of [1 << 20, 777]) {
        const taken = take(bytes, { ...rules, chunk })
        if (error !== undefined) {
          await expect(taken).rejects.toThrow(TarFormatError)
          const { message } = (await taken.catch((thrown: unknown) => thrown)) as TarFormatError
          expect(
            [message.startsWith(`Parsing layer blob ${LAYER}: `), message.endsWith(`: ${error}`)],
            message,
          ).toEqual([true, true])
          continue
        }
        const { tree, meta, filtered } = await taken
        expect(Object.fromEntries(filtered)).toEqual(vector.filtered)
        expect({ tree, meta }).toEqual({ tree: vector.layer_root_dirtree, meta: vector.layer_root_dirmeta })
      }
    },
  )

  test('the layer of an image without an OSTree commit gives the tree of the vector', async () => {
    const vector = goldenJson<LayerVector & { manifest: { layers: { digest: string }[] } }>('container/nonostree.json')
    const digest = vector.manifest.layers[0]?.digest.replace(':', '/') as string
    const image = filesOf(gunzipSync(goldenBytes('container/oci-nonostree.tar.gz')))
    const [, blob] = [...image].find(([name]) => name.endsWith(digest)) ?? []
    const rules = { allowNonusr: true, retainVar: true }
    const { tree, meta, filtered } = await take(gunzipSync(blob as Uint8Array), rules)
    expect({ tree, meta }).toEqual({ tree: vector.layer_root_dirtree, meta: vector.layer_root_dirmeta })
    expect(filtered.size).toBe(0)
  })
})

/** Returns the files of an archive by name. */
function filesOf(archive: Uint8Array): Map<string, Uint8Array> {
  const files = new Map<string, Uint8Array>()
  let name = ''
  const parser = new TarParser({
    entry: ({ path }) => {
      name = displayUtf8(path)
    },
    data: (part) => files.set(name, part),
    end: () => undefined,
  })
  parser.push(archive)
  parser.finish()
  return files
}

describe('a layer', () => {
  const packed = (entries: readonly TarEntry[]) => readAll(packTar(entries))

  test('a layer gets canonical permissions in bare-user-only, except implicit parent directories', async () => {
    const archive = await packed([
      { path: 'usr/', type: 'directory', mode: 0o1777, uid: 5, gid: 5 },
      { path: 'usr/f', body: encodeUtf8('x'), mode: 0o4777, uid: 5, gid: 5, xattrs: [['user.a', encodeUtf8('b')]] },
      { path: 'etc/f', body: encodeUtf8('x'), uid: 6, gid: 7 },
    ])
    const { repo, tree } = await take(archive, { mode: 'bare-user-only' })
    const [usr] = (await repo.readDirTree(tree)).dirs
    // The directory is created again for etc/f, whose parents are not in the archive.
    expect(await repo.readDirMeta(usr?.meta as Checksum)).toMatchObject({ uid: 6, gid: 7, mode: 0o40755 })
    const { files } = await repo.readDirTree(usr?.tree as Checksum)
    const { header } = await repo.objects.statFile(files[0]?.checksum as Checksum)
    expect(header).toMatchObject({ uid: 0, gid: 0, mode: 0o100755, xattrs: [] })
  })

  test('a layer has the same tree in all modes that store owners', async () => {
    const archive = goldenBytes('container/layers/setuid-and-sticky.tar')
    const trees = await Promise.all((['bare-user', 'archive'] as const).map((mode) => take(archive, { mode })))
    expect(new Set(trees.map(({ tree }) => tree)).size).toBe(1)
  })

  test('the import of a truncated layer fails with an error that names the layer', async () => {
    const archive = (await packed([{ path: 'usr/big', body: new Uint8Array(3 << 20) }])).subarray(0, 2 << 20)
    await expect(take(archive, { chunk: 1 << 16 })).rejects.toThrow(`Parsing layer blob ${LAYER}: `)
    await expect(take(archive, { chunk: 1 << 16 })).rejects.toThrow(TarFormatError)
  })

  test('the import of a layer fails with the error of its source', async () => {
    const repo = await Repo.open(createMemoryStorage({ platform: nodePlatform }), nodePlatform)
    const failure = new Error('gone')
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield new Uint8Array(512)
      throw failure
    }
    await expect(repo.transaction((tx) => importLayer(repo, tx, broken(), { layer: LAYER }))).rejects.toBe(failure)
  })

  test('the import of a layer stops when its signal is aborted', async () => {
    const archive = goldenBytes('container/layers/simple.tar')
    const reason = new Error('enough')
    await expect(take(archive, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
  })

  test('a damaged layer fails with a typed error, or is imported as a different layer', async () => {
    const archive = goldenBytes('container/layers2/pax-records.tar')
    await fc.assert(
      fc.asyncProperty(fc.nat(archive.length - 1), fc.nat(255), fc.boolean(), async (at, value, allowNonusr) => {
        const damaged = archive.slice()
        damaged[at] = value
        try {
          await take(damaged, { allowNonusr, chunk: 4096 })
        } catch (error) {
          expect(error).toBeInstanceOf(OstreeError)
        }
      }),
      { numRuns: 200 },
    )
  })
})
