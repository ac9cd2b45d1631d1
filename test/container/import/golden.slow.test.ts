/** Imports every image and layer that the reference programs imported, into every store, on every platform. */
import { isDeepStrictEqual } from 'node:util'
import { gunzipSync, gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Checksum, encodeUtf8, toHex } from '../../../src/bytes.ts'
import {
  gcImageLayers,
  type ImportOptions,
  listImages,
  type PulledImage,
  parseImageReference,
  pullImage,
  queryImage,
  refForLayer,
  removeImage,
} from '../../../src/container/index.ts'
import { canonicalJson, normaliseConfig } from '../../../src/container/internal.ts'
import { IoError, OstreeError } from '../../../src/errors.ts'
import { lookup, string } from '../../../src/gvariant/index.ts'
import { contentChecksum } from '../../../src/objects/index.ts'
import { nodePlatform } from '../../../src/platform/node.ts'
import type { Repo, RepoMode } from '../../../src/repo/index.ts'
import { BACKENDS, testRepos, testWith } from '../../support/backends.ts'
import { goldenBytes, goldenJson } from '../../support/golden.ts'
import { readTar, text } from '../../support/read-tar.ts'
import { type GoldenImage, goldenImage, IMPORTED_OTHERWISE, sourceOf, withLayers } from '../golden-images.ts'

interface Root {
  root_dirtree: string
  root_dirmeta: string
}

interface Merge extends Root {
  manifest_digest: string
  merge_commit: string
  content_checksum?: string
}

interface Layer {
  file: string
  sha256: string
  filtered?: Record<string, number>
  blob_gzip_b64?: string
  layer_root_dirtree?: string
  layer_root_dirmeta?: string
  layer_content_checksum?: string
  layer_subject?: string
  layer_metadata_keys?: string[]
  error?: string
  filter_error?: string
}

interface Rules {
  allow_nonusr: boolean
  retain_var: boolean
  merge_over_fixture_bare_user_uid0?: Merge & { blob_gzip_b64?: string }
  merge_tree_bare?: Root
  merge_error?: string
}

interface Case extends Rules {
  name: string
  layers: Layer[]
}

interface BaseLayer {
  digest: string
  commit: string
  n_objects: number
  root_dirtree?: string
  root_dirmeta?: string
}

const one = goldenJson<{
  base_import: Omit<Merge, 'manifest_digest'> & {
    timestamp: number
    parent: string
    layers: BaseLayer[]
    metadata: Record<string, string>
  }
  base_merge_commit_object_hex: string
  cases: Record<string, Rules & Layer>
}>('container/derived-layers.json')
const several = goldenJson<{ base_commit: string; cases: Record<string, Omit<Case, 'name'>> }>(
  'container/derived-layers-2.json',
)
const modes = goldenJson<{
  commit: string
  base_content_checksum: string
  manifest_digest: string
  manifest: unknown
  config: unknown
  results: Record<'bare' | 'bare-user', Merge>
}>('container/repo-modes.json')
interface TarLine {
  path: string
  type: string
  mode: string
  uid: number
  gid: number
  size: number
  mtime: number
  link?: string
  data_hex?: string
}

const plain = goldenJson<
  Layer & {
    layer_tar_entries: TarLine[]
    manifest_digest: string
    manifest: unknown
    config: unknown
    merge_with_timestamp_0_bare_user_uid0: Merge
  }
>('container/nonostree.json')

const cases: Case[] = [
  ...Object.entries(one.cases).map(([name, { allow_nonusr, retain_var, merge_error, ...layer }]) => {
    const { merge_over_fixture_bare_user_uid0: merge, ...rest } = layer
    const layers = [{ ...rest, ...(merge?.blob_gzip_b64 && { blob_gzip_b64: merge.blob_gzip_b64 }) }]
    const rules = { allow_nonusr, retain_var, ...(merge_error !== undefined && { merge_error }) }
    return { name, ...rules, ...(merge && { merge_over_fixture_bare_user_uid0: merge }), layers }
  }),
  ...Object.entries(several.cases).map(([name, given]) => ({ name, ...given })),
]
const alike = cases.filter(({ name }) => !IMPORTED_OTHERWISE.includes(name))
const merged = alike.filter(({ merge_over_fixture_bare_user_uid0: merge }) => merge !== undefined)
const failing = alike.filter((each) => !merged.includes(each))

const HOST = { architecture: 'amd64', os: 'linux' }
const BASE = goldenImage('container/oci-chunked.tar.gz')
/** The fixture without its capability, which is malformed and so cannot be set on disk. */
const NOCAP = goldenImage('container/oci-nocap.tar.gz')
const PLAIN = goldenImage('container/oci-nonostree.tar.gz')

const places = testRepos()

function pull(
  repo: Repo,
  name: string,
  image: GoldenImage,
  options: Partial<ImportOptions> = {},
): Promise<PulledImage> {
  return pullImage(repo, `ostree-unverified-image:oci:/${name}`, { host: HOST, open: sourceOf(image), ...options })
}

function derived(base: GoldenImage, { layers }: Case): GoldenImage {
  const blobs = layers.map(({ blob_gzip_b64, file }) =>
    blob_gzip_b64 === undefined
      ? new Uint8Array(gzipSync(goldenBytes(`container/${file}`)))
      : new Uint8Array(Buffer.from(blob_gzip_b64, 'base64')),
  )
  return withLayers(base, blobs)
}

function rulesOf({ allow_nonusr, retain_var }: Case): Partial<ImportOptions> {
  return { allowNonusr: allow_nonusr, retainVar: retain_var }
}

/** Removes an image and its layers: a stored layer would not be read again under the rules of another case. */
async function forget(repo: Repo, name: string): Promise<void> {
  expect(await removeImage(repo, parseImageReference(`oci:/${name}`))).toBe(true)
  await gcImageLayers(repo)
}

async function rootOf(repo: Repo, commit: Checksum): Promise<Root> {
  const { rootTree, rootMeta } = await repo.readCommit(commit)
  return { root_dirtree: rootTree, root_dirmeta: rootMeta }
}

const rootsOnly = ({ root_dirtree, root_dirmeta }: Root): Root => ({ root_dirtree, root_dirmeta })

describe('the vectors of layers', () => {
  test('the vectors are complete, and each has a result or an error', () => {
    expect([Object.keys(one.cases).length, Object.keys(several.cases).length]).toEqual([22, 11])
    expect([merged.length, failing.length]).toEqual([25, 5])
    for (const { layers, merge_error } of failing) {
      const errors = [merge_error, ...layers.flatMap(({ error, filter_error }) => [error, filter_error])]
      expect(errors.filter((error) => error !== undefined)).toHaveLength(1)
    }
    expect(cases.filter(({ merge_tree_bare }) => merge_tree_bare !== undefined)).toHaveLength(10)
  })

  test('the vectors have the checksums of their archives', () => {
    for (const { layers, name } of cases) {
      for (const { file, sha256, blob_gzip_b64 } of layers) {
        const tar = goldenBytes(`container/${file}`)
        expect(nodePlatform.sha256(tar), name).toBe(sha256)
        if (blob_gzip_b64 !== undefined) {
          expect(gunzipSync(Buffer.from(blob_gzip_b64, 'base64')).equals(tar), name).toBe(true)
        }
      }
    }
  })
})

test('the layer of the plain image has the entries of its vector', async () => {
  const source = await sourceOf(PLAIN)()
  const [layer] = source.manifest.layers
  const entries = readTar(gunzipSync(PLAIN.blobs.get(layer?.digest ?? '') as Uint8Array)).map(({ header, body }) => ({
    path: text(header.path),
    type: String.fromCharCode(header.typeflag),
    mode: header.mode.toString(8),
    uid: header.uid,
    gid: header.gid,
    size: header.size,
    mtime: header.mtime,
    link: text(header.linkPath),
    data_hex: toHex(body),
  }))
  expect(entries).toEqual(
    plain.layer_tar_entries.map(({ link = '', data_hex = '', ...rest }) => ({ ...rest, link, data_hex })),
  )
})

describe.each(BACKENDS)('imports into bare-user in $name', (place) => {
  let repo: Repo
  beforeAll(async () => {
    repo = await places.create(place, 'bare-user')
  })
  afterAll(() => repo.close())

  test('an image with an OSTree base gives the merge commit and layer commits of the reference (cases H1, H16)', async () => {
    const golden = one.base_import
    const pulled = await pull(repo, 'image', BASE)
    expect(pulled.mergeCommit).toBe(golden.merge_commit)
    expect(pulled.manifestDigest).toBe(golden.metadata['ostree.manifest-digest'])
    expect(toHex(await repo.objects.readMeta('commit', pulled.mergeCommit))).toBe(one.base_merge_commit_object_hex)
    const commit = await repo.readCommit(pulled.mergeCommit)
    expect({ ...commit, metadata: [] }).toMatchObject({
      parent: golden.parent,
      timestamp: BigInt(golden.timestamp),
      rootTree: golden.root_dirtree,
      rootMeta: golden.root_dirmeta,
    })
    expect(commit.parent).toBe(several.base_commit)
    expect(contentChecksum(place.platform, commit)).toBe(golden.content_checksum)
    for (const [key, text] of Object.entries(golden.metadata)) expect(lookup(commit.metadata, key, string)).toBe(text)

    expect(pulled.layersFetched).toBe(3)
    expect(pulled.manifest.layers.map(({ digest }) => digest)).toEqual(golden.layers.map(({ digest }) => digest))
    for (const [i, layer] of pulled.manifest.layers.entries()) {
      const { commit: expected, root_dirtree, root_dirmeta } = golden.layers[i] as BaseLayer
      const found = await repo.resolve(refForLayer(layer))
      expect(found).toBe(expected)
      if (root_dirtree !== undefined) expect(await rootOf(repo, found)).toEqual({ root_dirtree, root_dirmeta })
    }
    expect(await listImages(repo)).toEqual(['oci:/image'])
    expect((await queryImage(repo, parseImageReference('oci:/image')))?.mergeCommit).toBe(pulled.mergeCommit)
    expect(await pull(repo, 'image', BASE)).toMatchObject({ changed: false, mergeCommit: pulled.mergeCommit })
  })

  test('the image without the capability gives the merge commit of the reference', async () => {
    const pulled = await pull(repo, 'nocap', NOCAP)
    const { merge_commit, content_checksum, ...root } = modes.results['bare-user']
    expect(pulled).toMatchObject({ mergeCommit: merge_commit, manifestDigest: modes.manifest_digest })
    expect(await rootOf(repo, pulled.mergeCommit)).toEqual(rootsOnly(root))
    const commit = await repo.readCommit(pulled.mergeCommit)
    expect(contentChecksum(place.platform, commit)).toBe(content_checksum)
    expect(commit.parent).toBe(modes.commit)
    expect(pulled.manifest).toEqual(modes.manifest)
    const stored = lookup(commit.metadata, 'ostree.container.image-config', string)
    expect(stored).toBe(canonicalJson(normaliseConfig(encodeUtf8(JSON.stringify(modes.config)))))
  })

  test('an image without an OSTree base gives the merge commit of the reference, without a parent (case H13)', async () => {
    const pulled = await pull(repo, 'plain', PLAIN)
    const { merge_commit, ...root } = plain.merge_with_timestamp_0_bare_user_uid0
    expect(pulled).toMatchObject({ mergeCommit: merge_commit, manifestDigest: plain.manifest_digest })
    expect(await rootOf(repo, pulled.mergeCommit)).toEqual(rootsOnly(root))
    expect((await repo.readCommit(pulled.mergeCommit)).parent).toBeUndefined()
    expect(pulled.manifest).toEqual(plain.manifest)
    await expectLayer(pulled, 0, plain)
  })

  test.each(merged)(
    'the layers of $name give the trees and the merge commit of the reference (cases H15, H16)',
    async (given) => {
      const { manifest_digest, merge_commit, content_checksum, ...root } =
        given.merge_over_fixture_bare_user_uid0 as NonNullable<Rules['merge_over_fixture_bare_user_uid0']>
      const image = derived(BASE, given)
      expect(image.manifest).toBe(manifest_digest)
      const pulled = await pull(repo, given.name, image, rulesOf(given))
      for (const [i, layer] of given.layers.entries()) await expectLayer(pulled, i + 3, layer)
      expect(await rootOf(repo, pulled.mergeCommit)).toEqual(rootsOnly(root))
      expect(pulled.mergeCommit).toBe(merge_commit)
      const commit = await repo.readCommit(pulled.mergeCommit)
      if (content_checksum !== undefined) expect(contentChecksum(place.platform, commit)).toBe(content_checksum)
      await forget(repo, given.name)
    },
  )

  test.each(failing)(
    'the import of $name fails with the error of the reference, and stores no image',
    async (given) => {
      const [{ error, filter_error = error, ...layer }] = given.layers as [Layer]
      const said = filter_error?.replace(/^error: /, '').trimEnd() ?? given.merge_error?.split(': ')[1]
      const image = derived(BASE, given)
      const thrown: unknown = await pull(repo, given.name, image, rulesOf(given)).catch((reason: unknown) => reason)
      expect(thrown).toBeInstanceOf(OstreeError)
      expect(String(thrown)).toContain(said?.replace(/ \(0\)$/, ''))
      expect(await queryImage(repo, parseImageReference(`oci:/${given.name}`))).toBeUndefined()
      // A layer that is valid but cannot be merged is stored, for other images.
      const digest = (await sourceOf(image)()).manifest.layers.at(-1)
      if (digest === undefined) throw new Error('no layer')
      const found = await repo.tryResolve(refForLayer(digest))
      if (layer.layer_root_dirtree === undefined) expect(found).toBeUndefined()
      else if (found !== undefined)
        expect(await rootOf(repo, found)).toMatchObject({ root_dirtree: layer.layer_root_dirtree })
    },
  )

  test('an image that differs only in compression is not fetched again (case H12)', async () => {
    const first = await pull(repo, 'image', BASE)
    for (const name of ['oci-zstd', 'oci-zstd-chunked']) {
      const pulled = await pull(repo, name, goldenImage(`container/${name}.tar.gz`))
      expect(pulled.layersFetched).toBe(0)
      expect(pulled.baseCommit).toBe(first.baseCommit)
    }
  })

  test('an update fetches only changed layers', async () => {
    const updated = await pull(repo, 'image', goldenImage('container/oci-chunked-update.tar.gz'))
    expect(updated).toMatchObject({ changed: true, layersFetched: 2, layersReused: 1 })
  })

  async function expectLayer(pulled: PulledImage, index: number, golden: Layer): Promise<void> {
    const layer = pulled.manifest.layers[index]
    if (layer === undefined) throw new Error(`no layer ${index}`)
    expect(Object.fromEntries(pulled.filteredFiles?.get(layer.digest) ?? [])).toEqual(golden.filtered)
    const commit = await repo.readCommit(await repo.resolve(refForLayer(layer)))
    const { layer_root_dirtree: rootTree, layer_root_dirmeta: rootMeta } = golden
    expect(commit).toMatchObject({ rootTree, rootMeta })
    if (golden.layer_content_checksum !== undefined)
      expect(contentChecksum(place.platform, commit)).toBe(golden.layer_content_checksum)
    if (golden.layer_subject !== undefined) expect(commit.subject).toBe(golden.layer_subject)
    const keys = golden.layer_metadata_keys
    if (keys !== undefined) expect(commit.metadata.map(([key]) => key)).toEqual(keys)
  }
})

const exact = ['archive', 'bare'] satisfies RepoMode[]

describe.each(BACKENDS)('imports with exact metadata in $name', (place) => {
  for (const mode of exact) {
    testWith(place, mode, `the base is unchanged in mode ${mode}`, async () => {
      const repo = await places.create(place, mode)
      const pulled = await pull(repo, 'nocap', NOCAP, mode === 'bare' ? {} : { metadata: 'exact' })
      expect(pulled.mergeCommit).toBe(modes.results.bare.merge_commit)
      const commit = await repo.readCommit(pulled.mergeCommit)
      expect(contentChecksum(place.platform, commit)).toBe(modes.base_content_checksum)
      await repo.close()
    })
  }

  // The malformed capability of the base cannot be set on disk.
  const holding = exact.filter((mode) => place.store !== 'directory' || mode !== 'bare')
  test.each(holding)('layers merge into the trees of the reference in mode %s', async (mode) => {
    const repo = await places.create(place, mode)
    for (const given of merged.filter(({ merge_tree_bare }) => merge_tree_bare !== undefined)) {
      const pulled = await pull(repo, given.name, derived(BASE, given), { ...rulesOf(given), metadata: 'exact' })
      // ostree stores links of another mode than 0777 in a bare repository, but its fsck refuses them.
      const sameTree = mode !== 'bare' || given.name !== 'empty-unreadable-links'
      const root = await rootOf(repo, pulled.mergeCommit)
      expect(isDeepStrictEqual(root, given.merge_tree_bare), given.name).toBe(sameTree)
      await forget(repo, given.name)
    }
    await repo.close()
  })
})

/** Modes without vectors of the reference: the results of all stores have to agree. */
describe.each(['bare-user-only', 'archive', 'bare'] as const)('imports in mode %s', (mode) => {
  const expected = new Map<string, Checksum>()
  // The base NOCAP has extended attributes, which bare-user-only cannot store.
  const base = mode === 'bare-user-only' ? PLAIN : NOCAP

  describe.each(BACKENDS)('$name', (place) => {
    testWith(place, mode, 'all vectors give the same commits as in the other stores', async () => {
      const repo = await places.create(place, mode)
      const refused: string[] = []
      for (const given of merged) {
        const { name } = given
        try {
          const { mergeCommit } = await pull(repo, name, derived(base, given), rulesOf(given))
          if (!expected.has(name)) expected.set(name, mergeCommit)
          expect(mergeCommit, name).toBe(expected.get(name))
          await forget(repo, name)
        } catch (error) {
          if (!(error instanceof IoError && error.data.errno === 'EPERM')) throw error
          refused.push(name)
        }
      }
      // The kernel does not allow user attributes on symbolic links.
      expect(refused).toEqual(place.store === 'directory' && mode === 'bare' ? ['empty-unreadable-links'] : [])
      await repo.close()
    })
  })
})
