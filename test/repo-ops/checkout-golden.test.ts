/** Every checkout `ostree` made for test/golden/core/checkouts.json, made again by us from the same repositories. */
import { createHash } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { OstreeError } from '../../src/errors.ts'
import {
  type CheckoutOptions,
  checkout,
  commit,
  type OverwriteMode,
  parseSkipList,
  type Repo,
  skipListFilter,
} from '../../src/repo/index.ts'
import {
  createCheckoutTarget,
  createDirectorySource,
  createRepo,
  createUncompressedCache,
  openRepo,
} from '../../src/repo/node/index.ts'
import { isRoot, testDirectory } from '../fs-store/places.ts'
import { putUp, type RepoFile } from '../fs-store/repo-files.ts'
import { goldenJson } from '../golden.ts'
import { type DiskEntry, describeDisk } from './disk.ts'

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
const root = testDirectory()

const OVERWRITE: Readonly<Record<string, OverwriteMode>> = {
  '--union': 'union-files',
  '--union-add': 'add',
  '--union-identical': 'union-identical',
}

/** What the command line does with its arguments. */
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
    cache: legacy && repo.mode === 'archive' ? createUncompressedCache(repo) : undefined,
  }
}

async function whiteoutRepo(path: string): Promise<void> {
  const tree = `${path}-tree`
  mkdirSync(`${tree}/op`, { recursive: true })
  for (const name of ['.wh.gone', 'op/.wh..wh..opq', '.ostree-wh.dev']) writeFileSync(join(tree, name), '')
  writeFileSync(join(tree, 'op/new'), 'n')
  writeFileSync(join(tree, 'f'), 'f')
  const repo = await createRepo(path, { mode: 'bare-user' })
  await commit(repo, { trees: [{ directory: createDirectorySource(tree) }], branch: 'main', timestamp: 1n })
  await repo.close()
}

async function prepare({ mode, argv, prepared = '' }: Case, place: string): Promise<string> {
  const target = join(place, 'co')
  if (argv.includes('--repo=rwh')) {
    await whiteoutRepo(join(place, 'rwh'))
    mkdirSync(join(target, 'op'), { recursive: true })
    for (const name of ['gone', 'op/old', 'keep']) writeFileSync(join(target, name), 'x')
    return join(place, 'rwh')
  }
  const repo = join(place, `repo-${mode}`)
  mkdirSync(repo)
  putUp(repo, repos[mode]?.files as RepoFile[])
  if (prepared !== '') {
    mkdirSync(join(target, 'deep'), { recursive: true })
    chmodSync(join(target, 'deep'), 0o700)
    writeFileSync(join(target, 'hello.txt'), 'existing\n')
    writeFileSync(join(target, 'extra'), 'x')
    symlinkSync('other', join(target, 'link'))
  }
  return repo
}

/** The vectors say nothing of content; of these paths it is known. */
function contentsOf(entries: readonly DiskEntry[], subpath: string): [string, string][] {
  return entries.flatMap(({ path, sha256 }) => {
    const known = contents.get(`${subpath}${path}`)
    return sha256 === undefined || known === undefined ? [] : [[path, known === sha256 ? 'as committed' : 'different']]
  })
}

describe.runIf(isRoot)('a checkout is what ostree makes of it', () => {
  test.each(cases.map((each, index) => ({ ...each, index, words: each.argv.slice(3).join(' ') })))(
    '$mode: $words ($case)',
    async (vector) => {
      const place = join(root, String(vector.index))
      mkdirSync(place)
      const path = await prepare(vector, place)
      const target = join(place, 'co')
      const repo = await openRepo(path)
      let stderr = ''
      try {
        const revision = await repo.resolve('main')
        await checkout(repo, revision, createCheckoutTarget(target), optionsOf(vector.argv, repo))
      } catch (error) {
        if (!(error instanceof OstreeError)) throw error
        stderr = `error: ${error.message}\n`
      }
      await repo.close()
      expect(stderr).toBe(vector.stderr)
      expect(existsSync(target)).toBe(true)

      const made = describeDisk(target, path)
      expect(made.map(({ sha256, target: _, ...entry }) => entry)).toEqual(
        vector.tree.map(({ target: _, ...entry }) => entry).toSorted((a, b) => (a.path < b.path ? -1 : 1)),
      )
      for (const [name, link] of vector.tree.flatMap((entry) => (entry.target ? [[entry.path, entry.target]] : []))) {
        expect(made.find((entry) => entry.path === name)?.target).toBe(link)
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
