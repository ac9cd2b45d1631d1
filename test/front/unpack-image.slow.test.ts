/** Images unpacked here and by umoci are the same, down to the nanosecond. */
import { chmodSync, chownSync, createWriteStream, mkdirSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { beforeAll, expect, test } from 'vitest'
import { equalBytes } from '../../src/bytes.ts'
import { fsck, type ImageStore, type OpenStoreOptions, openStore, unpackImage } from '../../src/node.ts'
import type { LocalFiles } from '../../src/platform/index.ts'
import { collect } from '../container/tar-kit.ts'
import { describeReference, run } from '../support/reference.ts'
import { temporaryFolder } from '../support/temporary.ts'
import { asUser, bundledUnpack, USER } from './as-user.ts'
import { type ImageCase, makeImages } from './image-cases.ts'
import { listing } from './listing.ts'

const missing = (): never => {
  throw new Error('a file of the image is read')
}
/** Access to no file at all. */
const NO_FILES: LocalFiles = { stat: missing, stream: missing, read: missing, join }

let folder: string
let images: ImageCase[]

describeReference(['umoci', 'skopeo', 'tar', 'root'], 'images unpacked', () => {
  beforeAll(async () => {
    // On a disk, since other users have to reach it, and devices and all attributes have to be possible.
    folder = temporaryFolder('disk')
    for (let path = folder; path !== tmpdir() && path !== '/'; path = dirname(path)) chmodSync(path, 0o755)
    images = await makeImages(folder)
  })

  test('by root are those of umoci', async () => {
    expect(images.length).toBeGreaterThan(10)
    for (const [i, { name, layout, reference }] of images.entries()) {
      const bundle = join(folder, `umoci-${i}`)
      run('umoci', ['unpack', '--image', layout, bundle])
      const { notMade } = await unpackImage(reference, join(folder, `root-${i}`))
      expect(listing(join(folder, `root-${i}`)), name).toEqual(listing(join(bundle, 'rootfs')))
      expect(notMade, name).toEqual({ owners: 0, devices: 0, xattrs: name === 'xattrs' ? 1 : 0 })
    }
  })

  test.each<[string, OpenStoreOptions]>([
    ['store.sqlite', {}],
    ['archive', {}],
    ['bare-user', { mode: 'bare-user' }],
    ['bare-user-only', { mode: 'bare-user-only' }],
    ['bare', { mode: 'bare' }],
  ])('through a store (%s) are the same, and need nothing but the store the next time', async (name, how) => {
    await using store = await openStore(join(folder, name), how)
    for (const [i, { name: image, reference }] of images.entries()) {
      const wanted = listing(join(folder, `root-${i}`))
      const out = join(folder, `${name}-${i}`)
      const { notMade, linked } = await unpackImage(reference, out, { store })
      expect(listing(out), image).toEqual(wanted)
      expect([notMade.owners, notMade.devices, linked], image).toEqual([0, 0, 0])
      await unpackImage(reference, out, { store, overwrite: true, pull: 'missing', files: NO_FILES })
      expect(listing(out), image).toEqual(wanted)
      const tar = await collect(unpackImage(reference, { as: 'tar' }, { store }))
      const plain = await unpackImage(reference, { as: 'memory' })
      expect(equalBytes(tar, await collect(plain.tar())), image).toBe(true)
      if (name === 'bare') await testLinks(store, reference, out, wanted)
    }
    expect(await fsck(store.repo)).toMatchObject({ damaged: 0, partial: 0 })
    expect(await store.unpacked()).toEqual([...new Set(images.map(({ reference }) => reference))].sort())
  })

  test('by a user without privileges and with a home that cannot be written are those of umoci --rootless', async () => {
    const home = join(folder, 'user')
    mkdirSync(home)
    chownSync(home, USER, USER)
    const closed = join(folder, 'closed')
    mkdirSync(closed, { mode: 0o555 })
    const program = bundledUnpack()
    for (const [i, { name, layout, reference }] of images.entries()) {
      asUser(['umoci', 'unpack', '--rootless', '--image', layout, join(home, `umoci-${i}`)], closed)
      const out = join(home, `ours-${i}`)
      const result = JSON.parse(asUser([process.execPath, program, reference, out], closed))
      expect(listing(out), name).toEqual(listing(join(home, `umoci-${i}`, 'rootfs')))
      if (name === 'devices') expect(result.devices).toBe(3)
      if (name === 'base') expect(result).toEqual({ owners: 3, devices: 0, xattrs: 0 })
      if (name === 'xattrs') expect(result).toEqual({ owners: 2, devices: 0, xattrs: 3 })
    }
  })

  test('as tar are the same through GNU tar', async () => {
    for (const [i, { name, reference }] of images.entries()) {
      const archive = join(folder, `${i}.tar`)
      await pipeline(unpackImage(reference, { as: 'tar' }), createWriteStream(archive))
      const inMemory = await unpackImage(reference, { as: 'memory' })
      expect(equalBytes(await collect(inMemory.tar()), readFileSync(archive)), name).toBe(true)
      const out = join(folder, `tar-${i}`)
      mkdirSync(out)
      const how = ['--xattrs', '--xattrs-include=*', '--numeric-owner', '-p']
      run('tar', ['-x', ...how, '-f', archive, '-C', out])
      const wanted = listing(join(folder, `root-${i}`))
      const labelled = name === 'xattrs' ? ['./srv/labelled'] : []
      expect(without(listing(out), labelled), name).toEqual(without(wanted, labelled))
    }
  })
})

/** Unpacks with hard links and shared blocks, and compares all that such files have of their own. */
async function testLinks(
  store: ImageStore,
  reference: string,
  out: string,
  wanted: Record<string, string>,
): Promise<void> {
  await unpackImage(reference, out, { store, overwrite: true, link: 'reflink' })
  expect(listing(out)).toEqual(wanted)
  const { linked } = await unpackImage(reference, out, { store, overwrite: true, link: 'hard' })
  expect(linked).toBeGreaterThan(2)
  const found = listing(out)
  expect(Object.keys(found)).toEqual(Object.keys(wanted))
  for (const [path, line] of Object.entries(found)) {
    const was = (wanted[path] as string).split(' ')
    const now = line.split(' ')
    // Mode, owner and content; time and number of links are those of the object.
    expect([...now.slice(0, 3), now.at(-1)], path).toEqual([...was.slice(0, 3), was.at(-1)])
  }
}

function without(from: Record<string, string>, paths: readonly string[]): Record<string, string> {
  return Object.fromEntries(Object.entries(from).filter(([path]) => !paths.includes(path)))
}
