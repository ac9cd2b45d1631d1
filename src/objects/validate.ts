/**
 * Checks that objects are well-formed: applied to objects from a network, by fsck, and before metadata is stored under
 * an expected checksum. Objects of a local repository are trusted. The messages are ostree's, and callers put the name
 * of the object before them (`withContext`). Source: ostree-core.c, ostree_validate_structureof_*.
 */

import { byteKey, type Checksum, compareBytes, escapeUtf8 } from '../bytes.ts'
import { FormatError } from '../errors.ts'
import { isNormal, vardict } from '../gvariant/index.ts'
import { Commit } from './commit.ts'
import { DirMeta } from './dirmeta.ts'
import { DirTree } from './dirtree.ts'
import { type AttachedType, type FileHeader, type MetaType, S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from './interface.ts'
import type { Xattrs } from './xattrs.ts'

const MODE_BITS = S_IFMT | 0o7777
const CHECKSUM_LENGTH = 32
/** Half of a surrogate pair, which UTF-8 cannot encode. */
const LONE_SURROGATE = /\p{Cs}/u

/**
 * Accepted order of xattrs. `sorted`: canonical order; `any`: also other orders, which ostree before 2024.10 wrote.
 * Names are unique in both.
 */
export type XattrOrder = 'sorted' | 'any'

function invalid(what: string, message: string): FormatError {
  return new FormatError(what, message)
}

function validateNormal(what: string, type: string, bytes: Uint8Array): void {
  if (!isNormal(type, bytes)) throw invalid(what, 'Not normal form')
}

/** @param checksum decoded by a codec: hex of any length */
function validateChecksum(what: string, context: string, checksum: Checksum): void {
  const length = checksum.length / 2
  if (length === CHECKSUM_LENGTH) return
  throw invalid(what, `${context}Invalid checksum of length ${length} expected ${CHECKSUM_LENGTH}`)
}

/** Checks and decodes a commit. @throws {FormatError} when it is malformed */
export function validateCommit(bytes: Uint8Array): Commit {
  validateNormal('commit', Commit.type, bytes)
  const commit = Commit.decode(bytes)
  const { metadata, parent, rootTree, rootMeta } = commit
  if (metadata.some(([key]) => key === '')) throw invalid('commit', 'Empty metadata key')
  if (parent !== undefined) validateChecksum('commit', 'Invalid commit parent: ', parent)
  validateChecksum('commit', 'Invalid commit tree content checksum: ', rootTree)
  validateChecksum('commit', 'Invalid commit tree metadata checksum: ', rootMeta)
  return commit
}

/**
 * Checks and decodes a dirtree. Like ostree it accepts unsorted and duplicate names.
 * @throws {FormatError} when it is malformed
 */
export function validateDirTree(bytes: Uint8Array): DirTree {
  validateNormal('dirtree', DirTree.type, bytes)
  const tree = DirTree.decode(bytes)
  for (const { name, checksum } of tree.files) {
    validateFilename(name)
    validateChecksum('dirtree', '', checksum)
  }
  for (const dir of tree.dirs) {
    validateFilename(dir.name)
    validateChecksum('dirtree', '', dir.tree)
    validateChecksum('dirtree', '', dir.meta)
  }
  return tree
}

/** Checks and decodes a dirmeta. @throws {FormatError} when it is malformed or its mode is not of a directory */
export function validateDirMeta(bytes: Uint8Array, order: XattrOrder = 'any'): DirMeta {
  validateNormal('dirmeta', DirMeta.type, bytes)
  const dirMeta = DirMeta.decode(bytes)
  const { mode, xattrs } = dirMeta
  if ((mode & S_IFMT) !== S_IFDIR) {
    throw invalid('dirmeta', `Invalid directory metadata mode ${mode}; not a directory`)
  }
  validateModeBits('dirmeta', mode)
  validateXattrs(xattrs, order)
  return dirMeta
}

/**
 * Checks a metadata object of the given type.
 * @param order which order of the xattrs of a dirmeta is accepted; fsck requires `sorted` since libostree 2024.10
 * @throws {FormatError} when it is malformed
 */
export function validateMeta(type: MetaType | AttachedType, bytes: Uint8Array, order: XattrOrder = 'any'): void {
  if (type === 'commit') validateCommit(bytes)
  else if (type === 'dirtree') validateDirTree(bytes)
  else if (type === 'dirmeta') validateDirMeta(bytes, order)
  else validateNormal(type, vardict.type, bytes)
}

/** Checks the mode and xattrs of a file. @throws {FormatError} when either is invalid */
export function validateFileHeader(header: FileHeader, order: XattrOrder = 'any'): void {
  validateFileMode(header.mode)
  validateXattrs(header.xattrs, order)
}

/** Checks the mode of a file. @throws {FormatError} unless it is of a regular file or a symbolic link */
export function validateFileMode(mode: number): void {
  const type = mode & S_IFMT
  if (type !== S_IFREG && type !== S_IFLNK) {
    throw invalid('file', `Invalid file metadata mode ${mode}; not a valid file type`)
  }
  validateModeBits('file', mode)
}

function validateModeBits(what: string, mode: number): void {
  if ((mode & ~MODE_BITS) !== 0) throw invalid(what, `Invalid mode ${mode}; invalid bits in mode`)
}

/**
 * Checks a mode against the rules of bare-user-only repositories.
 * @throws {FormatError} when a regular file is set-id, sticky or world-writable
 */
export function validateBareUserOnlyMode(checksum: Checksum, mode: number): void {
  if ((mode & S_IFMT) !== S_IFREG) return
  const stray = mode & ~(S_IFREG | 0o775)
  if (stray === 0) return
  const octal = (value: number) => `0${value.toString(8).padStart(4, '0')}`
  throw invalid(`${checksum}.file`, `Content object ${checksum}: invalid mode ${octal(mode)} with bits ${octal(stray)}`)
}

/**
 * Checks the name of a dirtree entry.
 * @throws {FormatError} when it is empty, `.`, `..`, has a `/` or is not valid UTF-8
 */
export function validateFilename(name: string): void {
  if (name === '') throw invalid('filename', 'Invalid empty filename')
  if (name === '.') throw invalid('filename', "Invalid self-referential filename '.'")
  if (name === '..') throw invalid('filename', "Invalid path uplink filename '..'")
  if (name.includes('/')) throw invalid('filename', `Invalid / in filename ${name}`)
  if (LONE_SURROGATE.test(name)) throw invalid('filename', `Invalid UTF-8 in filename ${name}`)
}

/** Validates names and order of xattrs. @throws {FormatError} when a name is empty or duplicate, or the order is wrong */
export function validateXattrs(xattrs: Xattrs, order: XattrOrder = 'sorted'): void {
  const seen = new Set<string>()
  let previous: Uint8Array | undefined
  let index = 0
  for (const [name] of xattrs) {
    if (name.length === 0) throw invalid('xattrs', `Invalid xattr name (empty or missing NUL) index=${index}`)
    if (previous !== undefined) {
      const difference = compareBytes(previous, name)
      const duplicate = difference === 0 || (order === 'any' && seen.has(byteKey(name)))
      if (duplicate) throw invalid('xattrs', `Duplicate xattr name, index=${index}`)
      if (difference > 0 && order === 'sorted') {
        const names = `prev=${escapeUtf8(previous)}, cur=${escapeUtf8(name)}`
        throw invalid('xattrs', `Incorrectly sorted xattr name (${names}), index=${index}`)
      }
    }
    if (order === 'any') seen.add(byteKey(name))
    previous = name
    index++
  }
}

const LAST_NAMED_TYPE = 4

/**
 * Checks the type number of an object name from a network.
 * @throws {FormatError} unless it is of a file, dirtree, dirmeta or commit
 */
export function validateObjectTypeNumber(number: number): void {
  if (number < 1 || number > LAST_NAMED_TYPE) throw invalid('object type', `Invalid object type '${number}'`)
}
