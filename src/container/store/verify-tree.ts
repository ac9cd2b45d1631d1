/**
 * Whether what was put into a merged tree is still to be found in it.
 *
 * Two ways to be equal: `exact`, by checksum, for what an import does not touch; else by kind, size, owner and mode,
 * for what it may label anew. Directories are compared by what is in them, their own metadata is not looked at.
 *
 * What a layer above took away or replaced is not missed. (The original changes the two trees over at every second
 * level, and so takes additions for losses; only its output is kept.)
 *
 * Source: ostree-ext, container::store (compare_commit_trees, compare_file_info, CompareState).
 */

import { type Checksum, compareUtf8, type MaybePromise } from '../../bytes.ts'
import { type DirTree, type FileHeader, type FileInfo, isSymlink, xattrsEqual } from '../../objects/index.ts'
import { type ObjectReader, readDirTree, type TreeRoot } from '../../repo/index.ts'
import { OPAQUE_WHITEOUT, WHITEOUT_PREFIX } from '../../repo/internal.ts'
import { isLeftover } from '../layers/cleanup-root.ts'

/** What became of the files that a merged tree should have, by absolute path. */
export interface CompareState {
  readonly verified: Set<string>
  /** Wrong, and on an inode that was confused with another. */
  readonly inodeCorrupted: Set<string>
  readonly unknownCorrupted: Set<string>
}

/** Returns a state without any path, for `compareCommitTrees` to fill. */
export function createCompareState(): CompareState {
  return { verified: new Set(), inodeCorrupted: new Set(), unknownCorrupted: new Set() }
}

/** Tests whether no path was found wrong. */
export function isCompareStateOk({ inodeCorrupted, unknownCorrupted }: CompareState): boolean {
  return inodeCorrupted.size === 0 && unknownCorrupted.size === 0
}

/** How two trees are compared. */
export interface CompareOptions {
  /** By checksum, else by `compareFileInfo`. */
  readonly exact: boolean
  /** Dirtrees of the layers above that of `expected`: what they hide is not looked for. */
  readonly above?: readonly Checksum[] | undefined
  /** What the merge makes of a file's header (flatten.ts). Default: what it is. */
  readonly flatHeader?: ((header: FileHeader, size: number) => FileHeader) | undefined
  /** Whether the object lies on an inode that was confused with another. Default: none does. */
  readonly isColliding?: ((file: Checksum) => MaybePromise<boolean>) | undefined
  /** Hears the path of what is not there. */
  readonly onMissing?: ((path: string) => void) | undefined
  readonly signal?: AbortSignal | undefined
}

/** Compares kind, size, owner and mode of two files, but neither their content nor their attributes. */
export function compareFileInfo(a: FileInfo, b: FileInfo): boolean {
  const { uid, gid, mode } = a.header
  return a.size === b.size && uid === b.header.uid && gid === b.header.gid && mode === b.header.mode
}

/**
 * Looks in the tree `target` for all files that the tree `expected` has, and adds their paths to `state`.
 * @throws {ObjectNotFoundError} when an object of a tree is missing; {FormatError} when one is malformed
 */
export async function compareCommitTrees(
  reader: ObjectReader,
  target: TreeRoot,
  expected: TreeRoot,
  state: CompareState,
  options: CompareOptions,
): Promise<void> {
  const waiting: Level[] = [{ path: '', target: target.tree, expected: expected.tree, above: options.above ?? [] }]
  for (let level = waiting.pop(); level !== undefined; level = waiting.pop()) {
    options.signal?.throwIfAborted()
    if (level.target !== level.expected) waiting.push(...(await compareLevel(reader, level, state, options)))
  }
}

/** One directory in both trees, and in the layers above. */
interface Level {
  readonly path: string
  readonly target: Checksum
  readonly expected: Checksum
  readonly above: readonly Checksum[]
}

/** @returns the directories below that have to be compared */
async function compareLevel(
  reader: ObjectReader,
  level: Level,
  state: CompareState,
  options: CompareOptions,
): Promise<Level[]> {
  const found = await readDirTree(reader, level.target)
  const wanted = await readDirTree(reader, level.expected)
  const upper = await Promise.all(level.above.map((tree) => readDirTree(reader, tree)))
  const own = await readWhiteouts(reader, [wanted])
  const above = await readWhiteouts(reader, upper)
  if (above.opaque) return []
  const upperFiles = new Set(upper.flatMap(({ files }) => files.map(({ name }) => name)))
  const upperDirs = new Set(upper.flatMap(({ dirs }) => dirs.map(({ name }) => name)))

  const missing = (path: string) => {
    options.onMissing?.(path)
    state.unknownCorrupted.add(path)
  }
  const files = new Map(found.files.map(({ name, checksum }) => [name, checksum]))
  for (const { name, checksum } of wanted.files) {
    const path = `${level.path}/${name}`
    if (own.markers.has(name) || above.removed.has(name) || upperFiles.has(name) || upperDirs.has(name)) continue
    // As in the overlay: a whiteout also takes what comes before it in its own layer.
    if (own.removed.has(name) && compareUtf8(name, WHITEOUT_PREFIX) < 0) continue
    const there = files.get(name)
    if (there === undefined) {
      if (!isLeftover(path, await reader.statFile(checksum))) missing(path)
    } else if (await sameFile(reader, there, checksum, options)) {
      state.verified.add(path)
    } else {
      const confused = (await options.isColliding?.(there)) || (await options.isColliding?.(checksum))
      const corrupted = confused === true ? state.inodeCorrupted : state.unknownCorrupted
      corrupted.add(path)
    }
  }

  const dirs = new Map(found.dirs.map(({ name, tree }) => [name, tree]))
  const below: Level[] = []
  for (const { name, tree } of wanted.dirs) {
    if (above.removed.has(name) || upperFiles.has(name)) continue
    const path = `${level.path}/${name}`
    const there = dirs.get(name)
    const inUpper = upper.flatMap((tree) => tree.dirs.filter((dir) => dir.name === name).map((dir) => dir.tree))
    if (there === undefined) missing(path)
    else below.push({ path, target: there, expected: tree, above: inUpper })
  }
  return below
}

/** Whiteouts of a directory in several layers. */
interface Whiteouts {
  readonly opaque: boolean
  /** Names of the markers themselves. */
  readonly markers: ReadonlySet<string>
  /** Names they take away. */
  readonly removed: ReadonlySet<string>
}

async function readWhiteouts(reader: ObjectReader, trees: readonly DirTree[]): Promise<Whiteouts> {
  const markers = new Set<string>()
  for (const { name, checksum } of trees.flatMap(({ files }) => files)) {
    if (!name.startsWith(WHITEOUT_PREFIX) || isSymlink((await reader.statFile(checksum)).header)) continue
    markers.add(name)
  }
  const removed = new Set([...markers].map((name) => name.slice(WHITEOUT_PREFIX.length)))
  return { opaque: markers.has(OPAQUE_WHITEOUT), markers, removed }
}

async function sameFile(
  reader: ObjectReader,
  there: Checksum,
  wanted: Checksum,
  { exact, flatHeader }: CompareOptions,
): Promise<boolean> {
  if (there === wanted) return true
  const actual = await reader.statFile(there)
  const { header, size } = await reader.statFile(wanted)
  const flat = flatHeader?.(header, size) ?? header
  if (!compareFileInfo(actual, { header: flat, size })) return false
  // Made anew by the merge, its checksum is another: its header has to be what the merge makes.
  return (
    !exact ||
    (flat !== header && flat.target === actual.header.target && xattrsEqual(flat.xattrs, actual.header.xattrs))
  )
}
