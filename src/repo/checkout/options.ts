/** The options of a checkout. */

import type { Checksum } from '../../bytes.ts'
import type { FileHeader } from '../../objects/index.ts'
import type { ProgressOptions } from '../../progress.ts'
import type { SePolicy } from '../selinux/sepolicy.ts'
import type { CheckoutMode, UncompressedCache } from './target.ts'

/** What to do with existing files; see the table in checkout.ts. */
export type OverwriteMode = 'none' | 'union-files' | 'add' | 'union-identical'

/** Decides whether to check out an entry. @param path absolute; that of a directory ends in a slash: `/`, `/usr/` */
export type CheckoutFilter = (path: string, header: FileHeader) => 'allow' | 'skip'

/** How to check out a commit. */
export interface CheckoutOptions extends ProgressOptions {
  /**
   * Whether files get the committed owner and xattrs. Default `none`; for a bare-user-only repository always `user`.
   */
  readonly mode?: CheckoutMode | undefined
  /** What to do with existing files. Default `none`: they are an error. */
  readonly overwrite?: OverwriteMode | undefined
  /** Path in the commit: a directory whose content is checked out, or a file to be put into the target directory. */
  readonly subpath?: string | undefined
  /** Fail when a file cannot be hard-linked, instead of copying it. */
  readonly requireHardlinks?: boolean | undefined
  /** Copy all files, and leave the current time on directories instead of 0. */
  readonly forceCopy?: boolean | undefined
  /** Apply whiteouts: `.wh.NAME` removes NAME, and `.wh..wh..opq` all existing content of its directory. */
  readonly whiteouts?: boolean | undefined
  /** Create a whiteout device of overlayfs, NAME, for each file `.ostree-wh.NAME`. */
  readonly passthroughWhiteouts?: boolean | undefined
  /** Limit the permissions of directories to 0775, as a bare-user-only repository does. */
  readonly bareUserOnlyDirs?: boolean | undefined
  /**
   * `restore` puts `/usr/etc`, where a commit has the `/etc` of its image, at `/etc`, unless the commit has an `/etc`. Paths
   * of `filter` and of SELinux labels are those in the commit. No effect with `subpath`. Default `keep`.
   */
  readonly etc?: 'keep' | 'restore' | undefined
  readonly filter?: CheckoutFilter | undefined
  /**
   * Policy for the SELinux labels of regular files, in place of those committed; unused in mode `user`. It implies
   * `forceCopy`. Directories and symlinks are left to be labelled by the kernel.
   */
  readonly sePolicy?: Pick<SePolicy, 'label'> | undefined
  /**
   * Path, in the tree as deployed, of the checked-out directory, by which the policy labels files. Default `subpath`.
   */
  readonly sePolicyPrefix?: string | undefined
  /** Sync files and directories to disk. Default false. */
  readonly fsync?: boolean | undefined
  /** Limit of files and directories. Default MAX_CHECKOUT_ENTRIES. */
  readonly maxEntries?: number | undefined
  /** Cache for `user` checkouts of an archive repository. Unused with `core.enable-uncompressed-cache=false`. */
  readonly cache?: UncompressedCache | undefined
  /** Receives the checksum of each hard-linked file by `DEVICE:INODE`, for a later commit of these files. */
  readonly devino?: Map<string, Checksum> | undefined
}

/** Returns the filter of `--skip-list`, which skips the given paths. Paths of directories end in a slash. */
export function skipListFilter(paths: ReadonlySet<string>): CheckoutFilter {
  return (path) => (paths.has(path) ? 'skip' : 'allow')
}
