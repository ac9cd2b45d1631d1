/** Images of buildah and Debian packages, unpacked here and by umoci, are the same down to the nanosecond. */
import { chmodSync, chownSync, createWriteStream, mkdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { beforeAll, expect, test } from 'vitest'
import { openStore, unpackImage } from '../../src/node.ts'
import { describeReference, run } from '../support/reference.ts'
import { temporaryFolder } from '../support/temporary.ts'
import { asUser, bundledUnpack, USER } from './as-user.ts'
import { makeBuildahImages } from './buildah-images.ts'
import { listing } from './listing.ts'

const programs = ['buildah', 'umoci', 'tar', 'getfattr', 'root'] as const

describeReference(programs, 'images of buildah', () => {
  let folder: string
  let images: Map<string, string>

  beforeAll(() => {
    folder = temporaryFolder('disk')
    for (let path = folder; path !== tmpdir() && path !== '/'; path = dirname(path)) chmodSync(path, 0o755)
    images = makeBuildahImages(folder)
    run('chmod', ['-R', 'a+rX', join(folder, 'layout')])
  })

  test('by root, as tar and through stores are those of umoci', async () => {
    for (const [name, layout] of images) {
      const bundle = join(folder, `umoci-${name}`)
      run('umoci', ['unpack', '--image', layout, bundle])
      const wanted = listing(join(bundle, 'rootfs'))
      expect(Object.keys(wanted).length).toBeGreaterThan(100)
      const out = join(folder, `out-${name}`)
      const { notMade } = await unpackImage(`oci:${layout}`, out)
      expect(listing(out), name).toEqual(wanted)
      expect(notMade).toEqual({ owners: 0, devices: 0, xattrs: 0 })
      const archive = join(folder, 'image.tar')
      await pipeline(unpackImage(`oci:${layout}`, { as: 'tar' }), createWriteStream(archive))
      const extracted = join(folder, `tar-${name}`)
      mkdirSync(extracted)
      run('tar', ['-x', '--xattrs', '--xattrs-include=*', '--numeric-owner', '-p', '-f', archive, '-C', extracted])
      expect(listing(extracted), `${name} as tar`).toEqual(wanted)
      for (const mode of ['bare', 'bare-user', 'bare-user-only', 'archive', 'sqlite'] as const) {
        const store = await openStore(join(folder, `store.${mode}`), mode === 'sqlite' ? {} : { mode })
        await unpackImage(`oci:${layout}`, out, { store, overwrite: true })
        expect(listing(out), `${name} through ${mode}`).toEqual(wanted)
        await store.close()
      }
      for (const path of [bundle, out, extracted]) rmSync(path, { recursive: true })
    }
  })

  test('by a user whose home cannot be written are those of umoci --rootless', () => {
    const home = join(folder, 'user')
    mkdirSync(home)
    chownSync(home, USER, USER)
    const closed = join(folder, 'closed')
    mkdirSync(closed, { mode: 0o555 })
    const program = bundledUnpack()
    for (const [name, layout] of images) {
      asUser(['umoci', 'unpack', '--rootless', '--image', layout, join(home, `umoci-${name}`)], closed)
      const out = join(home, `ours-${name}`)
      asUser([process.execPath, program, `oci:${layout}`, out], closed)
      expect(listing(out), name).toEqual(listing(join(home, `umoci-${name}`, 'rootfs')))
    }
  })
})
