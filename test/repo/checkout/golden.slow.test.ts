/** The checkouts of test/golden/core/checkouts.json, which ostree made, made again from the same repositories. */
import { createHash } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { OstreeError } from '../../../src/errors.ts'
import type { MetaType } from '../../../src/objects/index.ts'
import type { Platform } from '../../../src/platform/index.ts'
import {
  type CheckoutOptions,
  checkout,
  commit,
  type OverwriteMode,
  type Repo,
  skipListFilter,
} from '../../../src/repo/index.ts'
import { parseSkipList } from '../../../src/repo/internal.ts'
import {
  createCheckoutTarget,
  createDirectorySource,
  createRepo,
  createUncompressedCache,
  openRepo,
} from '../../../src/repo/local.ts'
import { BACKENDS, MODES, testRepos } from '../../support/backends.ts'
import { type DiskEntry, describeDisk, type RepoFile, writeRepoFiles } from '../../support/disk.ts'
import { goldenJson } from '../../support/golden.ts'
import { isRoot } from '../../support/machine.ts'

interface Case {
  readonly mode: string
  readonly case: string
  readonly argv: readonly string[]
  readonly rc: number
  readonly stderr: string
  readonly tree: readonly DiskEntry[]
  readonly prepared?: string
}

const cases = goldenJson<Case[]>('core/checkouts.json')
const repos = goldenJson<Record<string, { files: RepoFile[] }>>('core/repo-modes.json')
const contents = new Map(
  goldenJson<{ path: string; content_b64: string }[]>('core/file-checksums.json').map((file) => [
    file.path.replace(/^tree-a\//, ''),
    createHash('sha256').update(Buffer.from(file.content_b64, 'base64')).digest('hex'),
  ]),
)
const places = testRepos()

const OVERWRITE: Readonly<Record<string, OverwriteMode>> = {
  '--union': 'union-files',
  '--union-add': 'add',
  '--union-identical': 'union-identical',
}

/** Converts arguments of `ostree checkout` to options. */
function optionsOf(argv: readonly string[], repo: Repo): CheckoutOptions {
  const has = (...names: string[]) => names.some((name) => argv.includes(name))
  const legacy = argv.every((arg) => !arg.startsWith('-') || /^(-U|--union|--subpath=.*|--repo=.*)$/.test(arg))
  const overwrite = argv.map((arg) => OVERWRITE[arg]).find((mode) => mode !== undefined)
  const skipList = has('--skip-list=cosk') ? parseSkipList('/hello.txt\n/deep/\n') : undefined
  return {
    mode: has('-U') ? 'user' : 'none',
    overwrite,
    subpath: argv.find((arg) => arg.startsWith('--subpath='))?.slice('--subpath='.length),
    requireHardlinks: has('-H'),
    forceCopy: has('-C'),
    bareUserOnlyDirs: has('-M'),
    whiteouts: has('--whiteouts'),
    passthroughWhiteouts: has('--process-passthrough-whiteouts'),
    filter: skipList && skipListFilter(skipList),
    cache:
      legacy && repo.mode === 'archive' && repo.storage.directory !== undefined
        ? createUncompressedCache(repo)
        : undefined,
  }
}

async function whiteoutRepo(path: string): Promise<Repo> {
  const tree = `${path}-tree`
  mkdirSync(`${tree}/op`, { recursive: true })
  for (const name of ['.wh.gone', 'op/.wh..wh..opq', '.ostree-wh.dev']) writeFileSync(join(tree, name), '')
  writeFileSync(join(tree, 'op/new'), 'n')
  writeFileSync(join(tree, 'f'), 'f')
  const repo = await createRepo(path, { mode: 'bare-user' })
  await commit(repo, { trees: [{ directory: createDirectorySource(tree) }], branch: 'main', timestamp: 1n })
  return repo
}

/** Writes the repository of a vector to the disk, as ostree left it, and the files that the destination had before. */
async function prepare({ mode, argv, prepared = '' }: Case, place: string, platform: Platform): Promise<Repo> {
  const target = join(place, 'co')
  if (argv.includes('--repo=rwh')) {
    mkdirSync(join(target, 'op'), { recursive: true })
    for (const name of ['gone', 'op/old', 'keep']) writeFileSync(join(target, name), 'x')
    return whiteoutRepo(join(place, 'rwh'))
  }
  const repo = join(place, `repo-${mode}`)
  mkdirSync(repo)
  writeRepoFiles(repo, repos[mode]?.files as RepoFile[])
  if (prepared !== '') {
    mkdirSync(join(target, 'deep'), { recursive: true })
    chmodSync(join(target, 'deep'), 0o700)
    writeFileSync(join(target, 'hello.txt'), 'existing\n')
    writeFileSync(join(target, 'extra'), 'x')
    symlinkSync('other', join(target, 'link'))
  }
  return openRepo(repo, { platform })
}

/** Copies all objects and the ref `main` into another repository. */
async function copyInto(to: Repo, from: Repo): Promise<void> {
  await to.transaction(async (tx) => {
    for await (const { checksum, type } of from.objects.list()) {
      if (type === 'file') await tx.writeFile(await from.objects.readFile(checksum), checksum)
      else await tx.writeMeta(type as MetaType, await from.objects.readMeta(type as MetaType, checksum), checksum)
    }
    tx.setRef('heads/main', { commit: await from.resolve('main') })
  })
}

/** Compares the content of the paths for which another vector has it, because these vectors do not have content. */
function contentsOf(entries: readonly DiskEntry[], subpath: string): [string, string][] {
  return entries.flatMap(({ path, sha256 }) => {
    const known = contents.get(`${subpath}${path}`)
    return sha256 === undefined || known === undefined ? [] : [[path, known === sha256 ? 'as committed' : 'different']]
  })
}

/** Changes an entry that is a hard link to an object into the copy that a store without files gives. */
function copied({ hardlink_of, ...entry }: DiskEntry): DiskEntry {
  if (hardlink_of === undefined) return entry
  const { xattrs_b64, ...rest } = entry
  const xattrs = Object.entries(xattrs_b64 ?? {}).filter(([name]) => name !== 'user.ostreemeta')
  return { ...rest, mtime: 'now', ...(xattrs.length > 0 && { xattrs_b64: Object.fromEntries(xattrs) }) }
}

const vectors = cases.map((each, index) => ({ ...each, index, words: each.argv.slice(3).join(' ') }))

test('the vectors have all modes of repositories', () => {
  expect(cases.length).toBe(55)
  expect(new Set(cases.map(({ mode }) => mode))).toEqual(new Set(MODES))
  expect(Object.keys(repos).sort()).toEqual(MODES.toSorted())
})

describe.each(BACKENDS)('checkouts of ostree, from $name', ({ store, platform, name }) => {
  const given = { store, platform, name }
  // Only a repository directory has files for hard links, and a cache of uncompressed files.
  const linking = store === 'directory'

  describe.runIf(isRoot)(isRoot ? 'checkouts with owners' : 'checkouts with owners (needs root)', () => {
    test.each(vectors)(
      'a checkout from mode $mode with $words has the files and errors of ostree ($case)',
      async (vector) => {
        const place = places.path()
        mkdirSync(place)
        const target = join(place, 'co')
        const disk = await prepare(vector, place, platform)
        let repo = disk
        if (!linking) {
          repo = await places.create(given, disk.mode)
          await copyInto(repo, disk)
        }
        let stderr = ''
        try {
          const revision = await repo.resolve('main')
          await checkout(repo, revision, createCheckoutTarget(target), optionsOf(vector.argv, repo))
        } catch (error) {
          if (!(error instanceof OstreeError)) throw error
          stderr = `error: ${error.message}\n`
        }
        await disk.close()
        await repo.close()
        if (!linking && vector.argv.includes('-H') && !vector.stderr.includes('repository mode')) {
          expect(stderr).toBe(`error: ${repo.storage.location} has no files that could be linked\n`)
          return
        }
        expect(stderr).toBe(vector.stderr)
        expect(existsSync(target)).toBe(true)

        const made = describeDisk(target, disk.storage.location)
        expect(made.map(({ sha256: _, target: __, ...entry }) => entry)).toEqual(
          vector.tree
            .map(({ target: _, ...entry }) => (linking ? entry : copied(entry)))
            .toSorted((a, b) => (a.path < b.path ? -1 : 1)),
        )
        for (const [path, link] of vector.tree.flatMap((entry) => (entry.target ? [[entry.path, entry.target]] : []))) {
          expect(made.find((entry) => entry.path === path)?.target).toBe(link)
        }
        if (vector.rc === 0 && vector.prepared === undefined) {
          const subpath = vector.argv.includes('--subpath=/deep') ? 'deep/' : ''
          const compared = contentsOf(made, subpath)
          expect(compared.length).toBeGreaterThan(0)
          expect(compared.filter(([, how]) => how !== 'as committed')).toEqual([])
        }
      },
    )
  })
})
