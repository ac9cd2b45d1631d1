/**
 * Checks that the entries of a layer are in a merged tree.
 *
 * Files are compared in one of two ways: `exact`, by checksum, for files that an import does not change; else by kind,
 * size, owner and mode, for files whose labels it may change. Directories are compared by their entries, not by their
 * metadata.
 *
 * Entries that a layer above removed or replaced are not missing. (The original swaps the two trees at every second
 * level, and so reports additions as losses. Only the form of its output is the same here.)
 *
 * Source: ostree-ext, container::store (compare_commit_trees, compare_file_info, CompareState).
 */

import { type Checksum, compareUtf8, type MaybePromise } from '../../bytes.ts'
import { type DirTree, type FileHeader, type FileInfo, isSymlink, xattrsEqual } from '../../objects/index.ts'
import { type ObjectReader, readDirTree, type TreeRoot } from '../../repo/index.ts'
import { OPAQUE_WHITEOUT, Pauses, WHITEOUT_PREFIX } from '../../repo/internal.ts'
import { isLeftover } from '../layers/cleanup-root.ts'

/** What became of the files that a merged tree should have, by absolute path. */
export interface CompareState {
  readonly verified: Set<string>
  /** Files that differ, where one of the two objects shares its inode number with a third object. */
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
  /** Compare files by checksum; else by `compareFileInfo`. */
  readonly exact: boolean
  /** Dirtrees of the layers above that of `expected`. Entries that they hide are not looked for. */
  readonly above?: readonly Checksum[] | undefined
  /** Returns the header that the merge gives to a file (flatten.ts). Default: the same. */
  readonly flatHeader?: ((header: FileHeader, size: number) => FileHeader) | undefined
  /** Returns whether another object has the same inode number. Default: false. */
  readonly isColliding?: ((file: Checksum) => MaybePromise<boolean>) | undefined
  /** Called with the path of each missing entry. */
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
  const pauses = new Pauses(options.signal)
  const waiting: Level[] = [{ path: '', target: target.tree, expected: expected.tree, above: options.above ?? [] }]
  for (let level = waiting.pop(); level !== undefined; level = waiting.pop()) {
    const pause = pauses.next()
    if (pause !== undefined) await pause
    if (level.target === level.expected) continue
    for (const below of await compareLevel(reader, level, state, options)) waiting.push(below)
  }
}

/** One directory in both trees, and in the layers above. */
interface Level {
  readonly path: string
  readonly target: Checksum
  readonly expected: Checksum
  readonly above: readonly Checksum[]
}

/** Compares one directory. @returns its subdirectories, which have to be compared */
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
    // As in the overlay, a whiteout also removes a file of its own layer that sorts before it.
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
  /** Names of the whiteouts. */
  readonly markers: ReadonlySet<string>
  /** Names that they remove. */
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
  // The merge changed the header, and so the checksum. The header must be the one that the merge gives.
  return (
    !exact ||
    (flat !== header && flat.target === actual.header.target && xattrsEqual(flat.xattrs, actual.header.xattrs))
  )
}
