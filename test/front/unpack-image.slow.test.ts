/** Images unpacked here and by umoci are the same, down to the nanosecond. */
import { spawnSync } from 'node:child_process'
import { chmodSync, chownSync, createWriteStream, mkdirSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { beforeAll, expect, test } from 'vitest'
import { equalBytes } from '../../src/bytes.ts'
import { unpackImage } from '../../src/node.ts'
import { collect } from '../container/tar-kit.ts'
import { bundleScript } from '../support/bundle.ts'
import { describeReference, run } from '../support/reference.ts'
import { temporaryFolder } from '../support/temporary.ts'
import { type ImageCase, makeImages } from './image-cases.ts'
import { listing } from './listing.ts'

const USER = 12345

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

  test('by a user without privileges and with a home that cannot be written are those of umoci --rootless', async () => {
    const home = join(folder, 'user')
    mkdirSync(home)
    chownSync(home, USER, USER)
    const closed = join(folder, 'closed')
    mkdirSync(closed, { mode: 0o555 })
    const program = bundled()
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

function without(from: Record<string, string>, paths: readonly string[]): Record<string, string> {
  return Object.fromEntries(Object.entries(from).filter(([path]) => !paths.includes(path)))
}

/** Bundles a program that unpacks an image and prints what it could not make. */
function bundled(): string {
  const script = bundleScript(
    'unpack',
    `import { unpackImage } from './src/node.ts'
const [, , reference = '', target = ''] = process.argv
console.log(JSON.stringify((await unpackImage(reference, target)).notMade))`,
  )
  for (let path = dirname(script); path.includes('node_modules'); path = dirname(path)) chmodSync(path, 0o755)
  return script
}

function asUser(command: readonly string[], home: string): string {
  const ids = [`--reuid=${USER}`, `--regid=${USER}`, '--clear-groups']
  const env = { PATH: process.env['PATH'] ?? '', HOME: home, LC_ALL: 'C.UTF-8' }
  const { status, stdout, stderr } = spawnSync('setpriv', [...ids, '--', ...command], {
    env,
    encoding: 'utf8',
    cwd: '/',
  })
  expect(status, stderr).toBe(0)
  return stdout
}
