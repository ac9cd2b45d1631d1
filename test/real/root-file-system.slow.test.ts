/**
 * An image of a real root file system in every kind of store, and its files committed by both programs. The tests take
 * minutes, so they share one image, and run programs at the same time where they can.
 */
import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { beforeAll, describe, expect, test, vi } from 'vitest'
import { type MetadataPolicy, parseOstreeImageReference, pullImage } from '../../src/container/index.ts'
import { type Commit, parseChecksum } from '../../src/objects/index.ts'
import { nodePlatform } from '../../src/platform/node.ts'
import { createMemoryStorage, Repo, type RepoMode } from '../../src/repo/index.ts'
import { createRepo, openRepo } from '../../src/repo/local.ts'
import { nodeFiles } from '../../src/system/local-files.ts'
import { describeReference } from '../support/reference.ts'
import { changed, differences, type Inventory, inventory, withoutTimes } from './inventory.ts'
import { makeRealImage, type RealImage, workDirectory } from './root-file-system.ts'
import { start } from './start-program.ts'

// Seconds on a machine that has nothing else to do.
vi.setConfig({ testTimeout: 600_000, hookTimeout: 600_000 })

const PROGRAMS = ['ostree', fileURLToPath(new URL('../../bin/ostree-ts', import.meta.url))] as const
const [ostree, ostreeTs] = PROGRAMS

/** Runs both programs with the same arguments at the same time. */
function both(args: (program: string) => readonly string[]): Promise<[reference: string, ours: string]> {
  return Promise.all([start(ostree, args(ostree)), start(ostreeTs, args(ostreeTs))])
}

interface Store {
  readonly kind: 'memory' | 'SQLite' | 'directory'
  readonly mode: RepoMode
}

/** Stores that keep all metadata of a file. */
const WHOLE: readonly Store[] = [
  { kind: 'memory', mode: 'bare-user' },
  { kind: 'SQLite', mode: 'bare-user' },
  { kind: 'directory', mode: 'archive' },
  { kind: 'directory', mode: 'bare-user' },
  { kind: 'directory', mode: 'bare' },
]
const CANONICAL: readonly Store[] = [
  { kind: 'memory', mode: 'bare-user-only' },
  { kind: 'SQLite', mode: 'bare-user-only' },
  { kind: 'directory', mode: 'bare-user-only' },
]
const DIRECTORIES = [...WHOLE, ...CANONICAL].filter(({ kind }) => kind === 'directory')

/** A directory of which an upper layer changes only the mode. The merge ignores that, as libostree does. */
const KEPT_DIRECTORY = { path: '/usr/lib/git-core', mode: 0o755 }

/** Applies the documented changes: /etc is moved below /usr, and the files of a running system and a host are removed. */
function asStored(image: Inventory): Inventory {
  const stored = new Map(
    Array.from(image, ([path, entry]) => [path.replace(/^\/etc(?=\/|$)/, '/usr/etc'), entry] as const).filter(
      ([path]) => !/^\/(?:dev|proc|run|sys|tmp)\/./.test(path),
    ),
  )
  for (const name of ['/usr/etc/hostname', '/usr/etc/resolv.conf']) {
    if (stored.get(name)?.content.startsWith('e3b0c44298fc')) stored.delete(name)
  }
  return changed(stored, ({ mode }, path) => ({ mode: path === KEPT_DIRECTORY.path ? KEPT_DIRECTORY.mode : mode }))
}

/** Applies the changes of a checkout of a bare-user-only repository: owned by the user, who can read every file. */
function asCanonical(image: Inventory): Inventory {
  return changed(image, ({ type, mode }) => {
    const read = type === 'file' ? 0o400 : 0
    return { mode: (mode & 0o755) | read, uid: 0, gid: 0, xattrs: [] }
  })
}

describeReference(['ostree', 'umoci', 'skopeo', 'debootstrap', 'getfattr', 'tar'], 'a real root file system', () => {
  const work = workDirectory()
  let image: RealImage
  /** What a checkout of the image has to be: the files that umoci unpacks, with the documented changes. */
  let expected: Inventory
  const commits = new Map<Store, Record<MetadataPolicy | 'default', string>>()
  const pathOf = ({ kind, mode }: Store) => `${work}/${mode}${kind === 'SQLite' ? '.sqlite' : ''}`
  const exact = (store: Store) => commits.get(store)?.exact as string

  /** Pulls the image with each metadata policy, under the name of the policy. */
  async function pull(store: Store): Promise<void> {
    const { kind, mode } = store
    const repo =
      kind === 'memory'
        ? await Repo.open(createMemoryStorage({ mode, platform: nodePlatform }), nodePlatform)
        : await createRepo(pathOf(store), { mode })
    const source = parseOstreeImageReference(`ostree-unverified-image:oci:${image.layout}:real`)
    const merge = async (metadata: MetadataPolicy | undefined) => {
      const target = { ...source, imgref: { ...source.imgref, name: metadata ?? 'default' } }
      const options = { metadata, target, files: nodeFiles, host: { architecture: 'amd64', os: 'linux' } }
      return (await pullImage(repo, source, options)).mergeCommit
    }
    commits.set(store, { exact: await merge('exact'), compat: await merge('compat'), default: await merge(undefined) })
    await repo.close()
  }

  /** Checks out with both programs and compares the directories. @returns the list of the checkout */
  async function checkOut(store: Store, options: readonly string[]): Promise<Inventory> {
    const targets = [`${work}/checkout-1`, `${work}/checkout-2`] as const
    const since = Math.floor(Date.now() / 1000)
    const to = (program: string) => targets[program === ostree ? 0 : 1]
    await both((program) => ['checkout', `--repo=${pathOf(store)}`, ...options, exact(store), to(program)])
    const [reference, ours] = [await inventory(targets[0], since), await inventory(targets[1], since)]
    for (const target of targets) rmSync(target, { recursive: true })
    expect(differences(ours, reference)).toEqual([])
    return ours
  }

  beforeAll(async () => {
    image = await makeRealImage(work)
    expected = withoutTimes(asStored(await inventory(image.unpacked)))
  })

  test('the image has more than 10,000 files, with capabilities, xattrs, owners and modes', () => {
    expect([...expected.values()].filter(({ type }) => type !== 'directory').length).toBeGreaterThan(10_000)
    expect(expected.get('/usr/bin/perl')?.xattrs.join()).toMatch(/^security.capability=0x/)
    expect(expected.get('/usr/lib')?.xattrs.join()).toMatch(/^user.origin=0x/)
    expect(expected.get('/opt/app')).toMatchObject({ uid: 1000, mode: 0o2775 })
    expect(expected.get('/opt/app/one')).toMatchObject({ uid: 1000, gid: 1000, mode: 0o4755 })
    expect(expected.get('/opt/app/empty')).toMatchObject({ uid: 1000, mode: 0o4750 })
    expect(expected.get('/usr/share/zoneinfo/Africa')).toMatchObject({ type: 'file' })
    expect(expected.get('/usr/share/zoneinfo/America')).toEqual(expected.get('/usr/share/zoneinfo/Africa'))
    expect(expected.get('/usr/share/zoneinfo/Asia')).toMatchObject({ type: 'symlink' })
    expect(expected.get('/usr/share/zoneinfo/UTC')).toMatchObject({ type: 'directory' })
  })

  test.each([...WHOLE, ...CANONICAL])('the image is pulled into a store: $kind, $mode', pull)

  const distinct = (stores: readonly Store[], policy: MetadataPolicy | 'default') =>
    new Set(stores.map((store) => commits.get(store)?.[policy]))

  test('each policy gives the same commit in every store that keeps all metadata', () => {
    expect(distinct(WHOLE, 'exact').size).toBe(1)
    expect(distinct(WHOLE, 'compat').size).toBe(1)
    expect(distinct(WHOLE, 'exact')).not.toEqual(distinct(WHOLE, 'compat'))
  })

  // These stores do not keep owners, xattrs and modes beyond 0755, so the policy does not make a difference.
  test('every policy gives the same commit in every store of mode bare-user-only', () => {
    const all = CANONICAL.flatMap((store) => Object.values(commits.get(store) ?? {}))
    expect(all.length).toBe(9)
    expect(new Set(all).size).toBe(1)
    expect(distinct(WHOLE, 'exact')).not.toContain(all[0])
    expect(distinct(WHOLE, 'compat')).not.toContain(all[0])
  })

  // ostree-ext keeps all metadata of a merge only in bare repositories.
  test('the default policy is exact in bare repositories and compat in others', () => {
    for (const store of WHOLE) {
      const { exact, compat, default: byDefault } = commits.get(store) as Record<string, string>
      expect(byDefault).toBe(store.mode === 'bare' ? exact : compat)
    }
  })

  /** Pulls the image with the command into a new store. @returns the commit */
  async function pulledByCommand(name: string, imgref: string): Promise<Commit> {
    const path = `${work}/${name}.sqlite`
    const file = `${work}/${name}.commit`
    const output = [`--ostree-digestfile=${file}`, '--quiet']
    await start(ostreeTs, ['container', 'image', 'pull', '--metadata=exact', ...output, path, imgref])
    const repo = await openRepo(path)
    const commit = await repo.readCommit(parseChecksum(readFileSync(file, 'utf8')))
    await repo.close()
    rmSync(path)
    return commit
  }

  test('the command pulls the same commit from a layout and an oci-archive, and the same tree from a docker-archive', async () => {
    const layout = await pulledByCommand('layout', `oci:${image.layout}:real`)
    const store = WHOLE.find(({ kind }) => kind === 'SQLite') as Store
    const repo = await openRepo(pathOf(store))
    expect(layout).toEqual(await repo.readCommit(parseChecksum(exact(store))))
    await repo.close()

    for (const transport of ['oci-archive', 'docker-archive']) {
      const archive = `${transport}:${work}/${transport}.tar:real:1`
      await start('skopeo', ['copy', '--quiet', `oci:${image.layout}:real`, archive])
      const commit = await pulledByCommand(transport, archive)
      // A docker-archive does not have a manifest, so one is made for its uncompressed layers.
      if (transport === 'docker-archive') expect(commit).toEqual({ ...layout, metadata: commit.metadata })
      else expect(commit).toEqual(layout)
      rmSync(`${work}/${transport}.tar`)
    }
  })

  test.each(DIRECTORIES)('both programs find no errors in a directory of mode $mode', async (store) => {
    const [reference, ours] = await both(() => ['fsck', `--repo=${pathOf(store)}`])
    expect(reference).toContain('no errors found')
    // The progress is printed once a second, so its lines may differ.
    const lasting = (text: string) => text.replace(/^fsck objects .* (?!100%)\d+%\n/gm, '')
    expect(lasting(ours)).toBe(lasting(reference))
  })

  test.each(DIRECTORIES)('both programs list the same files in a directory of mode $mode', async (store) => {
    const [reference, ours] = await both(() => ['ls', `--repo=${pathOf(store)}`, '-R', '-C', '-X', exact(store)])
    expect(reference.split('\n').length).toBeGreaterThan(10_000)
    expect(ours === reference || firstDifference(ours, reference)).toBe(true)
  })

  test.each(['archive', 'bare'])('both programs check out what umoci unpacks from mode %s', async (mode) => {
    const store = DIRECTORIES.find((store) => store.mode === mode) as Store
    expect(differences(withoutTimes(await checkOut(store, [])), expected)).toEqual([])
  })

  test('both programs check out what umoci unpacks from mode bare-user-only, except for owners, xattrs and modes', async () => {
    const store = DIRECTORIES.find(({ mode }) => mode === 'bare-user-only') as Store
    expect(differences(withoutTimes(await checkOut(store, ['-U'])), asCanonical(expected))).toEqual([])
  })

  // A checkout by a user ignores owners and xattrs. From bare-user, files are hard links to those of the repository.
  test.each(['archive', 'bare-user'])(
    'both programs check out the same files for a user from mode %s',
    async (mode) => {
      const store = DIRECTORIES.find((store) => store.mode === mode) as Store
      const plain = (all: Inventory) => changed(all, () => ({ mtime: 0, mode: 0, uid: 0, gid: 0, xattrs: [] }))
      expect(differences(plain(await checkOut(store, ['-U'])), plain(expected))).toEqual([])
    },
  )

  test('the command checks out what umoci unpacks from an SQLite file', async () => {
    const target = `${work}/checkout`
    const store = WHOLE.find(({ kind }) => kind === 'SQLite') as Store
    await start(ostreeTs, ['checkout', `--repo=${pathOf(store)}`, exact(store), target])
    expect(differences(withoutTimes(await inventory(target)), expected)).toEqual([])
  })

  describe('commits by both programs', () => {
    const COMMIT = ['--branch=twin', '--timestamp=@1700000000', '--subject=twin']
    let count = 0

    /** Commits with both programs and compares the repositories. @returns the checksum of the commit */
    async function commitWithBoth(mode: RepoMode, ...options: string[]): Promise<string> {
      const repos = [`${work}/twin-${++count}`, `${work}/twin-${++count}`] as const
      const repoOf = (program: string) => `--repo=${repos[program === ostree ? 0 : 1]}`
      await both((program) => ['init', repoOf(program), `--mode=${mode}`])
      await both((program) => ['config', repoOf(program), 'set', 'core.fsync', 'false'])
      await both((program) => ['config', repoOf(program), 'set', 'archive.zlib-level', '1'])
      const [reference, ours] = await both((program) => ['commit', repoOf(program), ...COMMIT, ...options])
      expect(ours).toBe(reference)
      expect(objectsOf(repos[1])).toEqual(objectsOf(repos[0]))
      if (mode === 'archive') expect(await start(ostree, ['fsck', `--repo=${repos[1]}`])).toContain('no errors found')
      for (const repo of repos) rmSync(repo, { recursive: true })
      return ours.trim()
    }
    const directory = () => `--tree=dir=${image.unpacked}`
    const archive = () => `--tree=tar=${work}/unpacked.tar`

    beforeAll(async () => {
      await start('tar', [
        '--xattrs',
        '--xattrs-include=*',
        '--sort=name',
        '-C',
        image.unpacked,
        '-cf',
        `${work}/unpacked.tar`,
        '.',
      ])
    })

    test('both programs make the same commit of the directory and of a tar of it', async () => {
      expect(await commitWithBoth('archive', directory())).toBe(await commitWithBoth('archive', archive()))
    })

    test('both programs make the same commit of the directory and of a tar of it in mode bare-user-only', async () => {
      expect(await commitWithBoth('bare-user-only', directory())).toBe(
        await commitWithBoth('bare-user-only', archive()),
      )
    })

    test('both programs make the same commit with other owners, canonical permissions, or no xattrs', async () => {
      const ways = [['--owner-uid=0', '--owner-gid=0'], ['--canonical-permissions'], ['--no-xattrs']]
      const made = new Set<string>()
      for (const options of ways) made.add(await commitWithBoth('bare-user', directory(), ...options))
      expect(made.size).toBe(ways.length)
    })
  })
})

/** Lists the names of the objects in a repository directory. */
function objectsOf(repo: string): string[] {
  const folders = readdirSync(`${repo}/objects`).sort()
  return folders.flatMap((folder) =>
    readdirSync(`${repo}/objects/${folder}`)
      .map((name) => folder + name)
      .sort(),
  )
}

/** Describes the first line in which two long texts differ. */
function firstDifference(actual: string, expected: string): string {
  const [a, b] = [actual.split('\n'), expected.split('\n')]
  const line = a.findIndex((text, i) => text !== b[i])
  return `line ${line + 1}\n  is        ${a[line]}\n  should be ${b[line]}`
}
