/** Tests of chunking: which files of a commit go into which layer. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Checksum, encodeUtf8 } from '../../../src/bytes.ts'
import { chunkingFromMapping, processMapping } from '../../../src/container/encapsulate/chunking.ts'
import {
  Chunk,
  computeSizes,
  encapsulateTo,
  type ImageManifest,
  newChunking,
  openMemoryDestination,
  openMemoryLayout,
  unencapsulate,
} from '../../../src/container/index.ts'
import { parseRawMeta } from '../../../src/container/internal.ts'
import { formatSize } from '../../../src/format-size.ts'
import { nodePlatform } from '../../../src/platform/node.ts'
import { anyTree, directory, file, storeCommit, symlink } from '../../../src/testing/index.ts'
import { memoryRepo } from '../tar-kit.ts'
import { COMPONENTS, documentsOf, fixtureRepo, GOLDEN, HOST } from './kit.ts'

const checksum = (digit: string) => digit.repeat(64) as Checksum

describe('a commit as chunks', () => {
  test('a new chunking has all files in the remainder, each once with all its paths', async () => {
    const repo = await memoryRepo()
    const shared = file('12345')
    const tree = directory({ b: shared, a: directory({ c: shared, l: symlink('long target') }), e: file() })
    const commit = await repo.transaction((tx) => storeCommit(tx, tree))
    const { remainder, chunks, metadataSize } = await newChunking(repo, commit)
    expect(chunks).toEqual([])
    expect([...remainder.content.values()].map(({ paths }) => paths)).toEqual([['/b', '/a/c'], ['/e'], ['/a/l']])
    expect(remainder.size).toBe(5)
    const root = await repo.readCommit(commit)
    const sizeOf = async (type: 'dirtree' | 'dirmeta', sum: Checksum) => (await repo.objects.readMeta(type, sum)).length
    const { dirs } = await repo.readDirTree(root.rootTree)
    const inner = dirs[0]?.tree as Checksum
    expect(metadataSize).toBe(
      (await sizeOf('dirtree', root.rootTree)) +
        (await sizeOf('dirtree', inner)) +
        2 * (await sizeOf('dirmeta', root.rootMeta)),
    )
  })

  test('chunks by component leave no files in the remainder', async () => {
    const chunking = await chunkingFromMapping(await fixtureRepo(), GOLDEN.commit, COMPONENTS, { maxLayers: 7 })
    expect(chunking.chunks.map(({ name }) => name)).toEqual(['9 components', 'Reserved for new packages'])
    expect(chunking.remainder.content.size).toBe(0)
    expect(chunking.lines()).toEqual([
      `Metadata: ${formatSize(chunking.metadataSize)}`,
      'Components: provided=9 sized=9',
      `Chunk 0: "9 components": objects:11 size:${formatSize(chunking.chunks[0]?.size ?? 0)}`,
      `Chunk 1: "Reserved for new packages": objects:0 size:${formatSize(0)}`,
    ])
    const untouched = await newChunking(await fixtureRepo(), GOLDEN.commit)
    processMapping(untouched, COMPONENTS, { maxLayers: 0 })
    expect(untouched.chunks).toEqual([])
    expect(untouched.lines().at(-1)).toMatch(/^Remainder: "": objects:11 size:/)
  })

  test('each chunk is named after its component if there are enough layers', async () => {
    const chunking = await chunkingFromMapping(await fixtureRepo(), GOLDEN.commit, COMPONENTS, { maxLayers: 64 })
    expect(chunking.chunks.map(({ name }) => name)).toEqual([
      ...COMPONENTS.sizes.map(({ identifier }) => identifier),
      'Reserved for new packages',
    ])
  })

  test('moving a path keeps the other paths, and moving the last one removes the object', () => {
    const from = new Chunk('from')
    const to = new Chunk('to')
    from.content.set(checksum('a'), { size: 3, paths: ['/x', '/y'] })
    from.size = 3
    expect(from.movePath(to, checksum('a'), '/z')).toBe(false)
    expect(from.movePath(to, checksum('b'), '/x')).toBe(false)
    expect(from.movePath(to, checksum('a'), '/y')).toBe(true)
    expect(from.movePath(to, checksum('a'), '/x')).toBe(true)
    expect([from.content.size, from.size]).toEqual([0, 3])
    expect(to.content.get(checksum('a'))).toEqual({ size: 0, paths: ['/y', '/x'] })
    expect(to.moveObj(from, checksum('a'))).toBe(true)
    expect(to.moveObj(from, checksum('a'))).toBe(false)
  })
})

describe('sizes of components', () => {
  test('the size of a component is that of its files, and components are sorted by size, the largest first', async () => {
    const repo = await fixtureRepo()
    const set = new Map(COMPONENTS.sizes.map(({ size: _, ...meta }) => [meta.identifier, meta]))
    expect(await computeSizes(repo, { set, map: COMPONENTS.map })).toEqual(COMPONENTS)
    set.delete('bash')
    await expect(computeSizes(repo, { set, map: COMPONENTS.map })).rejects.toThrow('Failed to find bash in content set')
  })
})

describe('a content mapping', () => {
  const meta = (value: object) => parseRawMeta(encodeUtf8(JSON.stringify(value)))
  const mapping = { [checksum('a')]: 'bash', [checksum('b')]: 'unpackaged' }
  const layers = { unpackaged: 'all else', bash: 'the shell' }

  test('a content mapping gives one chunk per layer, in the order of its layers', () => {
    const raw = meta({ version: 1, layers, mapping, created: 'c', labels: { k: 'v' } })
    expect([raw.created, raw.labels, raw.maxLayers]).toEqual(['c', { k: 'v' }, 3])
    expect(raw.packageContentmeta.sizes).toEqual([
      {
        identifier: 'unpackaged',
        name: 'all else',
        srcid: 'unpackaged',
        changeFrequency: 0xffff_ffff,
        changeTimeOffset: 1,
        size: 1,
      },
      { identifier: 'bash', name: 'the shell', srcid: 'bash', changeFrequency: 1, changeTimeOffset: 1, size: 1 },
    ])
  })

  test.each([
    [{ version: 2, layers, mapping }, 'Unsupported metadata version: 2. Currently supported: 1'],
    [{ version: 1, layers, mapping, ordered: true }, 'Ordered mapping not currently supported.'],
    [{ layers, mapping }, 'missing field `version`'],
    [{ version: 1, mapping }, 'missing field `layers`'],
    [{ version: 1, layers, mapping: { x: 'bash' } }, 'Invalid sha256 checksum x'],
    [{ version: 1, layers, mapping: { [checksum('a')]: 'zsh' } }, 'Failed to find zsh in content set'],
    [{ version: 1, layers, mapping: { [checksum('a')]: 'bash' } }, 'No file is mapped to layer unpackaged'],
    [{ version: 1, layers: ['bash'], mapping }, '`layers` must be an object'],
  ])('the content mapping %j is rejected', (value, message) => {
    expect(() => meta(value)).toThrow(message)
  })

  test('a content mapping may have only two layers', async () => {
    const repo = await fixtureRepo()
    const all = [...COMPONENTS.map.keys()]
    const raw = meta({
      version: 1,
      layers: { kernel: 'Kernel', unpackaged: 'The rest' },
      mapping: Object.fromEntries(all.map((sum, i) => [sum, i < 3 ? 'kernel' : 'unpackaged'])),
    })
    const files = new Map<string, Uint8Array>()
    await using to = openMemoryDestination(files, undefined, nodePlatform)
    await encapsulateTo(repo, GOLDEN.commit, {}, { host: HOST, ...raw }, to)
    const { manifest, config } = documentsOf(files)
    expect(config.history.slice(1).map((entry) => entry.created_by)).toEqual([
      'kernel',
      'unpackaged',
      'Reserved for new packages',
    ])
    expect(manifest.layers[1]?.annotations).toEqual({ 'ostree.components': 'Kernel' })
  })

  test('only the last of two empty chunks becomes a layer, as importers find layers by digest', async () => {
    const repo = await fixtureRepo()
    const raw = meta({
      version: 1,
      layers: { kernel: 'kernel', unpackaged: 'unpackaged' },
      mapping: Object.fromEntries([...COMPONENTS.map.keys()].map((sum, i) => [sum, i < 3 ? 'kernel' : 'unpackaged'])),
    })
    const components = ['', '', 'kernel,unpackaged', '']
    const before = components.map((names) => ({
      mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip',
      digest: `sha256:${'0'.repeat(64)}`,
      size: 1,
      annotations: { 'ostree.components': names },
    }))
    const priorBuild = { schemaVersion: 2, layers: before } as unknown as ImageManifest
    const files = new Map<string, Uint8Array>()
    await using to = openMemoryDestination(files, undefined, nodePlatform)
    await encapsulateTo(repo, GOLDEN.commit, {}, { host: HOST, ...raw, maxLayers: 20, priorBuild }, to)
    const { manifest } = documentsOf(files)
    const listed = manifest.layers.slice(1).map(({ annotations }) => annotations)
    expect(listed).toEqual([{ 'ostree.components': 'kernel,unpackaged' }, { 'ostree.components': '' }])
    const back = await memoryRepo('archive')
    const open = () => openMemoryLayout(files, undefined, { platform: nodePlatform, host: HOST })
    expect((await unencapsulate(back, 'ostree-unverified-image:oci:x', { host: HOST, open })).commit).toBe(
      GOLDEN.commit,
    )
  })
})

describe('a random commit in chunks', () => {
  test('a random commit in random chunks is unencapsulated as the same commit', async () => {
    const check = async (tree: Parameters<typeof storeCommit>[1], count: number, maxLayers: number) => {
      const repo = await memoryRepo()
      const commit = await repo.transaction((tx) => storeCommit(tx, tree))
      const { remainder } = await newChunking(repo, commit)
      const map = new Map(
        [...remainder.content.keys()].map((sum) => [sum, `c${parseInt(sum.slice(0, 6), 16) % count}`]),
      )
      const meta = (identifier: string) => ({
        identifier,
        name: identifier,
        srcid: '',
        changeTimeOffset: 0,
        changeFrequency: 1,
      })
      const set = new Map([...map.values()].map((identifier) => [identifier, meta(identifier)]))
      const packageContentmeta = await computeSizes(repo, { set, map })
      const files = new Map<string, Uint8Array>()
      await using to = openMemoryDestination(files, undefined, nodePlatform)
      const compression = { kind: 'none' } as const
      await encapsulateTo(repo, commit, {}, { host: HOST, packageContentmeta, maxLayers, compression }, to)
      const back = await memoryRepo('archive')
      const open = () => openMemoryLayout(files, undefined, { platform: nodePlatform, host: HOST })
      const image = await unencapsulate(back, 'ostree-unverified-image:oci:x', { host: HOST, open })
      expect(image.commit).toBe(commit)
      for (const sum of remainder.content.keys())
        expect(await back.objects.has({ checksum: sum, type: 'file' })).toBe(true)
    }
    const numbers = [fc.integer({ min: 1, max: 12 }), fc.integer({ min: 5, max: 20 })] as const
    await fc.assert(fc.asyncProperty(anyTree(), ...numbers, check), { numRuns: 40 })
  })
})
