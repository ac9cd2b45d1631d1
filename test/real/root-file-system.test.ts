/**
 * One image of a real root file system through every kind of store, and the same files committed by both programs. It
 * takes minutes, so that everything is made once and what can run side by side does.
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

/** The same arguments to both programs, at the same time. */
function both(args: (program: string) => readonly string[]): Promise<[reference: string, ours: string]> {
  return Promise.all([start(ostree, args(ostree)), start(ostreeTs, args(ostreeTs))])
}

interface Store {
  readonly kind: 'memory' | 'SQLite' | 'directory'
  readonly mode: RepoMode
}

/** Stores that can hold all metadata of a file. */
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

/** What the overlay makes of a change to nothing but the mode of a directory below: nothing, as in libostree. */
const KEPT_DIRECTORY = { path: '/usr/lib/git-core', mode: 0o755 }

/** What is documented to change: /etc moves below /usr, what a boot fills anew stays empty, and so does a host's name. */
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

/** How a checkout of a bare-user-only repository looks: as its user's own files, each of which that user may read. */
function asCanonical(image: Inventory): Inventory {
  return changed(image, ({ type, mode }) => {
    const read = type === 'file' ? 0o400 : 0
    return { mode: (mode & 0o755) | read, uid: 0, gid: 0, xattrs: [] }
  })
}

describeReference(['ostree', 'umoci', 'skopeo', 'debootstrap', 'getfattr', 'tar'], 'a real root file system', () => {
  const work = workDirectory()
  let image: RealImage
  /** What umoci unpacks of the image, as a checkout of it has to be. */
  let expected: Inventory
  const commits = new Map<Store, Record<MetadataPolicy | 'default', string>>()
  const pathOf = ({ kind, mode }: Store) => `${work}/${mode}${kind === 'SQLite' ? '.sqlite' : ''}`
  const exact = (store: Store) => commits.get(store)?.exact as string

  /** The layers once, the merge by each policy, under a name each. */
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

  /** What both programs check out, after holding the two side by side. */
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

  test('has more than 10,000 files, and among them what is easily lost', () => {
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

  test.each([...WHOLE, ...CANONICAL])('is pulled into $kind, $mode', pull)

  const distinct = (stores: readonly Store[], policy: MetadataPolicy | 'default') =>
    new Set(stores.map((store) => commits.get(store)?.[policy]))

  test('becomes one commit in every store that can hold all its metadata, and another when that is flattened', () => {
    expect(distinct(WHOLE, 'exact').size).toBe(1)
    expect(distinct(WHOLE, 'compat').size).toBe(1)
    expect(distinct(WHOLE, 'exact')).not.toEqual(distinct(WHOLE, 'compat'))
  })

  // Neither owners nor attributes can be there, and modes up to 0755: to have less to flatten makes no difference.
  test('becomes one commit of its own in every bare-user-only store, whatever the policy', () => {
    const all = CANONICAL.flatMap((store) => Object.values(commits.get(store) ?? {}))
    expect(all.length).toBe(9)
    expect(new Set(all).size).toBe(1)
    expect(distinct(WHOLE, 'exact')).not.toContain(all[0])
    expect(distinct(WHOLE, 'compat')).not.toContain(all[0])
  })

  // What the reference has always written there: only its bare repositories keep everything in a merge.
  test('keeps everything by default in bare repositories only', () => {
    for (const store of WHOLE) {
      const { exact, compat, default: byDefault } = commits.get(store) as Record<string, string>
      expect(byDefault).toBe(store.mode === 'bare' ? exact : compat)
    }
  })

  /** By the command, into a store of its own. */
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

  test('is the same commit when the command pulls it, also out of an oci-archive, and the same tree out of a docker-archive', async () => {
    const layout = await pulledByCommand('layout', `oci:${image.layout}:real`)
    const store = WHOLE.find(({ kind }) => kind === 'SQLite') as Store
    const repo = await openRepo(pathOf(store))
    expect(layout).toEqual(await repo.readCommit(parseChecksum(exact(store))))
    await repo.close()

    for (const transport of ['oci-archive', 'docker-archive']) {
      const archive = `${transport}:${work}/${transport}.tar:real:1`
      await start('skopeo', ['copy', '--quiet', `oci:${image.layout}:real`, archive])
      const commit = await pulledByCommand(transport, archive)
      // A docker-archive has no manifest: one is made for it, of uncompressed layers.
      if (transport === 'docker-archive') expect(commit).toEqual({ ...layout, metadata: commit.metadata })
      else expect(commit).toEqual(layout)
      rmSync(`${work}/${transport}.tar`)
    }
  })

  test.each(DIRECTORIES)('is found sound by both programs in $mode', async (store) => {
    const [reference, ours] = await both(() => ['fsck', `--repo=${pathOf(store)}`])
    expect(reference).toContain('no errors found')
    // How far it got is told once a second.
    const lasting = (text: string) => text.replace(/^fsck objects .* (?!100%)\d+%\n/gm, '')
    expect(lasting(ours)).toBe(lasting(reference))
  })

  test.each(DIRECTORIES)('is listed alike by both programs in $mode', async (store) => {
    const [reference, ours] = await both(() => ['ls', `--repo=${pathOf(store)}`, '-R', '-C', '-X', exact(store)])
    expect(reference.split('\n').length).toBeGreaterThan(10_000)
    expect(ours === reference || firstDifference(ours, reference)).toBe(true)
  })

  test.each(['archive', 'bare'])('is checked out alike from %s, as umoci unpacks it', async (mode) => {
    const store = DIRECTORIES.find((store) => store.mode === mode) as Store
    expect(differences(withoutTimes(await checkOut(store, [])), expected)).toEqual([])
  })

  test('is checked out alike from bare-user-only, as umoci unpacks it but for what such a store drops', async () => {
    const store = DIRECTORIES.find(({ mode }) => mode === 'bare-user-only') as Store
    expect(differences(withoutTimes(await checkOut(store, ['-U'])), asCanonical(expected))).toEqual([])
  })

  // Owners and attributes are left out, and files of bare-user are the store's own, with the attribute that keeps them.
  test.each(['archive', 'bare-user'])('is checked out alike by a user from %s', async (mode) => {
    const store = DIRECTORIES.find((store) => store.mode === mode) as Store
    const plain = (all: Inventory) => changed(all, () => ({ mtime: 0, mode: 0, uid: 0, gid: 0, xattrs: [] }))
    expect(differences(plain(await checkOut(store, ['-U'])), plain(expected))).toEqual([])
  })

  test('is checked out of a single file as umoci unpacks it', async () => {
    const target = `${work}/checkout`
    const store = WHOLE.find(({ kind }) => kind === 'SQLite') as Store
    await start(ostreeTs, ['checkout', `--repo=${pathOf(store)}`, exact(store), target])
    expect(differences(withoutTimes(await inventory(target)), expected)).toEqual([])
  })

  describe('unpacked and committed by both programs', () => {
    const COMMIT = ['--branch=twin', '--timestamp=@1700000000', '--subject=twin']
    let count = 0

    /** @returns the commit both made */
    async function twins(mode: RepoMode, ...options: string[]): Promise<string> {
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

    test('are one commit, from the directory and from a tar of it', async () => {
      expect(await twins('archive', directory())).toBe(await twins('archive', archive()))
    })

    test('are one commit in bare-user-only, from the directory and from a tar of it', async () => {
      expect(await twins('bare-user-only', directory())).toBe(await twins('bare-user-only', archive()))
    })

    test('are one commit with other owners, canonical permissions, or no attributes', async () => {
      const ways = [['--owner-uid=0', '--owner-gid=0'], ['--canonical-permissions'], ['--no-xattrs']]
      const made = new Set<string>()
      for (const options of ways) made.add(await twins('bare-user', directory(), ...options))
      expect(made.size).toBe(ways.length)
    })
  })
})

/** Names of the objects in a directory repository. */
function objectsOf(repo: string): string[] {
  const folders = readdirSync(`${repo}/objects`).sort()
  return folders.flatMap((folder) =>
    readdirSync(`${repo}/objects/${folder}`)
      .map((name) => folder + name)
      .sort(),
  )
}

/** The line in which two long texts part. */
function firstDifference(actual: string, expected: string): string {
  const [a, b] = [actual.split('\n'), expected.split('\n')]
  const line = a.findIndex((text, i) => text !== b[i])
  return `line ${line + 1}\n  is        ${a[line]}\n  should be ${b[line]}`
}
