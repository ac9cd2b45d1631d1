/** Images unpacked through a store: what is fetched, what is kept, what is shared and what is removed. */
import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { displayUtf8, encodeUtf8, equalBytes } from '../../src/bytes.ts'
import { openStore, type Progress, prune, type UnpackImageOptions, unpackImage } from '../../src/node.ts'
import { nodeNetwork } from '../../src/system/network.ts'
import { startRegistry } from '../container/registry/server.ts'
import { collect } from '../container/tar-kit.ts'
import { isRoot } from '../support/machine.ts'
import { run, testReference } from '../support/reference.ts'
import { temporaryFolder } from '../support/temporary.ts'
import { file, folder, hardlink, whiteout } from './image-cases.ts'
import { writeLayout } from './layout.ts'
import { listing } from './listing.ts'

const lower = [
  folder('etc'),
  file('etc/os-release', { body: encodeUtf8('ID=x') }),
  file('large', { body: new Uint8Array(300_000).fill(7) }),
  hardlink('second', 'large'),
]
const upper = [file('etc/new'), whiteout('etc/.wh.os-release')]

async function images(parent: string): Promise<[one: string, two: string]> {
  const one = await writeLayout(join(parent, 'one'), [lower])
  return [one, await writeLayout(join(parent, 'two'), [lower, upper])]
}

/** Returns the kinds of events that a call reports for layers. */
async function layerEvents(call: (options: UnpackImageOptions) => Promise<unknown>): Promise<string[]> {
  const kinds: string[] = []
  const onProgress = ({ kind }: Progress) => kind.startsWith('layer') && kinds.push(kind)
  await call({ onProgress })
  return kinds
}

describe.each(['store.sqlite', 'directory'])('%s', (name) => {
  test('layers are kept once over all images, and removed with the last image that needs them', async () => {
    const parent = temporaryFolder()
    const [one, two] = await images(parent)
    await using store = await openStore(join(parent, name))
    const out = join(parent, 'out')
    const unpack = (reference: string) => (options: UnpackImageOptions) =>
      unpackImage(reference, out, { store, overwrite: true, ...options })
    expect(await layerEvents(unpack(one))).toEqual(['layer-start', 'layer-done'])
    expect(await layerEvents(unpack(two))).toEqual(['layer-cached', 'layer-start', 'layer-done'])
    expect(await layerEvents(unpack(two))).toEqual(['layer-cached', 'layer-cached'])
    expect(await store.unpacked()).toEqual([one, two])
    expect(await store.images()).toEqual([])

    await prune(store.repo, { refsOnly: true })
    expect(await store.removeUnpacked(one)).toBe(true)
    expect(await store.removeUnpacked(one)).toBe(false)
    await prune(store.repo, { refsOnly: true })
    rmSync(join(parent, 'two'), { recursive: true })
    await unpackImage(two, out, { store, overwrite: true, pull: 'missing' })
    expect([existsSync(join(out, 'etc/os-release')), existsSync(join(out, 'etc/new'))]).toEqual([false, true])
    expect(await store.removeUnpacked(two)).toBe(true)
    await prune(store.repo, { refsOnly: true })
    let left = 0
    for await (const _ of store.repo.objects.list()) left++
    expect(left).toBe(0)
  })

  test('memory and tar read from the store', async () => {
    const parent = temporaryFolder()
    const [, two] = await images(parent)
    await using store = await openStore(join(parent, name))
    const stored = await unpackImage(two, { as: 'memory' }, { store })
    expect((await stored.readFile('/second')).length).toBe(300_000)
    expect(displayUtf8(await stored.readFile('/etc/new'))).toBe('content of etc/new')
    const plain = await unpackImage(two, { as: 'memory' })
    const tar = await collect(plain.tar())
    expect(equalBytes(await collect(stored.tar()), tar)).toBe(true)
    expect(equalBytes(await collect(unpackImage(two, { as: 'tar' }, { store })), tar)).toBe(true)
  })

  test('several images may be unpacked at the same time', async () => {
    const parent = temporaryFolder()
    const all = await images(parent)
    await using store = await openStore(join(parent, name))
    await Promise.all([...all, ...all].map((reference, i) => unpackImage(reference, join(parent, `${i}`), { store })))
    expect(listing(join(parent, '0'))).toEqual(listing(join(parent, '2')))
    expect(listing(join(parent, '1'))).toEqual(listing(join(parent, '3')))
  })

  test('what is refused without a store is refused with one, and leaves the target alone', async () => {
    const parent = temporaryFolder()
    const bad = [
      await writeLayout(join(parent, 'dots'), [[file('a/../../b')]]),
      await writeLayout(join(parent, 'link'), [[hardlink('a', '../b')]]),
      await writeLayout(join(parent, 'below'), [[file('a')], [file('a/b')]]),
    ]
    await using store = await openStore(join(parent, name))
    for (const reference of bad) {
      const reason = async (options: UnpackImageOptions) => {
        const error = await unpackImage(reference, join(parent, 'out'), options).catch((e: unknown) => e)
        return [(error as Error).name, (error as Error).message]
      }
      expect(await reason({ store })).toEqual(await reason({}))
      expect(existsSync(join(parent, 'out'))).toBe(false)
    }
    const [one] = await images(parent)
    const limited = unpackImage(one, join(parent, 'out'), { store, limits: { maxEntries: 3 } })
    await expect(limited).rejects.toMatchObject({ name: 'LimitError' })
    await expect(
      unpackImage(one, join(parent, 'out'), { store, signal: AbortSignal.abort(new Error('stop')) }),
    ).rejects.toThrow('stop')
    expect((await unpackImage(one, join(parent, 'out'), { store })).entries).toBe(4)
  })
})

test('a store that cannot be linked says so before anything is fetched', async () => {
  const parent = temporaryFolder()
  await using store = await openStore(join(parent, 'store.sqlite'))
  const unpack = (options: UnpackImageOptions) => unpackImage('oci:/nowhere', join(parent, 'out'), options)
  await expect(unpack({ link: 'hard' })).rejects.toThrow("The option link: 'hard' needs a store")
  await expect(unpack({ link: 'reflink', store })).rejects.toThrow(
    `needs a directory of mode bare or bare-user or bare-user-only as its store, which ${join(parent, 'store.sqlite')} is not`,
  )
})

test('files of a bare-user-only store are linked where their metadata allow it', async () => {
  const parent = temporaryFolder()
  const reference = await writeLayout(join(parent, 'layout'), [
    [file('plain'), file('shared', { mode: 0o666 }), file('setuid', { mode: 0o4755 }), file('owned', { uid: 7 })],
  ])
  await using store = await openStore(join(parent, 'store'), { mode: 'bare-user-only' })
  const out = join(parent, 'out')
  const { linked } = await unpackImage(reference, out, { store, link: 'hard', rootless: true })
  const links = (name: string) => statSync(join(out, name)).nlink
  expect([linked, links('plain'), links('shared'), links('setuid'), links('owned')]).toEqual([1, 2, 1, 1, 1])
  expect(readFileSync(join(out, 'plain'), 'utf8')).toBe('content of plain')
  if (isRoot) expect(statSync(join(out, 'plain')).uid).toBe(0)
})

test('a layer that is damaged in the store is an error, not another file', async () => {
  const parent = temporaryFolder()
  const reference = await writeLayout(join(parent, 'layout'), [[file('plain')]])
  await using store = await openStore(join(parent, 'store'), { mode: 'bare-user-only' })
  const out = join(parent, 'out')
  await unpackImage(reference, out, { store, link: 'hard', rootless: true })
  writeFileSync(join(out, 'plain'), 'short')
  const again = unpackImage(reference, out, { store, overwrite: true })
  await expect(again).rejects.toMatchObject({ name: 'FormatError', message: expect.stringContaining('has 5 bytes') })
})

testReference(
  ['docker-registry', 'skopeo'],
  'a second unpack asks a registry for the manifest, or for nothing',
  async () => {
    const parent = temporaryFolder()
    const [, two] = await images(parent)
    await using registry = await startRegistry()
    const name = `${registry.host}/example/os`
    run('skopeo', ['copy', '-q', '--dest-tls-verify=false', two, `docker://${name}:1`])
    await using store = await openStore(join(parent, 'store.sqlite'))
    const network = nodeNetwork({ environment: {} })
    let asked: string[] = []
    const unpack = async (reference: string, options: UnpackImageOptions = {}) => {
      asked = []
      const fetch: typeof network.fetch = (url, init) => {
        asked.push(new URL(url).pathname.split('/').slice(-2).join('/').replace(/:.*/, ''))
        return network.fetch(url, init)
      }
      const registryOptions = { network: { ...network, fetch }, insecure: true }
      return unpackImage(reference, join(parent, 'out'), {
        store,
        overwrite: true,
        registry: registryOptions,
        ...options,
      })
    }
    const { manifestDigest } = await unpack(`docker://${name}:1`)
    expect(asked.filter((path) => path.startsWith('blobs')).length).toBe(3)
    await unpack(`docker://${name}:1`)
    expect(asked.filter((path) => path !== 'v2/')).toEqual(['manifests/1'])
    await unpack(`docker://${name}:1`, { pull: 'missing' })
    expect(asked).toEqual([])
    await unpack(`docker://${name}@${manifestDigest}`)
    // The config; layers are known by it.
    expect(asked.filter((path) => path.startsWith('blobs/')).length).toBe(1)
    await unpack(`docker://${name}@${manifestDigest}`)
    expect(asked).toEqual([])
  },
)
