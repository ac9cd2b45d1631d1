/**
 * Rules by which a commit changes the owner, permissions and extended attributes of files, and skips files.
 *
 * Source: ostree-repo-commit.c, _ostree_repo_commit_modifier_apply; ot-builtin-commit.c, commit_filter and
 * handle_statoverride_line.
 */

import type { Checksum } from '../../bytes.ts'
import { FormatError } from '../../errors.ts'
import { S_IFDIR, S_IFLNK, S_IFMT, S_IFREG, type Xattrs } from '../../objects/index.ts'
import type { Repo } from '../repo.ts'
import { withLabel } from '../selinux/label-tree.ts'
import type { CommitPolicy } from '../selinux/sepolicy.ts'

/** Metadata of a file or directory, which a filter may change. */
export interface InodeInfo {
  uid: number
  gid: number
  /** Full `st_mode`. */
  mode: number
}

/**
 * Decides whether to commit a file or directory, and may change `inode`. As in libostree, a directory other than the
 * root is passed twice when a directory is committed: first to decide whether it is skipped, then for its metadata,
 * each time with the metadata found on disk.
 * @param path absolute, without a trailing slash: `/` for the root, `/a/b`
 * @returns false to skip it, and everything below it
 */
export type CommitFilter = (path: string, inode: InodeInfo) => boolean

/** Returns the extended attributes to commit instead of those of the file. */
export type XattrCallback = (path: string, inode: Readonly<InodeInfo>) => Xattrs

/** Checksums of file objects by `DEVICE:INODE`, in decimal, of their loose files. */
export type DevInoCache = ReadonlyMap<string, Checksum>

/** How to change the metadata of files. */
export interface ModifierOptions {
  /** Set owner 0:0, limit permissions to 0755, and drop xattrs. As in libostree, xattrs in a tar archive are kept. */
  readonly canonicalPermissions?: boolean | undefined
  /** Drop xattrs. */
  readonly noXattrs?: boolean | undefined
  readonly filter?: CommitFilter | undefined
  readonly xattrs?: XattrCallback | undefined
  readonly devino?: DevInoCache | undefined
  /** Take files in `devino` for unmodified: they are neither passed to the filter nor compared with the object. */
  readonly devinoCanonical?: boolean | undefined
}

/**
 * The rules of one commit. For a bare-user-only repository, canonical permissions are always applied. In the modes that
 * store links as links every one has the mode 0777; ostree does that only in bare-user-only repositories, and in the others
 * stores links of an archive such that its fsck calls them corrupt.
 */
export class CommitModifier {
  readonly devino: DevInoCache | undefined
  readonly devinoCanonical: boolean
  readonly xattrCallback: XattrCallback | undefined
  /** Do not read the xattrs of files on disk. */
  readonly skipXattrs: boolean
  /** Ignore the xattrs in a tar archive. */
  readonly skipTarXattrs: boolean
  /** The policy for SELinux labels. Set before the first tree is read. */
  sePolicy: CommitPolicy | undefined
  readonly #canonical: boolean
  /** Whether the repository stores symbolic links as such: on Linux they have no mode but 0777. */
  readonly #plainLinks: boolean
  readonly #filter: CommitFilter | undefined

  constructor(repo: Pick<Repo, 'mode' | 'settings'>, options: ModifierOptions = {}) {
    const forced = repo.mode === 'bare-user-only'
    this.#plainLinks = forced || repo.mode === 'bare' || repo.mode === 'bare-split-xattrs'
    this.#canonical = forced || options.canonicalPermissions === true
    this.#filter = options.filter
    // As in libostree, neither canonical permissions nor `core.disable-xattrs` drop the xattrs of a tar archive.
    this.skipTarXattrs = forced || options.noXattrs === true
    this.skipXattrs = this.skipTarXattrs || this.#canonical || repo.settings.disableXattrs
    this.xattrCallback = options.xattrs
    this.devino = options.devino
    this.devinoCanonical = options.devinoCanonical === true
  }

  /** True when `apply` never changes or skips anything. */
  get isIdentity(): boolean {
    return !this.#canonical && this.#filter === undefined && !this.#plainLinks
  }

  /** Applies the filter, canonical permissions and the mode of links to `inode`, in place. @returns false when the entry is skipped */
  apply(path: string, inode: InodeInfo): boolean {
    const keep = this.#filter === undefined || this.#filter(path, inode)
    if (this.#canonical) {
      inode.uid = 0
      inode.gid = 0
      const type = inode.mode & S_IFMT
      if (type === S_IFREG || type === S_IFDIR) inode.mode = type | (inode.mode & 0o755)
    }
    if (this.#plainLinks && (inode.mode & S_IFMT) === S_IFLNK) inode.mode = S_IFLNK | 0o777
    return keep
  }

  /** Returns the xattrs with the SELinux label of the policy, in canonical order; unchanged if there is no label. */
  label(path: string, { mode }: Readonly<InodeInfo>, xattrs: Xattrs): Xattrs {
    const label = this.sePolicy?.label(path, mode)
    return label === undefined ? xattrs : withLabel(xattrs, label)
  }

  /** Does for an entry of a tar archive what `label` does. */
  labelInArchive(path: string, { mode }: Readonly<InodeInfo>, xattrs: Xattrs): Xattrs {
    const label = (this.sePolicy?.forArchives ?? this.sePolicy)?.label(path, mode)
    return label === undefined ? xattrs : withLabel(xattrs, label)
  }
}

/** Mode bits by path; see `parseStatOverrides`. */
export interface StatOverrides {
  /** Bits to add. An entry is deleted when it is first applied. */
  readonly add: Map<string, number>
  /** Permission bits to set. */
  readonly set: Map<string, number>
}

/**
 * Parses a statoverride file: `MODE PATH` adds mode bits, `=MODE PATH` sets the permissions. MODE is decimal, or
 * hexadecimal with `0x`.
 * @throws {FormatError} `Malformed statoverride file (no space found)` when a line has no space; also when a mode is
 *   negative or above 07777, with which ostree writes objects that it cannot read again
 */
export function parseStatOverrides(text: string): StatOverrides {
  const overrides: StatOverrides = { add: new Map(), set: new Map() }
  for (const line of nonEmptyLines(text)) {
    const space = line.indexOf(' ')
    if (space < 0) throw new FormatError('statoverride', 'Malformed statoverride file (no space found)')
    const path = line.slice(space + 1)
    if (line.startsWith('=')) overrides.set.set(path, parseMode(line.slice(1, space)))
    else overrides.add.set(path, parseMode(line.slice(0, space)))
  }
  return overrides
}

/** Parses a mode as C's `strtod` does: trailing characters are ignored, and 0 is returned when there is no number. */
function parseMode(text: string): number {
  const hex = /^\s*0x([0-9a-f]+)/i.exec(text)
  const value = hex === null ? Number.parseFloat(text) : Number.parseInt(hex[1] as string, 16)
  if (!Number.isFinite(value)) return 0
  if (value < 0 || value > 0o7777) {
    throw new FormatError('statoverride', `Malformed statoverride file (mode ${text} is not between 0 and 07777)`)
  }
  return Math.trunc(value)
}

/** Parses a skip list, one path per line. The filter deletes an entry when it matches. */
export function parseSkipList(text: string): Set<string> {
  return new Set(nonEmptyLines(text))
}

function nonEmptyLines(text: string): string[] {
  return text.split('\n').filter((line) => line !== '')
}

/** The options of `ostree commit` that its filter implements. */
export interface CommitFilterOptions {
  readonly ownerUid?: number | undefined
  readonly ownerGid?: number | undefined
  /** Clear the write bits of regular files with an execute bit. */
  readonly readOnlyExecutables?: boolean | undefined
  /** The filter deletes entries of `add` that it has applied; those left afterwards matched nothing. */
  readonly statOverrides?: StatOverrides | undefined
  /** Paths to skip. The filter deletes entries that matched. */
  readonly skipList?: Set<string> | undefined
}

/** Creates the filter of the options of `ostree commit`; `undefined` when no option is given. */
export function createCommitFilter(options: CommitFilterOptions): CommitFilter | undefined {
  const { ownerUid, ownerGid, readOnlyExecutables, statOverrides, skipList } = options
  if (!ownerUid && !ownerGid && !readOnlyExecutables && ownerUid !== 0 && ownerGid !== 0 && !statOverrides && !skipList)
    return undefined
  return (path, inode) => {
    if (ownerUid !== undefined) inode.uid = ownerUid
    if (ownerGid !== undefined) inode.gid = ownerGid
    if (readOnlyExecutables && (inode.mode & S_IFMT) === S_IFREG && (inode.mode & 0o111) !== 0) inode.mode &= ~0o222
    if (statOverrides !== undefined) override(statOverrides, path, inode)
    return skipList === undefined || !skipList.delete(path)
  }
}

function override({ add, set }: StatOverrides, path: string, inode: InodeInfo): void {
  const bits = add.get(path)
  if (bits !== undefined) {
    inode.mode |= bits
    add.delete(path)
    return
  }
  const exact = set.get(path)
  if (exact !== undefined) inode.mode = (inode.mode & S_IFMT) | exact
}
