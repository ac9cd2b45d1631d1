/** Archives in every format mean their trees: to our importer, to GNU tar and to bsdtar. */
import { execFileSync } from 'node:child_process'
import { lstatSync, mkdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { importLayer } from '../../src/container/import/import-layer.ts'
import type { Digest } from '../../src/container/index.ts'
import { TarFormatError } from '../../src/errors.ts'
import { nodePlatform as platform } from '../../src/platform/node.ts'
import { commit, createMemoryStorage, Repo } from '../../src/repo/index.ts'
import { anyTreeArchive, compareTrees, loadTree, type TreeArchive, walkNodes } from '../../src/testing/index.ts'
import { describeReference } from '../support/reference.ts'
import { temporaryFolder } from '../support/temporary.ts'

const numRuns = Number(process.env['MODEL_RUNS'] ?? 100)

async function imported({ bytes }: TreeArchive) {
  await using repo = await Repo.open(createMemoryStorage({ mode: 'bare', platform }), platform)
  const tar = (async function* () {
    yield bytes
  })()
  const trees = [{ tar, options: { autocreateParents: true } }]
  const result = await commit(repo, { trees, orphan: true, timestamp: 0n })
  const { rootTree: tree, rootMeta: meta } = await repo.readCommit(result.commit)
  return loadTree(repo.objects, { tree, meta })
}

test('an import gives the tree of any archive', async () => {
  await fc.assert(
    fc.asyncProperty(anyTreeArchive(), async (archive) => {
      const { children } = await imported(archive)
      expect(compareTrees(archive.tree, { ...archive.tree, children })).toEqual([])
    }),
    { numRuns },
  )
})

test('an import as a layer gives the tree of any archive, also without padding at its end', async () => {
  await fc.assert(
    fc.asyncProperty(anyTreeArchive({ below: 'usr', missingPadding: true }), async ({ tree, bytes }) => {
      await using repo = await Repo.open(createMemoryStorage({ mode: 'bare', platform }), platform)
      const stream = (async function* () {
        yield bytes
      })()
      const options = { layer: `sha256:${'0'.repeat(64)}` as Digest, retainVar: true }
      const { children } = await repo.transaction(async (tx) =>
        loadTree(tx, await importLayer(repo, tx, stream, options)),
      )
      // Imports of layers write the targets of some links otherwise, `a//b/` as `a/b/` and `/` as `//`, as ostree-ext does.
      const lines = compareTrees(tree, { ...tree, children }).filter((line) => !line.includes(' -> '))
      expect(lines).toEqual([])
    }),
    { numRuns },
  )
})

test('a commit of an archive without padding at its end is refused', async () => {
  const archives = anyTreeArchive({ depth: 2, missingPadding: true }).filter(({ bytes }) => bytes.length % 512 !== 0)
  await fc.assert(
    fc.asyncProperty(archives, async (archive) => {
      await expect(imported(archive)).rejects.toBeInstanceOf(TarFormatError)
    }),
    { numRuns: 20 },
  )
})

test('each format and each kind of sparse file is generated', () => {
  const seen = new Set(fc.sample(anyTreeArchive(), { numRuns: 200, seed: 3 }).flatMap(({ dialects }) => dialects))
  expect([...seen].sort()).toEqual([
    'gnu',
    'gnu, sparse gnu',
    'pax',
    'pax, sparse pax-0.0',
    'pax, sparse pax-0.1',
    'pax, sparse pax-1.0',
    'ustar',
    'v7',
  ])
})

const root = temporaryFolder()
let count = 0

/** Compares files, links and permissions on disk with the tree. Owners and xattrs need root. */
function compareDisk({ tree }: TreeArchive, folder: string): void {
  for (const [path, node] of walkNodes(tree)) {
    if (path === '') continue
    const stat = lstatSync(join(folder, path))
    if (node.kind === 'symlink') expect(readlinkSync(join(folder, path))).toBe(node.target)
    else expect([path, (stat.mode & 0o777).toString(8)]).toEqual([path, (node.mode & 0o777).toString(8)])
    if (node.kind === 'file') expect(Buffer.compare(readFileSync(join(folder, path)), node.content)).toBe(0)
  }
}

for (const [program, options] of [
  ['tar', ['--no-same-owner', '-p', '--delay-directory-restore']],
  ['bsdtar', ['--no-same-owner', '-p', '--no-xattrs', '--no-acls']],
] as const) {
  describeReference(program, `${program} and archives of trees`, () => {
    test('extracts the tree of any archive', () => {
      const archives = anyTreeArchive({ depth: 2, specialModes: false, owners: false, oddEnds: false })
      fc.assert(
        fc.property(archives, (archive) => {
          const folder = join(root, String(count++))
          mkdirSync(folder)
          writeFileSync(`${folder}.tar`, archive.bytes)
          execFileSync(program, ['-xf', `${folder}.tar`, '-C', folder, ...options], { stdio: 'pipe' })
          compareDisk(archive, folder)
          rmSync(folder, { recursive: true, force: true })
          rmSync(`${folder}.tar`)
        }),
        { numRuns: Math.min(numRuns, 40) },
      )
    })
  })
}
