/**
 * Reduces owners, modes and attributes of a merged tree to those that the repository keeps.
 *
 * ```
 * exact     everything is kept, in repositories of any mode; those of mode `bare` have always kept it
 * compat    what is left when an unprivileged user checks the merged tree out and commits it:
 *             regular file    kept when it has content and its owner may read it; else as a symbolic link below
 *             symbolic link   importer's owner, 0777, no xattrs
 *             directory       importer's owner, own mode, no xattrs
 * ```
 *
 * `compat` loses information, but gives the checksums that existing `bare-user` stores have. It does not depend on the
 * layer of an entry, so it is applied once, to the finished tree.
 *
 * A bare-user-only repository can hold neither owners nor attributes: there everything becomes 0:0 and at most 0755.
 *
 * Source: libostree, ostree-repo-checkout.c and ostree-repo-commit.c with a devino cache.
 */

import { type Checksum, equalBytes } from '../../bytes.ts'
import {
  DirMeta,
  type FileHeader,
  isSymlink,
  NO_XATTRS,
  S_IFDIR,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
} from '../../objects/index.ts'
import {
  type FileOwner,
  type MutableTree,
  type ObjectReader,
  type Repo,
  type RepoMode,
  readDirMeta,
  type Transaction,
} from '../../repo/index.ts'
import { Pauses } from '../../repo/internal.ts'
import type { FlatRules, StoredSubtrees } from './stored-subtrees.ts'

/**
 * What a merged tree keeps of owners, modes and extended attributes: `exact` keeps everything; `compat` keeps what is
 * left after a checkout by an unprivileged user, and gives the checksums that ostree-ext gives.
 */
export type MetadataPolicy = 'exact' | 'compat'

export const ROOT_OWNER: FileOwner = { uid: 0, gid: 0 }

export interface FlattenOptions {
  readonly policy: MetadataPolicy
  /** Owner of the importing process; only `compat` uses it. Default 0:0. */
  readonly owner?: FileOwner | undefined
  /** Files that are known not to change, and are not read. `hasAt` takes the 32 bytes of a checksum from `at`. */
  readonly flat?: { has(file: Checksum): boolean; hasAt?(bytes: Uint8Array, at: number): boolean } | undefined
  readonly signal?: AbortSignal | undefined
}

/** Set-user-id and set-group-id; the sticky bit is kept. */
const SET_ID_BITS = 0o6000
const OWNER_READ = 0o400
const CANONICAL_BITS = 0o755

/** Returns the policy that repositories of a mode have always had: with it, their checksums do not change. */
export function defaultPolicy(mode: RepoMode): MetadataPolicy {
  return mode === 'bare' ? 'exact' : 'compat'
}

/** Returns whether objects of this repository can have labels. */
export function holdsLabels({ mode, settings }: Pick<Repo, 'mode' | 'settings'>): boolean {
  return mode !== 'bare-user-only' && !settings.disableXattrs
}

interface Rules {
  file(header: FileHeader, size: number): FileHeader
  directory(meta: DirMeta): DirMeta
}

/** Returns what `flattenTree` leaves as it is, as far as it is known. `undefined` if that is everything. */
export function flatRules(reader: ObjectReader, mode: RepoMode, options: FlattenOptions): FlatRules | undefined {
  const rules = rulesOf(mode, options)
  if (rules === undefined) return undefined
  const metas = new Map<Checksum, boolean>()
  const { flat } = options
  return {
    file: (bytes, at) => flat?.hasAt?.(bytes, at) ?? false,
    meta: async (checksum) => {
      const known = metas.get(checksum)
      if (known !== undefined) return known
      const meta = await readDirMeta(reader, checksum)
      const isSame = equalBytes(DirMeta.encode(rules.directory(meta)), DirMeta.encode(meta))
      metas.set(checksum, isSame)
      return isSame
    },
  }
}

/**
 * Flattens `tree` in place and writes the new objects. The whole tree is read unless nothing can change.
 * @param subtrees what is known of directories that `tree` refers to
 */
export async function flattenTree(
  tx: Transaction,
  mode: RepoMode,
  tree: MutableTree,
  options: FlattenOptions,
  subtrees?: StoredSubtrees,
): Promise<void> {
  const rules = rulesOf(mode, options)
  if (rules === undefined) return
  const files = new Map<Checksum, Checksum>()
  const metas = new Map<Checksum, Checksum>()
  const pauses = new Pauses(options.signal)
  const waiting = [tree]
  for (let directory = waiting.pop(); directory !== undefined; directory = waiting.pop()) {
    const pause = pauses.next()
    if (pause !== undefined) await pause
    if (directory.meta !== undefined) {
      const meta = metas.get(directory.meta) ?? (await flattenMeta(tx, directory.meta, rules))
      metas.set(directory.meta, meta)
      directory.setMeta(meta)
    }
    const { contents } = directory
    if (subtrees !== undefined && !directory.loaded && contents !== undefined) {
      if ((await subtrees.of(contents)).isFlat) continue
    }
    await directory.load()
    for (const [name, checksum] of directory.files) {
      const pause = pauses.next()
      if (pause !== undefined) await pause
      if (options.flat?.has(checksum)) continue
      const flat = files.get(checksum) ?? (await flattenFile(tx, checksum, rules))
      files.set(checksum, flat)
      directory.replaceFile(name, flat)
    }
    for (const child of directory.dirs.values()) waiting.push(child)
  }
}

/** Returns a function that flattens the header of a file. It returns the same object when nothing changes. */
export function flatHeader(mode: RepoMode, options: FlattenOptions): (header: FileHeader, size: number) => FileHeader {
  const rules = rulesOf(mode, options)
  return rules === undefined ? (header) => header : rules.file
}

/** Returns a function that tells whether flattening leaves a file as it is. */
export function isFlat(mode: RepoMode, options: FlattenOptions): (header: FileHeader, size: number) => boolean {
  const rules = rulesOf(mode, options)
  return (header, size) => rules === undefined || rules.file(header, size) === header
}

async function flattenMeta(tx: Transaction, checksum: Checksum, rules: Rules): Promise<Checksum> {
  return tx.writeMeta('dirmeta', DirMeta.encode(rules.directory(await readDirMeta(tx, checksum))))
}

async function flattenFile(tx: Transaction, checksum: Checksum, rules: Rules): Promise<Checksum> {
  const pending = tx.statFile(checksum)
  const { header, size } = pending instanceof Promise ? await pending : pending
  const flat = rules.file(header, size)
  if (flat === header) return checksum
  const { body } = await tx.readFile(checksum)
  return tx.writeFile({ header: flat, size, body })
}

function rulesOf(mode: RepoMode, { policy, owner = ROOT_OWNER }: FlattenOptions): Rules | undefined {
  if (mode === 'bare-user-only') return CANONICAL
  if (policy === 'exact') return undefined
  const { uid, gid } = owner
  return {
    file(header, size) {
      if (isSymlink(header)) return { ...header, uid, gid, mode: S_IFLNK | 0o777, xattrs: NO_XATTRS }
      if (size > 0 && (header.mode & OWNER_READ) !== 0) return header
      return { ...header, uid, gid, mode: (header.mode & ~SET_ID_BITS) | OWNER_READ, xattrs: NO_XATTRS }
    },
    directory: ({ mode }) => ({ uid, gid, mode, xattrs: NO_XATTRS }),
  }
}

const CANONICAL: Rules = {
  file(header) {
    const mode = isSymlink(header) ? S_IFLNK | 0o777 : S_IFREG | (header.mode & CANONICAL_BITS)
    if (header.uid === 0 && header.gid === 0 && header.mode === mode && header.xattrs.length === 0) return header
    return { uid: 0, gid: 0, mode, target: header.target, xattrs: NO_XATTRS }
  },
  directory: ({ mode }) => ({
    uid: 0,
    gid: 0,
    mode: S_IFDIR | (mode & CANONICAL_BITS & ~S_IFMT),
    xattrs: NO_XATTRS,
  }),
}
