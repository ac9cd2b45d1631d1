/** fast-check generators of static deltas: two commits, and the options with which the delta between them is generated. */

import fc from 'fast-check'
import { type Checksum, streamOf } from '../../bytes.ts'
import {
  applyDelta,
  type DeltaStats,
  type GenerateDeltaOptions,
  generateDelta,
  type Repo,
  readSuperblock,
} from '../../repo/index.ts'
import { type Directory, directory, file, storeCommit, type TreeNode } from '../builders.ts'
import { block, printedAs, printTree } from '../printing.ts'
import { anyTree, type TreeOptions } from './trees.ts'

/** Two trees and how the delta between commits of them is generated; `storeDeltaCommits` stores the commits. */
export interface DeltaSample {
  /** `undefined`: the delta has all objects of the second commit. */
  readonly from: Directory | undefined
  readonly to: Directory
  readonly options: Omit<GenerateDeltaOptions, 'from' | 'to'>
}

const anyBytes = fc.oneof(
  fc.uint8Array({ maxLength: 40 }),
  // Long enough for patches and for ranges of other files.
  fc
    .tuple(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1000, max: 60_000 }))
    .map(([seed, size]) => noise(seed, size)),
)

/** How the second version of a file differs from the first. */
const anyEdit = fc.oneof(
  fc.constant(undefined),
  fc.record({ at: fc.nat(), remove: fc.nat({ max: 50 }), insert: fc.uint8Array({ maxLength: 50 }) }),
)

/**
 * Generates two trees, of which the second often has the files of the first with small changes, and options: parts inside
 * of the superblock, small parts, either byte order, with and without patches.
 */
export function anyDelta(treeOptions: TreeOptions = {}): fc.Arbitrary<DeltaSample> {
  const tree = anyTree({ depth: 2, ...treeOptions })
  return fc
    .record({
      from: tree,
      to: fc.option(tree, { nil: undefined }),
      whole: fc.constantFrom(false, false, false, true),
      changed: fc.array(fc.tuple(anyBytes, anyEdit), { maxLength: 3 }),
      options: fc.record({
        timestamp: fc.constantFrom(0n, 1_700_000_000n),
        inline: fc.boolean(),
        byteOrder: fc.constantFrom('little' as const, 'big' as const),
        maxPartSize: fc.constantFrom(32_000_000, 1, 2000),
        maxBsdiffSize: fc.constantFrom(128_000_000, 0),
      }),
    })
    .map(({ from, to, whole, changed, options }) => {
      const before = changed.map(([bytes], i) => [`changed${i}`, file(bytes)] as const)
      const after = changed.map(([bytes, edit], i) => [`changed${i}`, file(edited(bytes, edit))] as const)
      const first = whole ? undefined : withFiles(from, before)
      return printedAs<DeltaSample>({ from: first, to: withFiles(to ?? from, after), options }, printDelta)
    })
}

/** Returns bytes without repetitions, the same for the same seed: the linear congruential generator of ANSI C. */
function noise(seed: number, size: number): Uint8Array {
  let state = seed
  return Uint8Array.from({ length: size }, () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    return state >>> 24
  })
}

function edited(bytes: Uint8Array, edit: { at: number; remove: number; insert: Uint8Array } | undefined): Uint8Array {
  if (edit === undefined) return bytes
  const at = edit.at % (bytes.length + 1)
  return Uint8Array.from([...bytes.subarray(0, at), ...edit.insert, ...bytes.subarray(at + edit.remove)])
}

function withFiles({ children, ...inode }: Directory, files: readonly (readonly [string, TreeNode])[]): Directory {
  const names = new Set(files.map(([name]) => name))
  return directory([...[...children].filter(([name]) => !names.has(name)), ...files], inode)
}

function printDelta({ from, to, options }: DeltaSample): string {
  const { timestamp, inline, byteOrder, maxPartSize, maxBsdiffSize } = options
  const words = `${byteOrder} endian, at ${timestamp} s, parts of ${maxPartSize} bytes${inline ? ' inside' : ''}`
  const patches = maxBsdiffSize === 0 ? ', no patches' : ''
  return block([
    words + patches,
    `from ${from === undefined ? 'nothing' : printTree(from).trimStart()}`,
    `to ${printTree(to).trimStart()}`,
  ])
}

/** Writes the commits of a delta into a repository, without refs. The second has the first as its parent. */
export async function storeDeltaCommits(
  repo: Repo,
  { from, to }: DeltaSample,
): Promise<{ from: Checksum | undefined; to: Checksum }> {
  return repo.transaction(async (tx) => {
    const parent = from === undefined ? undefined : await storeCommit(tx, from)
    return { from: parent, to: await storeCommit(tx, to, parent === undefined ? {} : { parent }) }
  })
}

/** The files of a delta by name, and statistics about it. */
export interface PackedDelta {
  readonly files: ReadonlyMap<string, Uint8Array>
  readonly stats: DeltaStats
}

/** Generates a delta in memory. @param commits those of `storeDeltaCommits` @throws as `generateDelta` */
export async function packDelta(
  repo: Repo,
  commits: { readonly from: Checksum | undefined; readonly to: Checksum },
  { options }: DeltaSample,
): Promise<PackedDelta> {
  const files = new Map<string, Uint8Array>()
  const generated = generateDelta(repo, { ...options, ...commits })
  let next = await generated.next()
  for (; !next.done; next = await generated.next()) files.set(next.value.name, next.value.bytes)
  return { files, stats: next.value }
}

/** Applies the files of a delta to a repository that has its first commit. @throws as `readSuperblock` and `applyDelta` */
export async function applyPackedDelta(repo: Repo, { files }: Pick<PackedDelta, 'files'>): Promise<void> {
  const superblock = readSuperblock(files.get('superblock') ?? new Uint8Array(), repo.platform)
  const openPart = ({ index }: { readonly index: number }) => streamOf(files.get(String(index)) ?? new Uint8Array())
  await applyDelta(repo, superblock, { openPart })
}
