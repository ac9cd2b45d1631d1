/**
 * Which files a repository mode can hold. Source: libostree, `_ostree_validate_bareuseronly_mode` and
 * `write_content_object` in ostree-repo-commit.c.
 */

import type { Checksum } from '../../bytes.ts'
import { FormatError, UnsupportedError } from '../../errors.ts'
import {
  type FileHeader,
  isSymlink,
  S_IFLNK,
  validateBareUserOnlyMode,
  validateFileHeader,
} from '../../objects/index.ts'
import type { RepoMode } from './interface.ts'

/** What no mode can hold. @param size bytes of content. @throws {FormatError} */
export function requireSoundHeader(header: FileHeader, size: number): void {
  validateFileHeader(header)
  if (isSymlink(header) && size > 0) {
    throw new FormatError('file header', `Symbolic link with ${size} bytes of content`)
  }
}

/** How every symbolic link there is read. */
const USER_ONLY_SYMLINK = S_IFLNK | 0o777

/**
 * A bare-user-only repository has no place for owners and extended attributes: it reads every file as owned by root,
 * so that writing another would store an object under a checksum it no longer has.
 * @throws {FormatError} `Content object X: invalid mode …` on set-id, sticky and world-writable files;
 *   {UnsupportedError} naming the modes that can hold the file
 */
export function requireHoldable(mode: RepoMode, header: FileHeader, checksum: Checksum): void {
  if (mode === 'bare-split-xattrs') throw new UnsupportedError(mode, 'Not allowed due to repo mode')
  if (mode !== 'bare-user-only') return

  validateBareUserOnlyMode(checksum, header.mode)
  if (isSymlink(header) && header.mode !== USER_ONLY_SYMLINK) {
    throw cannotHold(checksum, `a symbolic link of mode 0${header.mode.toString(8)}`)
  }
  if (header.uid !== 0 || header.gid !== 0) throw cannotHold(checksum, `owner ${header.uid}:${header.gid}`)
  if (header.xattrs.length > 0) throw cannotHold(checksum, 'extended attributes')
}

function cannotHold(checksum: Checksum, what: string): UnsupportedError {
  return new UnsupportedError(
    'bare-user-only',
    `Content object ${checksum}: mode bare-user-only cannot hold ${what}; archive, bare-user and bare can`,
  )
}
