/**
 * Random repositories: histories that branch, and that end with a parent that is not stored; refs of all kinds; partial
 * commits; unreachable objects of every type; deltas and cached summaries. They are generated as data, so that the same
 * repository can be made twice, in any store.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import type { Checksum } from '../../src/bytes.ts'
import { array, string, type Vardict, type Variant, vardict, variantOf } from '../../src/gvariant/index.ts'
import { DirMeta, DirTree, modifiedBase64, S_IFDIR, S_IFLNK, S_IFREG } from '../../src/objects/index.ts'
import { type Repo, type Transaction, writeCommit } from '../../src/repo/index.ts'

interface TreePlan {
  readonly files: Readonly<Record<string, string>>
  readonly dirs: Readonly<Record<string, TreePlan>>
}

interface CommitPlan {
  readonly tree: TreePlan
  /** How many commits before it its parent is. 0 if it has no parent. */
  readonly parent: number
  /** Whether the parent is a commit that is not stored. */
  readonly lost: boolean
  readonly timestamp: number
  readonly state: 'complete' | 'partial' | 'fsck-partial'
  readonly detached: boolean
  /** The refs it is bound to. */
  readonly bindings: readonly string[] | undefined
  readonly collection: string | undefined
}

export interface RepoPlan {
  readonly commits: readonly CommitPlan[]
  /** The index of the commit by the path of the ref below `refs/`. */
  readonly refs: Readonly<Record<string, number>>
  readonly collection: string | undefined
  readonly orphans: readonly ('file' | 'link' | 'dirtree' | 'dirmeta')[]
  readonly deltas: readonly { readonly from: number | undefined; readonly to: number }[]
  readonly summaries: readonly string[]
  readonly tombstones: boolean
}

const name = fc.constantFrom('a', 'b', 'c', 'd')
const tree: (depth: number) => fc.Arbitrary<TreePlan> = (depth) =>
  fc.record({
    files: fc.dictionary(name, fc.constantFrom('', 'x', 'yy', 'zzz', '->t'), { maxKeys: 3, noNullPrototype: true }),
    dirs:
      depth === 0
        ? fc.constant({})
        : fc.dictionary(
            name.map((text) => text.toUpperCase()),
            tree(depth - 1),
            { maxKeys: 2, noNullPrototype: true },
          ),
  })

// Names that are in different slots of GLib's hash tables, so that ostree lists them in the same order in every directory.
const COLLECTIONS = ['org.example.Own', 'org.example.Else'] as const
const REFS = ['heads/main', 'heads/x/a', 'heads/x/c', 'remotes/origin/main', 'remotes/gone/x/a'] as const
const MIRRORS = COLLECTIONS.flatMap((id) => [`mirrors/${id}/main`, `mirrors/${id}/x/a`])

const commitPlan: fc.Arbitrary<CommitPlan> = fc.record({
  tree: tree(2),
  parent: fc.constantFrom(0, 1, 1, 1, 2, 3),
  lost: fc.constantFrom(false, false, false, false, true),
  timestamp: fc.integer({ min: 1, max: 5 }).map((n) => n * 1000),
  state: fc.constantFrom('complete', 'complete', 'complete', 'complete', 'partial', 'fsck-partial'),
  detached: fc.constantFrom(false, false, true),
  bindings: fc.option(fc.uniqueArray(fc.constantFrom('main', 'x/a', 'x/c'), { maxLength: 2 }), { nil: undefined }),
  collection: fc.constantFrom(undefined, undefined, ...COLLECTIONS),
})

export const anyRepo: fc.Arbitrary<RepoPlan> = fc.record({
  commits: fc.array(commitPlan, { minLength: 0, maxLength: 8 }),
  refs: fc.dictionary(fc.constantFrom(...REFS, ...REFS, ...MIRRORS), fc.nat(), { maxKeys: 6, noNullPrototype: true }),
  collection: fc.constantFrom(undefined, undefined, COLLECTIONS[0]),
  orphans: fc.array(fc.constantFrom('file', 'link', 'dirtree', 'dirmeta'), { maxLength: 3 }),
  deltas: fc.array(fc.record({ from: fc.option(fc.nat(9), { nil: undefined }), to: fc.nat(9) }), { maxLength: 4 }),
  summaries: fc.subarray(['origin', 'origin.sig', 'gone', 'gone.sig', '.sig']),
  tombstones: fc.constantFrom(false, false, true),
})

/** Writes a repository. @returns the checksums of the commits, in the order of the plan */
export async function buildRepo(repo: Repo, plan: RepoPlan): Promise<Checksum[]> {
  const { config } = repo
  config.set('remote "origin"', 'url', 'http://localhost/nowhere')
  if (plan.collection !== undefined) config.set('core', 'collection-id', plan.collection)
  if (plan.tombstones) config.set('core', 'tombstone-commits', 'true')
  await repo.writeConfig(config.toString())
  const commits: Checksum[] = []
  await repo.transaction(async (tx) => {
    for (const commit of plan.commits) commits.push(await build(tx, commit, commits))
    for (const [index, type] of plan.orphans.entries()) await orphan(tx, type, index)
    for (const [path, index] of Object.entries(plan.refs)) {
      const commit = commits[index % Math.max(1, commits.length)]
      if (commit !== undefined) tx.setRef(path, { commit })
    }
  })
  // Two commits of a plan may be the same one. Then the state of the last applies.
  for (const [index, { state, detached }] of plan.commits.entries()) {
    const commit = commits[index] as Checksum
    await repo.objects.setCommitState(commit, state)
    const note: Vardict = [['note', variantOf(string, 'x')]]
    await repo.objects.writeAttached('commitmeta', commit, detached ? vardict.encode(note) : undefined)
  }
  return commits
}

/** Writes the files of a repository directory that are not objects: static deltas, and summaries of remotes. */
export function addFolders(path: string, plan: RepoPlan, commits: readonly Checksum[]): void {
  const checksumOf = (index: number): string => commits[index] ?? index.toString(16).padStart(2, '0').repeat(32)
  for (const { from, to } of plan.deltas) {
    const text = from === undefined ? '' : `${modifiedBase64(checksumOf(from) as Checksum)}-`
    const delta = text + modifiedBase64(checksumOf(to) as Checksum)
    const folder = join(path, 'deltas', delta.slice(0, 2), delta.slice(2))
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, 'superblock'), 'any')
    writeFileSync(join(folder, '0'), 'part')
  }
  const summaries = join(path, 'tmp', 'cache', 'summaries')
  if (plan.summaries.length > 0) mkdirSync(summaries, { recursive: true })
  for (const file of plan.summaries) writeFileSync(join(summaries, file), 'x')
}

async function build(tx: Transaction, plan: CommitPlan, before: readonly Checksum[]): Promise<Checksum> {
  const { files, dirs } = plan.tree
  const metadata: [string, Variant][] = []
  if (plan.bindings !== undefined) metadata.push(['ostree.ref-binding', variantOf(array(string), [...plan.bindings])])
  if (plan.collection !== undefined) {
    metadata.push(['ostree.collection-binding', variantOf(string, plan.collection)])
  }
  const parent = plan.lost ? ('ab'.repeat(32) as Checksum) : before.at(-plan.parent - (plan.parent === 0 ? 99 : 0))
  return writeCommit(tx, {
    root: { tree: await buildTree(tx, { files, dirs }), meta: await dirmeta(tx, 0o755) },
    timestamp: BigInt(plan.timestamp),
    metadata,
    ...(parent === undefined ? {} : { parent }),
  })
}

async function buildTree(tx: Transaction, { files, dirs }: TreePlan): Promise<Checksum> {
  const byName = (a: { name: string }, b: { name: string }) => (a.name < b.name ? -1 : 1)
  const fileEntries = []
  for (const [name, text] of Object.entries(files)) fileEntries.push({ name, checksum: await file(tx, text) })
  const dirEntries = []
  for (const [name, plan] of Object.entries(dirs)) {
    const meta = await dirmeta(tx, Object.keys(plan.files).length > 1 ? 0o700 : 0o755)
    dirEntries.push({ name, tree: await buildTree(tx, plan), meta })
  }
  return tx.writeMeta('dirtree', DirTree.encode({ files: fileEntries.sort(byName), dirs: dirEntries.sort(byName) }))
}

async function dirmeta(tx: Transaction, mode: number): Promise<Checksum> {
  return tx.writeMeta('dirmeta', DirMeta.encode({ uid: 0, gid: 0, mode: S_IFDIR | mode, xattrs: [] }))
}

async function file(tx: Transaction, text: string): Promise<Checksum> {
  const target = text.startsWith('->') ? text.slice(2) : ''
  const body = new TextEncoder().encode(target === '' ? text : '')
  const mode = target === '' ? S_IFREG | 0o644 : S_IFLNK | 0o777
  return tx.writeFile({ header: { uid: 0, gid: 0, mode, target, xattrs: [] }, size: body.length, body })
}

async function orphan(tx: Transaction, type: RepoPlan['orphans'][number], index: number): Promise<void> {
  if (type === 'file') await file(tx, `orphan ${index}`)
  else if (type === 'link') await file(tx, `->orphan ${index}`)
  else if (type === 'dirmeta') await dirmeta(tx, 0o100 + index)
  else await buildTree(tx, { files: { [`orphan${index}`]: 'x' }, dirs: {} })
}
