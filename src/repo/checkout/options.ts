/** The options of a checkout. */

import type { Checksum } from '../../bytes.ts'
import type { FileHeader } from '../../objects/index.ts'
import type { ProgressOptions } from '../../progress.ts'
import type { SePolicy } from '../selinux/sepolicy.ts'
import type { CheckoutMode, UncompressedCache } from './target.ts'

export type OverwriteMode = 'none' | 'union-files' | 'add' | 'union-identical'

/** @param path of a directory with a slash at its end: `/`, `/usr/`, `/usr/file` */
export type CheckoutFilter = (path: string, header: FileHeader) => 'allow' | 'skip'

export interface CheckoutOptions extends Pick<ProgressOptions, 'signal'> {
  /** Default `none`; a bare-user-only repository knows nothing but `user`. */
  readonly mode?: CheckoutMode | undefined
  /** Default `none`. */
  readonly overwrite?: OverwriteMode | undefined
  /** Path in the commit: of a directory, whose content is checked out, or of a file, which is put into the target. */
  readonly subpath?: string | undefined
  /** Each link that cannot be made is an error. */
  readonly requireHardlinks?: boolean | undefined
  /** Link nothing, and give directories the time they are made. */
  readonly forceCopy?: boolean | undefined
  /** `.wh.NAME` removes NAME, `.wh..wh..opq` whatever the directory had. */
  readonly whiteouts?: boolean | undefined
  /** `.ostree-wh.NAME` becomes the device NAME by which overlayfs hides. */
  readonly passthroughWhiteouts?: boolean | undefined
  /** Directories lose the bits a bare-user-only repository has no place for. */
  readonly bareUserOnlyDirs?: boolean | undefined
  readonly filter?: CheckoutFilter | undefined
  /**
   * Gives regular files the labels of a policy, in place of those committed, unless `mode` is `user`. Nothing is linked
   * then. Directories and symbolic links get theirs from the kernel, if it knows of any.
   */
  readonly sePolicy?: Pick<SePolicy, 'label'> | undefined
  /** Where the policy is told the files are, or where the one of a `subpath` is. Default `subpath`. */
  readonly sePolicyPrefix?: string | undefined
  readonly fsync?: boolean | undefined
  /** Default MAX_CHECKOUT_ENTRIES. */
  readonly maxEntries?: number | undefined
  /** For `user` checkouts of an archive repository; not with `core.enable-uncompressed-cache=false`. */
  readonly cache?: UncompressedCache | undefined
  /** Is told the inode of each file that was linked, for a later commit of the same files. */
  readonly devino?: Map<string, Checksum> | undefined
}

/** What `--skip-list` means: entries of directories end in a slash. */
export function skipListFilter(paths: ReadonlySet<string>): CheckoutFilter {
  return (path) => (paths.has(path) ? 'skip' : 'allow')
}
