import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { Checksum } from '../../../src/bytes.ts'
import {
  compareCommitTrees,
  compareFileInfo,
  createCompareState,
  isCompareStateOk,
  type LayeredImageState,
  listImages,
  parseImageReference,
  parseOstreeImageReference,
  planLayerGc,
  pullImage,
  queryImage,
  refForLayer,
  removeUndeployedImages,
  verifyContainerImage,
} from '../../../src/container/index.ts'
import { overlayLayer } from '../../../src/container/layers/overlay.ts'
import { NO_XATTRS, S_IFREG } from '../../../src/objects/index.ts'
import { nodePlatform } from '../../../src/platform/node.ts'
import { createMemoryStorage, MutableTree, Repo, type RepoMode, writeTree } from '../../../src/repo/index.ts'
import { createRepo, inodeOfObject } from '../../../src/repo/local.ts'
import { type Directory, directory, file, storeTree, symlink } from '../../../src/testing/index.ts'
import { goldenJson } from '../../support/golden.ts'
import { temporaryFolder } from '../../support/temporary.ts'
import { type GoldenImage, goldenImage, sourceOf, withLayers } from '../golden-images.ts'

const HOST = { architecture: 'amd64', os: 'linux' }
const CHUNKED = goldenImage('container/oci-chunked.tar.gz')
const UPDATE = goldenImage('container/oci-chunked-update.tar.gz')
const IMAGE = parseImageReference('oci:/image:1')

interface OneLayerCase {
  allow_nonusr: boolean
  retain_var: boolean
  merge_over_fixture_bare_user_uid0?: { blob_gzip_b64: string }
}
interface LayersCase {
  allow_nonusr: boolean
  retain_var: boolean
  layers: { blob_gzip_b64: string }[]
  merge_over_fixture_bare_user_uid0?: object
}
const one = goldenJson<{ cases: Record<string, OneLayerCase> }>('container/derived-layers.json').cases
const several = goldenJson<{ cases: Record<string, LayersCase> }>('container/derived-layers-2.json').cases

const bytes = (base64: string) => new Uint8Array(Buffer.from(base64, 'base64'))

function memory(mode: RepoMode = 'bare-user'): Promise<Repo> {
  return Repo.open(createMemoryStorage({ mode, platform: nodePlatform }), nodePlatform)
}

async function pulled(repo: Repo, image: GoldenImage, rules = {}, name = 'oci:/image:1'): Promise<LayeredImageState> {
  const options = { host: HOST, open: sourceOf(image), ...rules }
  return pullImage(repo, `ostree-unverified-image:${name}`, options)
}

async function verified(repo: Repo, state: LayeredImageState, verbose = false) {
  const lines: string[] = []
  const onLine = (line: string, stream: string) => lines.push(`${stream}: ${line}`)
  return { ...(await verifyContainerImage(repo, IMAGE, { state, verbose, onLine })), lines }
}

describe('verification of a stored image', () => {
  const cases = [
    ...Object.entries(one).flatMap(([name, { merge_over_fixture_bare_user_uid0: merge, ...rules }]) =>
      merge === undefined ? [] : [[name, [merge.blob_gzip_b64], rules] as const],
    ),
    ...Object.entries(several).flatMap(([name, { merge_over_fixture_bare_user_uid0: merge, layers, ...rules }]) =>
      merge === undefined ? [] : [[name, layers.map((layer) => layer.blob_gzip_b64), rules] as const],
    ),
  ]

  test.each(cases)(
    'an image with the layers of %s passes verification',
    async (_, blobs, { allow_nonusr, retain_var }) => {
      for (const mode of ['bare-user', 'bare'] as const) {
        const repo = await memory(mode)
        const rules = { allowNonusr: allow_nonusr, retainVar: retain_var }
        const state = await pulled(repo, withLayers(CHUNKED, blobs.map(bytes)), rules)
        const { ok, lines, verified: found } = await verified(repo, state)
        const [base] = state.manifest.layers
        expect(lines).toEqual([
          `out: Verifying with base ostree layer ${base && refForLayer(base)}`,
          `out: Image has ${blobs.length} derived layers`,
          `out: OK image oci:/image:1 (verified=${found.size})\n`,
        ])
        expect(ok).toBe(true)
      }
    },
  )

  test('an image without an OSTree base passes verification', async () => {
    const repo = await memory()
    const { ok, lines } = await verified(repo, await pulled(repo, goldenImage('container/oci-nonostree.tar.gz')))
    expect(ok).toBe(true)
    expect(lines[0]).toBe('out: Image has 1 derived layers')
  })

  test('an image with the merge commit of another one fails, and the verbose output lists the paths', async () => {
    const repo = await memory()
    const state = await pulled(repo, CHUNKED)
    const other = await pulled(repo, UPDATE, {}, 'oci:/image:2')
    const wrong = { ...state, mergeCommit: other.mergeCommit }
    const { ok, lines, verified: found, unknownCorrupted } = await verified(repo, wrong, true)
    expect(ok).toBe(false)
    expect([...unknownCorrupted]).toEqual(['/usr/bin/bash'])
    expect(lines.slice(2)).toEqual([
      'err: warning: Found corrupted merge commit',
      'err:   inode clashes: 0',
      'err:   unknown:       1',
      `err:   ok:            ${found.size}`,
      'err: Mismatches:',
      'err:   other: /usr/bin/bash',
      'err: ',
    ])
    const collided = await verifyContainerImage(repo, IMAGE, { state: wrong, isColliding: () => true })
    expect([...collided.inodeCorrupted]).toEqual(['/usr/bin/bash'])
  })

  test('an image without the ref of a derived layer cannot be verified', async () => {
    const repo = await memory()
    const state = await pulled(
      repo,
      withLayers(CHUNKED, [bytes(one['simple']?.merge_over_fixture_bare_user_uid0?.blob_gzip_b64 ?? '')]),
    )
    const top = state.manifest.layers.at(-1)
    const ref = top === undefined ? '' : refForLayer(top)
    await repo.setRef(ref, undefined)
    await expect(verified(repo, state)).rejects.toThrow(`Verifying container image state: Missing layer ${ref}`)
  })
})

const OTHER = {
  header: { uid: 0, gid: 0, mode: S_IFREG | 0o644, target: '', xattrs: NO_XATTRS },
  size: 1,
  body: new Uint8Array(1),
}

test('inodeOfObject returns the inode in a directory repository, and fails for other stores', async () => {
  const folder = temporaryFolder('disk')
  try {
    await using repo = await createRepo(join(folder, 'repo'), { mode: 'archive' })
    const written = await repo.transaction(async (tx) => tx.writeFile(OTHER))
    expect(inodeOfObject(repo, written)).toBeGreaterThan(0n)
    const missing = '0'.repeat(64) as Checksum
    expect(() => inodeOfObject(repo, missing)).toThrow(`Querying object inode: Couldn't find file object '${missing}'`)
    const other = await memory()
    expect(() => inodeOfObject(other, written)).toThrow(/^Querying object inode: Objects of memory/)
  } finally {
  }
})

describe('the comparison of trees', () => {
  const base = directory({
    usr: directory({
      bin: directory({ a: file('a'), b: file('b'), c: symlink('a') }),
      etc: directory({ hostname: file() }),
    }),
  })

  async function compare(target: Directory, expected: Directory, exact: boolean) {
    const repo = await memory('bare')
    const missing: string[] = []
    const state = createCompareState()
    await repo.transaction(async (tx) => {
      const there = await storeTree(tx, target)
      const wanted = await storeTree(tx, expected)
      const onMissing = (path: string) => missing.push(path)
      await compareCommitTrees(tx, there, wanted, state, { exact, onMissing })
    })
    return { ...state, ok: isCompareStateOk(state), missing }
  }

  test('the comparison finds missing paths at every depth, and ignores added ones', async () => {
    const target = directory({
      more: directory({ x: file() }),
      usr: directory({ bin: directory({ a: file('a'), new: file() }), etc: directory() }),
    })
    const { ok, missing, verified: found, unknownCorrupted } = await compare(target, base, true)
    expect(ok).toBe(false)
    expect(missing).toEqual(['/usr/bin/b', '/usr/bin/c'])
    expect([...unknownCorrupted]).toEqual(missing)
    expect([...found]).toEqual(['/usr/bin/a'])
    expect((await compare(directory(), base, true)).missing).toEqual(['/usr'])
  })

  test('an exact comparison finds changed content, another one only changed size, owner and mode', async () => {
    const bin = (...files: [string, ReturnType<typeof file>][]) => directory(Object.fromEntries(files))
    const wanted = bin(['a', file('a')])
    expect((await compare(bin(['a', file('z')]), wanted, true)).ok).toBe(false)
    expect((await compare(bin(['a', file('z')]), wanted, false)).ok).toBe(true)
    for (const other of [file('aa'), file('a', { mode: 0o600 }), file('a', { uid: 1 }), file('a', { gid: 1 })]) {
      expect((await compare(bin(['a', other]), wanted, false)).ok).toBe(false)
    }
  })

  test.each<[string, Directory]>([
    ['a whiteout', directory({ usr: directory({ '.wh.bin': file() }) })],
    ['an opaque directory', directory({ usr: directory({ bin: directory({ '.wh..wh..opq': file() }) }) })],
    ['a file in place of the directory', directory({ usr: directory({ bin: file('x') }) })],
    [
      'a directory in place of a file',
      directory({ usr: directory({ bin: directory({ b: directory(), '.wh.a': file(), c: file() }) }) }),
    ],
  ])('paths hidden by %s in an upper layer do not count as missing, and other damage does', async (_, layer) => {
    const repo = await memory('bare')
    await repo.transaction(async (tx) => {
      const [wanted, upper] = [await storeTree(tx, base), await storeTree(tx, layer)]
      const merged = MutableTree.from(tx, wanted)
      await overlayLayer(merged, tx, upper)
      const options = { exact: true, above: [upper.tree] }
      const sound = createCompareState()
      await compareCommitTrees(tx, await writeTree(tx, merged), wanted, sound, options)
      expect(isCompareStateOk(sound)).toBe(true)
      expect([...sound.verified].every((path) => path === '/usr/etc/hostname' || path.startsWith('/usr/bin/'))).toBe(
        true,
      )

      await merged.loadAll()
      merged.dirs
        .get('usr')
        ?.dirs.get('etc')
        ?.replaceFile('hostname', await tx.writeFile(OTHER))
      const damaged = createCompareState()
      await compareCommitTrees(tx, await writeTree(tx, merged), wanted, damaged, options)
      expect([...damaged.unknownCorrupted]).toEqual(['/usr/etc/hostname'])
    })
  })

  test('the comparison does not expect whiteouts, nor files that they delete', async () => {
    const layer = directory({ '.wh.gone': file(), '-dash': file('x'), '.wh.-dash': file(), kept: file('k') })
    const { ok, verified: found } = await compare(directory({ kept: file('k') }), layer, false)
    expect(ok).toBe(true)
    expect([...found]).toEqual(['/kept'])
  })

  test('compareFileInfo compares type, size, owner and mode', () => {
    const info = (fields: object, size = 1) => ({
      header: { uid: 0, gid: 0, mode: S_IFREG | 0o644, target: '', xattrs: NO_XATTRS, ...fields },
      size,
    })
    expect(compareFileInfo(info({}), info({}))).toBe(true)
    expect(compareFileInfo(info({}), info({ mode: 0o120644 }))).toBe(false)
    expect(compareFileInfo(info({}), info({}, 2))).toBe(false)
  })
})

describe('the collection of layers', () => {
  test('the plan of a collection lists unneeded layers, and the images that need the others', async () => {
    const repo = await memory()
    const state = await pulled(repo, CHUNKED)
    await pulled(repo, UPDATE, {}, 'oci:/image:2')
    const all = await planLayerGc(repo)
    expect(all.unneeded).toEqual([])
    expect(all.kept).toHaveLength(5)
    const shared = all.kept.filter(({ neededBy }) => neededBy.length === 2)
    expect(shared.map(({ neededBy }) => neededBy)).toEqual([['oci:/image:1', 'oci:/image:2']])

    await repo.setRef('ostree/0/1/0', state.mergeCommit)
    const { unneeded } = await planLayerGc(repo, { without: [IMAGE] })
    expect(unneeded).toEqual([])
    await repo.setRef('ostree/0/1/0', undefined)
    const later = await planLayerGc(repo, { without: [IMAGE] })
    expect(later.unneeded).toHaveLength(2)
    const sizes = new Map(state.manifest.layers.map(({ digest, size }) => [digest as string, size]))
    for (const { digest, size } of later.unneeded) expect(size).toBe(sizes.get(digest))
    expect(later.kept.every(({ neededBy }) => neededBy.join() === 'oci:/image:2')).toBe(true)
    expect(await queryImage(repo, IMAGE)).toBeDefined()
  })

  test('the collection fails on an unreadable stored image, as its layers are unknown', async () => {
    const repo = await memory()
    const state = await pulled(repo, CHUNKED)
    await repo.setRef('ostree/container/image/nocolon', state.mergeCommit)
    await expect(planLayerGc(repo)).rejects.toThrow(
      "Pruning image layers: Reading ref ostree/container/image/nocolon: Missing ':' in nocolon",
    )
    await repo.setRef('ostree/container/image/nocolon', undefined)
    await repo.setRef('ostree/container/image/oci_3A_x', state.baseCommit)
    await expect(planLayerGc(repo)).rejects.toThrow(
      'Pruning image layers: Reading image oci:x: Reading manifest data from commit',
    )
  })

  test('the collection removes a second ref with another spelling of a digest', async () => {
    const repo = await memory()
    const { manifest } = await pulled(repo, CHUNKED)
    const ref = manifest.layers[0] === undefined ? '' : refForLayer(manifest.layers[0])
    await repo.setRef(ref.replace('_3A_', '_3a_'), (await repo.resolve(ref)) as Checksum)
    expect((await planLayerGc(repo)).unneeded.map(({ ref }) => ref)).toEqual([ref.replace('_3A_', '_3a_')])
  })

  test('removeUndeployedImages removes images without a deployment, and skips invalid origins', async () => {
    const repo = await memory()
    await pulled(repo, CHUNKED)
    await pulled(repo, CHUNKED, {}, 'oci:/image:2')
    const origins = ['ostree-unverified-image:oci:/image:2', 'fedora:fedora/x86_64']
    expect(await removeUndeployedImages(repo, origins)).toEqual([IMAGE])
    expect(await listImages(repo)).toEqual(['oci:/image:2'])
    expect(parseOstreeImageReference(origins[0] ?? '').imgref.name).toBe('/image:2')
  })
})
