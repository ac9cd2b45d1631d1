/**
 * Checks whether a file can be stored in a repository of a given mode. Source: libostree,
 * `_ostree_validate_bareuseronly_mode` and `write_content_object` in ostree-repo-commit.c.
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

/**
 * Checks what holds in all modes.
 * @param size bytes of content
 * @throws {FormatError} when the header is invalid, or a symlink has content
 */
export function requireSoundHeader(header: FileHeader, size: number): void {
  validateFileHeader(header)
  if (isSymlink(header) && size > 0) {
    throw new FormatError('file header', `Symbolic link with ${size} bytes of content`)
  }
}

/** The error of ostree on a file system without fs-verity. No store here can enable fs-verity on any file system. */
export function verityError(): UnsupportedError {
  return new UnsupportedError('fs-verity', 'fsverity required but filesystem does not support it')
}

/** The mode with which a bare-user-only repository reads every symlink. */
const USER_ONLY_SYMLINK = S_IFLNK | 0o777

/**
 * Checks that a repository mode can store a file. A bare-user-only repository stores neither owner nor xattrs and reads
 * every file as owned by root, so any other file would not match its checksum when it is read.
 * @throws {FormatError} `Content object X: invalid mode …` when the file is setuid, setgid, sticky or world-writable
 * @throws {UnsupportedError} when the mode cannot store the file's owner, xattrs or symlink mode; always for the
 *   read-only mode bare-split-xattrs
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
