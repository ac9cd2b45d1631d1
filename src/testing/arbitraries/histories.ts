/** fast-check generators of histories of commits, and of repositories that have them. */

import fc from 'fast-check'
import type { Checksum } from '../../bytes.ts'
import { array, string, type Variant, variantOf } from '../../gvariant/index.ts'
import { COLLECTION_BINDING_KEY, type CommitState, REF_BINDING_KEY, type RefPath, type Repo } from '../../repo/index.ts'
import { type Directory, directory, file, storeCommit } from '../builders.ts'
import { block, printedAs, printTree } from '../printing.ts'

/** A commit of a history. */
export interface HistoryCommit {
  readonly tree: Directory
  /** Number of its parent, which is smaller than its own. `lost`: the parent is a commit that is not stored. */
  readonly parent: number | 'lost' | undefined
  /** Seconds since 1970-01-01 UTC. Those of a child may be smaller than those of its parent. */
  readonly timestamp: bigint
  readonly state: CommitState
  /** Names of the refs that the commit is bound to. */
  readonly bindings: readonly string[] | undefined
  readonly collection: string | undefined
}

/** Commits, parents before children, and refs that lead to them. */
export interface History {
  readonly commits: readonly HistoryCommit[]
  /** Numbers of commits by the paths of refs. */
  readonly refs: ReadonlyMap<RefPath, number>
}

/** Options of `anyHistory`. */
export interface HistoryOptions {
  /** Default 6. */
  readonly maxCommits?: number
  /** Commits that are partial, and parents that are not stored. Default true. */
  readonly incomplete?: boolean
}

/** Checksum of the parent of a commit whose parent is `lost`. */
export const LOST_PARENT: Checksum = 'ab'.repeat(32) as Checksum

const REFS: readonly RefPath[] = [
  'heads/main',
  'heads/x/a',
  'heads/x/b',
  'remotes/origin/main',
  'mirrors/org.example.C/main',
]

const anySmallTree: fc.Arbitrary<Directory> = fc
  .record({
    files: fc.uniqueArray(fc.tuple(fc.constantFrom('a', 'b', 'c'), fc.constantFrom('', 'x', 'yy')), {
      selector: ([name]) => name,
      maxLength: 3,
    }),
    below: fc.option(fc.constantFrom('', 'x', 'z'), { nil: undefined }),
  })
  .map(({ files, below }) => {
    const children = files.map(([name, content]) => [name, file(content)] as const)
    return directory([...children, ...(below === undefined ? [] : [['d', directory({ a: file(below) })] as const])])
  })

/**
 * Generates histories that branch, with bindings and collections, and refs to some of their commits. They shrink to few
 * commits in a line.
 */
export function anyHistory({ maxCommits = 6, incomplete = true }: HistoryOptions = {}): fc.Arbitrary<History> {
  const states: readonly CommitState[] = incomplete ? ['complete', 'complete', 'complete', 'partial'] : ['complete']
  const commit = fc.record({
    tree: anySmallTree,
    back: fc.constantFrom(1, 1, 0, 2, 3),
    lost: incomplete ? fc.nat({ max: 7 }).map((n) => n === 7) : fc.constant(false),
    timestamp: fc.constantFrom(1000n, 2000n, 1500n, 0n),
    state: fc.constantFrom(...states),
    bindings: fc.option(fc.uniqueArray(fc.constantFrom('main', 'x/a'), { maxLength: 2 }), { nil: undefined }),
    collection: fc.constantFrom(undefined, undefined, 'org.example.C'),
  })
  return fc
    .record({
      list: fc.array(commit, { maxLength: maxCommits }),
      refs: fc.uniqueArray(fc.tuple(fc.constantFrom(...REFS), fc.nat()), { selector: ([path]) => path, maxLength: 4 }),
    })
    .map(({ list, refs }) => {
      const commits = list.map(({ back, lost, ...rest }, i): HistoryCommit => {
        const parent = lost ? 'lost' : back > 0 && i - back >= 0 ? i - back : undefined
        return { ...rest, parent }
      })
      const targets = commits.length === 0 ? [] : refs.map(([path, n]) => [path, n % commits.length] as const)
      return printedAs<History>({ commits, refs: new Map(targets) }, printHistory)
    })
}

function printHistory({ commits, refs }: History): string {
  const lines = commits.map(({ tree, parent, timestamp, state, bindings, collection }, i) => {
    const words = [
      `commit ${i}`,
      ...(parent === undefined ? [] : [`after ${parent}`]),
      `at ${timestamp} s`,
      ...(state === 'complete' ? [] : [state]),
      ...(bindings === undefined ? [] : [`bound to [${bindings.join(' ')}]`]),
      ...(collection === undefined ? [] : [`of ${collection}`]),
    ]
    return `${words.join(' ')}: ${printTree(tree).trimStart().replaceAll('\n', ' | ')}`
  })
  return lines.length === 0
    ? 'no commits'
    : block([...lines, ...[...refs].map(([path, n]) => `${path} -> commit ${n}`)])
}

/**
 * Writes a history into a repository in one transaction. All objects of partial commits are stored, only their state says
 * otherwise.
 * @returns the checksums of the commits, in their order; two of them may be equal
 */
export async function storeHistory(repo: Repo, { commits, refs }: History): Promise<Checksum[]> {
  const stored: Checksum[] = []
  await repo.transaction(async (tx) => {
    for (const { tree, parent, timestamp, bindings, collection } of commits) {
      const metadata: [string, Variant][] = []
      if (bindings !== undefined) metadata.push([REF_BINDING_KEY, variantOf(array(string), [...bindings])])
      if (collection !== undefined) metadata.push([COLLECTION_BINDING_KEY, variantOf(string, collection)])
      const above = parent === 'lost' ? LOST_PARENT : parent === undefined ? undefined : stored[parent]
      stored.push(await storeCommit(tx, tree, { timestamp, metadata, ...(above !== undefined && { parent: above }) }))
    }
    for (const [path, n] of refs) tx.setRef(path, { commit: stored[n] as Checksum })
  })
  for (const [n, { state }] of commits.entries()) await repo.objects.setCommitState(stored[n] as Checksum, state)
  return stored
}
