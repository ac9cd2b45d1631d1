import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Checksum } from '../../src/bytes.ts'
import {
  type ImportOptions,
  listImages,
  type PulledImage,
  parseImageReference,
  pullImage,
  queryImage,
  refForLayer,
} from '../../src/container/index.ts'
import { nodePlatform } from '../../src/platform/node.ts'
import { createMemoryStorage, Repo, type RepoMode } from '../../src/repo/index.ts'
import { createRepo } from '../../src/repo/node/index.ts'
import { goldenJson } from '../golden.ts'
import { type GoldenImage, goldenImage, sourceOf, withLayers } from './golden-images.ts'

const HOST = { architecture: 'amd64', os: 'linux' }
const REFERENCE = 'ostree-unverified-image:oci:/image:latest'

interface Merge {
  manifest_digest: string
  merge_commit: string
  root_dirtree: string
  root_dirmeta: string
}

interface Layer {
  file: string
  filtered?: Record<string, number>
  filter_error?: string
  blob_gzip_b64: string
}

interface OneLayerCase {
  allow_nonusr: boolean
  retain_var: boolean
  filtered: Record<string, number>
  merge_over_fixture_bare_user_uid0?: Merge & { blob_gzip_b64: string }
}

interface LayersCase {
  allow_nonusr: boolean
  retain_var: boolean
  layers: Layer[]
  merge_over_fixture_bare_user_uid0?: Merge
  merge_tree_bare?: { root_dirtree: string; root_dirmeta: string }
}

const one = goldenJson<{
  base_import: Merge & { layers: { digest: string; commit: string }[] }
  cases: Record<string, OneLayerCase>
}>('container/derived-layers.json')
const several = goldenJson<{ cases: Record<string, LayersCase> }>('container/derived-layers-2.json')
const modes = goldenJson<{ results: Record<'bare' | 'bare-user', Merge> }>('container/repo-modes.json')
const plain = goldenJson<{ merge_with_timestamp_0_bare_user_uid0: Merge }>('container/nonostree.json')

function memory(mode: RepoMode = 'bare-user'): Promise<Repo> {
  return Repo.open(createMemoryStorage({ mode, platform: nodePlatform }), nodePlatform)
}

function pull(repo: Repo, image: GoldenImage, options: Partial<ImportOptions> = {}): Promise<PulledImage> {
  return pullImage(repo, REFERENCE, { host: HOST, open: sourceOf(image), ...options })
}

async function rootOf(repo: Repo, commit: Checksum): Promise<{ root_dirtree: string; root_dirmeta: string }> {
  const { rootTree, rootMeta } = await repo.readCommit(commit)
  return { root_dirtree: rootTree, root_dirmeta: rootMeta }
}

describe('an image with an ostree base', () => {
  const image = goldenImage('container/oci-chunked.tar.gz')
  const directory = mkdtempSync(join(tmpdir(), 'container-import-'))
  let stores: [string, Repo][]

  beforeAll(async () => {
    stores = [
      ['memory', await memory()],
      ['sqlite', await createRepo(join(directory, 'images.sqlite'), { mode: 'bare-user' })],
      ['directory', await createRepo(join(directory, 'images'), { mode: 'bare-user' })],
    ]
  })
  afterAll(async () => {
    for (const [, repo] of stores) await repo.close()
    rmSync(directory, { recursive: true })
  })

  test('becomes the merge commit and layer commits of the reference in every store', async () => {
    for (const [name, repo] of stores) {
      const pulled = await pull(repo, image)
      expect(pulled.mergeCommit, name).toBe(one.base_import.merge_commit)
      expect(pulled.layersFetched).toBe(3)
      for (const [i, layer] of pulled.manifest.layers.entries()) {
        expect(await repo.resolve(refForLayer(layer))).toBe(one.base_import.layers[i]?.commit)
      }
      expect(await listImages(repo)).toEqual(['oci:/image:latest'])
      expect((await queryImage(repo, parseImageReference('oci:/image:latest')))?.mergeCommit).toBe(pulled.mergeCommit)
      expect(await pull(repo, image)).toMatchObject({ changed: false, mergeCommit: pulled.mergeCommit })
    }
  })

  test('gives the commits of the reference in bare and in bare-user', async () => {
    const nocap = goldenImage('container/oci-nocap.tar.gz')
    for (const mode of ['bare', 'bare-user'] as const) {
      expect((await pull(await memory(mode), nocap)).mergeCommit).toBe(modes.results[mode].merge_commit)
    }
  })

  test('keeps the base tree as it is in every mode under the exact policy', async () => {
    const nocap = goldenImage('container/oci-nocap.tar.gz')
    for (const mode of ['bare', 'bare-user', 'archive'] as const) {
      const pulled = await pull(await memory(mode), nocap, { metadata: 'exact' })
      expect(pulled.mergeCommit).toBe(modes.results.bare.merge_commit)
    }
  })
})

describe('a plain image', () => {
  test('becomes the merge commit of the reference, without a parent', async () => {
    const repo = await memory()
    const pulled = await pull(repo, goldenImage('container/oci-nonostree.tar.gz'))
    expect(pulled.mergeCommit).toBe(plain.merge_with_timestamp_0_bare_user_uid0.merge_commit)
    expect((await repo.readCommit(pulled.mergeCommit)).parent).toBeUndefined()
  })
})

describe('derived layers', () => {
  const base = goldenImage('container/oci-chunked.tar.gz')

  const merged = Object.entries(one.cases).filter(([, { merge_over_fixture_bare_user_uid0: m }]) => m !== undefined)
  test.each(merged)('%s: one layer merges into the commit of the reference', async (_, golden) => {
    const merge = golden.merge_over_fixture_bare_user_uid0 as NonNullable<
      OneLayerCase['merge_over_fixture_bare_user_uid0']
    >
    const image = withLayers(base, [Buffer.from(merge.blob_gzip_b64, 'base64')])
    expect(image.manifest).toBe(merge.manifest_digest)
    const options = { allowNonusr: golden.allow_nonusr, retainVar: golden.retain_var }
    const pulled = await pull(await memory(), image, options)
    expect(pulled.mergeCommit).toBe(merge.merge_commit)
    const filtered = pulled.filteredFiles?.get(pulled.manifest.layers.at(-1)?.digest ?? '')
    expect(Object.fromEntries(filtered ?? [])).toEqual(golden.filtered)
  })

  const stacked = Object.entries(several.cases).filter(([, { merge_tree_bare }]) => merge_tree_bare !== undefined)
  test.each(stacked)('%s: layers merge into the commit of the reference', async (_, golden) => {
    const merge = golden.merge_over_fixture_bare_user_uid0 as Merge
    const image = withLayers(
      base,
      golden.layers.map(({ blob_gzip_b64 }) => Buffer.from(blob_gzip_b64, 'base64')),
    )
    expect(image.manifest).toBe(merge.manifest_digest)
    const options = { allowNonusr: golden.allow_nonusr, retainVar: golden.retain_var }
    expect((await pull(await memory(), image, options)).mergeCommit).toBe(merge.merge_commit)
    const bare = await memory('bare')
    expect(await rootOf(bare, (await pull(bare, image, options)).mergeCommit)).toEqual(golden.merge_tree_bare)
  })
})

describe('an image whose layers are stored already', () => {
  test('fetches nothing when only the compression differs', async () => {
    const repo = await memory()
    const first = await pull(repo, goldenImage('container/oci-chunked.tar.gz'))
    const other = 'ostree-unverified-image:oci:/image:zstd'
    for (const name of ['oci-zstd', 'oci-zstd-chunked']) {
      const image = goldenImage(`container/${name}.tar.gz`)
      const pulled = await pullImage(repo, other, { host: HOST, open: sourceOf(image) })
      expect(pulled.layersFetched).toBe(0)
      expect(pulled.baseCommit).toBe(first.baseCommit)
    }
  })

  test('fetches only the layers that an update changes', async () => {
    const repo = await memory()
    await pull(repo, goldenImage('container/oci-chunked.tar.gz'))
    const updated = await pull(repo, goldenImage('container/oci-chunked-update.tar.gz'))
    expect(updated).toMatchObject({ changed: true, layersFetched: 2, layersReused: 1 })
  })
})
