/**
 * What a commit changes of what it finds: owners, permissions, extended attributes, and what it leaves out.
 *
 * Source: ostree-repo-commit.c, _ostree_repo_commit_modifier_apply; ot-builtin-commit.c, commit_filter and
 * handle_statoverride_line.
 */

import type { Checksum } from '../../bytes.ts'
import { FormatError } from '../../errors.ts'
import { S_IFDIR, S_IFLNK, S_IFMT, S_IFREG, type Xattrs } from '../../objects/index.ts'
import type { Repo } from '../repo.ts'
import { withLabel } from '../selinux/label-tree.ts'
import type { SePolicy } from '../selinux/sepolicy.ts'

/** What a filter sees of a file or directory, and may change. */
export interface InodeInfo {
  uid: number
  gid: number
  /** Full st_mode. */
  mode: number
}

/**
 * Called with `/` for the root, `/a/b` else; never with a trailing slash. As in libostree it is called twice for every
 * directory but the root when a directory is committed: for the parent to learn whether to skip it, then for its own
 * metadata, each time with the inode as found.
 * @returns whether to keep it; without a directory goes all below
 */
export type CommitFilter = (path: string, inode: InodeInfo) => boolean

/** The attributes to store in place of those found. */
export type XattrCallback = (path: string, inode: Readonly<InodeInfo>) => Xattrs

/** Files known, by `DEVICE:INODE` in decimal, to share their inode with an object of the repository. */
export type DevInoCache = ReadonlyMap<string, Checksum>

export interface ModifierOptions {
  /** Owner 0:0, no permission bits but 0755, no xattrs (which a tar keeps nevertheless, as in libostree). */
  readonly canonicalPermissions?: boolean | undefined
  readonly noXattrs?: boolean | undefined
  readonly filter?: CommitFilter | undefined
  readonly xattrs?: XattrCallback | undefined
  readonly devino?: DevInoCache | undefined
  /** What the cache says is taken as it is: neither filtered nor compared. */
  readonly devinoCanonical?: boolean | undefined
}

/** Rules of one commit into one repository: what a bare-user-only repository demands is in force whatever was asked. */
export class CommitModifier {
  readonly devino: DevInoCache | undefined
  readonly devinoCanonical: boolean
  readonly xattrCallback: XattrCallback | undefined
  /** Attributes of files on disk are not to be read. */
  readonly skipXattrs: boolean
  /** Attributes in an archive are not to be looked at. */
  readonly skipTarXattrs: boolean
  /** Set before the first tree is read. */
  sePolicy: Pick<SePolicy, 'label'> | undefined
  readonly #canonical: boolean
  readonly #forced: boolean
  readonly #filter: CommitFilter | undefined

  constructor(repo: Pick<Repo, 'mode' | 'settings'>, options: ModifierOptions = {}) {
    const forced = repo.mode === 'bare-user-only'
    this.#forced = forced
    this.#canonical = forced || options.canonicalPermissions === true
    this.#filter = options.filter
    // As in libostree, neither canonical permissions nor a repository without xattrs keep those of an archive out.
    this.skipTarXattrs = forced || options.noXattrs === true
    this.skipXattrs = this.skipTarXattrs || this.#canonical || repo.settings.disableXattrs
    this.xattrCallback = options.xattrs
    this.devino = options.devino
    this.devinoCanonical = options.devinoCanonical === true
  }

  /** True when `apply` never changes or refuses anything. */
  get isIdentity(): boolean {
    return !this.#canonical && this.#filter === undefined
  }

  /** Changes `inode` in place. @returns false when it is to be left out */
  apply(path: string, inode: InodeInfo): boolean {
    const keep = this.#filter === undefined || this.#filter(path, inode)
    if (this.#canonical) {
      inode.uid = 0
      inode.gid = 0
      const type = inode.mode & S_IFMT
      if (type === S_IFREG || type === S_IFDIR) inode.mode = type | (inode.mode & 0o755)
      // Links are on the disk in a bare-user-only repository, and there they have no other mode.
      else if (this.#forced && type === S_IFLNK) inode.mode = S_IFLNK | 0o777
    }
    return keep
  }

  /** The attributes with the label that the policy has for the path, in canonical order; as they are where it has none. */
  label(path: string, { mode }: Readonly<InodeInfo>, xattrs: Xattrs): Xattrs {
    const label = this.sePolicy?.label(path, mode)
    return label === undefined ? xattrs : withLabel(xattrs, label)
  }
}

/** Mode bits by path; see `parseStatOverrides`. */
export interface StatOverrides {
  /** Bits added; an entry is used up by its first match. */
  readonly add: Map<string, number>
  /** Permission bits set. */
  readonly set: Map<string, number>
}

/**
 * Reads a statoverride file: `MODE PATH` adds bits, `=MODE PATH` sets them; MODE is decimal, or hexadecimal after `0x`.
 * @throws {FormatError} `Malformed statoverride file (no space found)`
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

/** As strtod reads a number: what follows it is ignored, no number at all is 0. */
function parseMode(text: string): number {
  const hex = /^\s*0x([0-9a-f]+)/i.exec(text)
  const value = hex === null ? Number.parseFloat(text) : Number.parseInt(hex[1] as string, 16)
  return Number.isFinite(value) ? value & 0o7777 : 0
}

/** One path a line. An entry is used up by its match. */
export function parseSkipList(text: string): Set<string> {
  return new Set(nonEmptyLines(text))
}

function nonEmptyLines(text: string): string[] {
  return text.split('\n').filter((line) => line !== '')
}

export interface CommitFilterOptions {
  readonly ownerUid?: number | undefined
  readonly ownerGid?: number | undefined
  /** Regular files that anybody may execute nobody may write. */
  readonly readOnlyExecutables?: boolean | undefined
  /** Used up by the filter: what is left in `add` afterwards matched nothing. */
  readonly statOverrides?: StatOverrides | undefined
  /** As `statOverrides`. */
  readonly skipList?: Set<string> | undefined
}

/** The filter that `ostree commit` makes of its options; `undefined` when there is nothing to do. */
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
