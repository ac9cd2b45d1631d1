/** Tests of importing commits and files from tar streams into every store. */
import { gunzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { type Checksum, equalBytes } from '../../../src/bytes.ts'
import { mapPath, unmapPath } from '../../../src/container/encapsulate/layer-tar.ts'
import { exportCommit, importOstreeTar } from '../../../src/container/index.ts'
import { importOstreeTarObjects } from '../../../src/container/ostree-tar/tar-import.ts'
import { splitImageName } from '../../../src/container/transport/oci-layout.ts'
import { directory, file, storeCommit, symlink } from '../../../src/testing/index.ts'
import { BACKENDS, describeWith, MODES, testRepos } from '../../support/backends.ts'
import { goldenJson } from '../../support/golden.ts'
import { FIXTURE_TAR, GOLDEN } from '../encapsulate/kit.ts'
import { goldenImage } from '../golden-images.ts'
import { collect, entriesOf, memoryRepo, once } from '../tar-kit.ts'

interface BaseImport {
  readonly layers: readonly { readonly kind: string; readonly digest: string; readonly commit: Checksum }[]
}
const { base_import: base } = goldenJson<{ base_import: BaseImport }>('container/derived-layers.json')
const places = testRepos()

async function plainCommit(): Promise<{ tar: Uint8Array; commit: Checksum }> {
  const repo = await memoryRepo()
  const tree = directory({ usr: directory({ a: file('1', { mode: 0o4755, uid: 7 }), l: symlink('a') }), e: file() })
  const commit = await repo.transaction((tx) => storeCommit(tx, tree))
  return { tar: await collect(exportCommit(repo, commit)), commit }
}

for (const place of BACKENDS) {
  // bare-user-only cannot store the modes and xattrs of the fixture.
  for (const mode of MODES.filter((mode) => mode !== 'bare-user-only')) {
    describeWith(place, mode, `a commit stream in ${place.name}, mode ${mode}`, () => {
      test('a commit is exported and imported as the same commit, and exported again as the same stream (case E4)', async () => {
        // The kernel rejects the malformed file capability of the fixture.
        const isReal = place.store === 'directory' && mode === 'bare'
        const { tar, commit } = isReal ? await plainCommit() : { tar: FIXTURE_TAR, commit: GOLDEN.commit }
        const first = await places.create(place, mode)
        expect(await importOstreeTar(first, once(tar))).toBe(commit)
        expect(await first.commitState(commit)).toBe('complete')
        const second = await places.create(place, mode)
        expect(await importOstreeTar(second, exportCommit(first, commit))).toBe(commit)
        expect(equalBytes(await collect(exportCommit(second, commit)), tar)).toBe(true)
      })
    })
  }
}

describe('a tar stream', () => {
  test('the stream of a chunk gives the commit that lists its files (case E7)', async () => {
    const { blobs } = goldenImage('container/oci-chunked.tar.gz')
    for (const { kind, digest, commit } of base.layers) {
      if (kind !== 'chunk') continue
      const repo = await memoryRepo()
      const tar = new Uint8Array(gunzipSync(blobs.get(digest) as Uint8Array))
      expect(await importOstreeTarObjects(repo, once(tar))).toBe(commit)
      expect(await repo.objects.has({ checksum: commit, type: 'commit' })).toBe(true)
    }
    expect(base.layers.at(-1)?.commit).toMatch(/^6109d33e/)
  })

  test('the stream of a commit is rejected as a chunk (case E8)', async () => {
    await expect(importOstreeTarObjects(await memoryRepo(), once(FIXTURE_TAR))).rejects.toThrow(
      `Importing: Importing object sysroot/ostree/repo/objects/61`,
    )
    await expect(importOstreeTarObjects(await memoryRepo(), once(FIXTURE_TAR))).rejects.toThrow('in object set mode')
  })

  test('a stream that lacks objects of its commit is rejected', async () => {
    const tar = new Uint8Array(
      gunzipSync([...goldenImage('container/oci-chunked.tar.gz').blobs.values()].find(isCommitLayer) ?? ''),
    )
    const repo = await memoryRepo()
    await expect(importOstreeTar(repo, once(tar))).rejects.toMatchObject({ code: 'not-found' })
    expect(await repo.objects.has({ checksum: GOLDEN.commit, type: 'commit' })).toBe(false)
  })
})

function isCommitLayer(blob: Uint8Array): boolean {
  return blob[0] === 0x1f && entriesOf(gunzipSync(blob)).some(({ path }) => path.endsWith('.commit'))
}

describe('names in streams', () => {
  test.each([
    ['./usr/etc/blah', './etc/blah'],
    ['usr/etc', 'etc'],
    ['usr/etc/foo', 'etc/foo'],
    ['boot', 'boot'],
    ['usr/bin', 'usr/bin'],
    ['usr/etcetera', 'usr/etcetera'],
  ])('the path %s is exported as %s (case C14)', (path, mapped) => {
    expect(mapPath(path)).toBe(mapped)
  })

  test.each([
    ['etc/blah', 'usr/etc/blah'],
    ['etc', 'usr/etc'],
    ['/etc', '/etc'],
    ['etcetera', 'etcetera'],
  ])('the path %s is looked up as %s (case C14)', (path, unmapped) => {
    expect(unmapPath(path)).toBe(unmapped)
  })

  test.each([
    ['/foo/bar', '/foo/bar', undefined],
    ['/foo/bar:baz', '/foo/bar', 'baz'],
    ['/foo/bar:baz:latest', '/foo/bar', 'baz:latest'],
  ])('the name %s is split into layout and tag (case C3)', (name, path, image) => {
    expect(splitImageName(name)).toEqual({ path, image })
  })

  test.each(['a//b', 'a/./b', './a/', '/', 'x'.repeat(120), `${'y/'.repeat(60)}/z`])(
    'the target %s of a symbolic link is unchanged in a stream (case C13)',
    async (target) => {
      const repo = await memoryRepo()
      const commit = await repo.transaction((tx) => storeCommit(tx, directory({ link: symlink(target) })))
      const tar = await collect(exportCommit(repo, commit))
      expect(entriesOf(tar).find(({ type }) => type === 'symlink')?.linkPath).toBe(target)
      expect(await importOstreeTar(await memoryRepo(), once(tar))).toBe(commit)
    },
  )
})
