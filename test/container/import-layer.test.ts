import { describe, expect, test } from 'vitest'
import type { Checksum } from '../../src/bytes.ts'
import { type ImportedLayer, type ImportLayerOptions, importLayer } from '../../src/container/import-layer.ts'
import type { Digest } from '../../src/container/oci-types.ts'
import { TarFormatError } from '../../src/errors.ts'
import { nodePlatform } from '../../src/platform/node.ts'
import { createMemoryStorage, Repo, type RepoMode } from '../../src/repo/index.ts'
import { goldenBytes, goldenJson } from '../golden.ts'

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
  // One buffer for all, as a decompressor may do.
  const buffer = new Uint8Array(size)
  for (let at = 0; at < bytes.length; at += size) {
    const part = bytes.subarray(at, at + size)
    buffer.set(part)
    yield buffer.subarray(0, part.length)
    buffer.fill(0xee)
  }
}

async function take(
  bytes: Uint8Array,
  options: Partial<ImportLayerOptions> & { mode?: RepoMode; chunk?: number } = {},
): Promise<ImportedLayer> {
  const repo = await Repo.open(
    createMemoryStorage({ platform: nodePlatform, mode: options.mode ?? 'bare-user' }),
    nodePlatform,
  )
  return await repo.transaction((tx) =>
    importLayer(repo, tx, inChunks(bytes, options.chunk ?? 1 << 20), { layer: LAYER, ...options }),
  )
}

describe('layers the real programs imported', () => {
  test.each(vectors)('%s', async (_, vector) => {
    const bytes = goldenBytes(`container/${vector.file}`)
    const rules = { allowNonusr: vector.allow_nonusr, retainVar: vector.retain_var }
    const error = vector.filter_error ?? vector.error?.replace(/^error: /, '').trimEnd()
    for (const chunk of [1 << 20, 777]) {
      const taken = take(bytes, { ...rules, chunk })
      if (error !== undefined) {
        await expect(taken).rejects.toThrow(TarFormatError)
        await expect(taken).rejects.toThrow(`Parsing layer blob ${LAYER}: ${error}`)
        continue
      }
      const { tree, meta, filtered } = await taken
      expect(Object.fromEntries(filtered)).toEqual(vector.filtered)
      expect({ tree, meta }).toEqual({ tree: vector.layer_root_dirtree, meta: vector.layer_root_dirmeta })
    }
  })
})
