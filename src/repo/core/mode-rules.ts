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

/** The mode with which a repository reads every symlink that it stores as one. */
const PLAIN_SYMLINK = S_IFLNK | 0o777

/**
 * Checks that a repository mode can store a file. A bare-user-only repository stores neither owner nor xattrs and reads
 * every file as owned by root, so any other file would not match its checksum when it is read. Neither it nor a bare one
 * stores the mode of a symlink.
 * @throws {FormatError} `Content object X: invalid mode …` when the file is setuid, setgid, sticky or world-writable
 * @throws {UnsupportedError} when the mode cannot store the file's owner, xattrs or symlink mode; always for the
 *   read-only mode bare-split-xattrs
 */
export function requireHoldable(mode: RepoMode, header: FileHeader, checksum: Checksum): void {
  if (mode === 'bare-split-xattrs') throw new UnsupportedError(mode, 'Not allowed due to repo mode')
  if (mode !== 'bare-user-only' && mode !== 'bare') return

  if (mode === 'bare-user-only') validateBareUserOnlyMode(checksum, header.mode)
  if (isSymlink(header) && header.mode !== PLAIN_SYMLINK) {
    throw cannotHold(mode, checksum, `a symbolic link of mode 0${header.mode.toString(8)}`, 'archive and bare-user')
  }
  if (mode === 'bare') return
  const others = 'archive, bare-user and bare'
  if (header.uid !== 0 || header.gid !== 0) {
    throw cannotHold(mode, checksum, `owner ${header.uid}:${header.gid}`, others)
  }
  if (header.xattrs.length > 0) throw cannotHold(mode, checksum, 'extended attributes', others)
}

function cannotHold(mode: RepoMode, checksum: Checksum, what: string, others: string): UnsupportedError {
  return new UnsupportedError(mode, `Content object ${checksum}: mode ${mode} cannot hold ${what}; ${others} can`)
}
