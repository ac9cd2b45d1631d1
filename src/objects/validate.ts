/**
 * Whether objects are well-formed: asked of what comes over a network, by fsck, and before metadata is stored under a
 * name it claims. Objects of a local repository are trusted. Source: ostree-core.c, ostree_validate_structureof_*;
 * the messages are its own, and callers put the name of the object in front (`withContext`).
 */

import { type Checksum, compareBytes, displayUtf8, encodeUtf8 } from '../bytes.ts'
import { FormatError } from '../errors.ts'
import { isNormal, vardict } from '../gvariant/index.ts'
import { Commit } from './commit.ts'
import { DirMeta } from './dirmeta.ts'
import { DirTree } from './dirtree.ts'
import {
  type AttachedType,
  type FileHeader,
  type MetaType,
  S_IFDIR,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  type Xattrs,
} from './interface.ts'

const MODE_BITS = S_IFMT | 0o7777
const CHECKSUM_LENGTH = 32
/** What UTF-8 has no bytes for. */
const LONE_SURROGATE = /\p{Cs}/u

/** `sorted`: canonical order; `any`: as versions before 2024.10 wrote them too. Names are unique in both. */
export type XattrOrder = 'sorted' | 'any'

function invalid(what: string, message: string): FormatError {
  return new FormatError(what, message)
}

function validateNormal(what: string, type: string, bytes: Uint8Array): void {
  if (!isNormal(type, bytes)) throw invalid(what, 'Not normal form')
}

/** @param checksum as a codec decoded it: hex of as many bytes as there were */
function validateChecksum(what: string, context: string, checksum: Checksum): void {
  const length = checksum.length / 2
  if (length === CHECKSUM_LENGTH) return
  throw invalid(what, `${context}Invalid checksum of length ${length} expected ${CHECKSUM_LENGTH}`)
}

/** @returns what it holds. @throws {FormatError} */
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

/** Order and uniqueness of names are not looked at: ostree accepts any. @returns what it holds. @throws {FormatError} */
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

/** @returns what it holds. @throws {FormatError} */
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

/** @throws {FormatError} */
export function validateMeta(type: MetaType | AttachedType, bytes: Uint8Array): void {
  if (type === 'commit') validateCommit(bytes)
  else if (type === 'dirtree') validateDirTree(bytes)
  else if (type === 'dirmeta') validateDirMeta(bytes)
  else validateNormal(type, vardict.type, bytes)
}

/** @throws {FormatError} */
export function validateFileHeader(header: FileHeader, order: XattrOrder = 'any'): void {
  validateFileMode(header.mode)
  validateXattrs(header.xattrs, order)
}

/** @throws {FormatError} unless it is the mode of a regular file or a symbolic link */
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

/** What bare-user-only repositories refuse: a regular file that is set-id, sticky or writable for all. @throws {FormatError} */
export function validateBareUserOnlyMode(checksum: Checksum, mode: number): void {
  if ((mode & S_IFMT) !== S_IFREG) return
  const stray = mode & ~(S_IFREG | 0o775)
  if (stray === 0) return
  const octal = (value: number) => `0${value.toString(8).padStart(4, '0')}`
  throw invalid(`${checksum}.file`, `Content object ${checksum}: invalid mode ${octal(mode)} with bits ${octal(stray)}`)
}

/** @throws {FormatError} unless the name may stand in a dirtree */
export function validateFilename(name: string): void {
  if (name === '') throw invalid('filename', 'Invalid empty filename')
  if (name === '.') throw invalid('filename', "Invalid self-referential filename '.'")
  if (name === '..') throw invalid('filename', "Invalid path uplink filename '..'")
  if (name.includes('/')) throw invalid('filename', `Invalid / in filename ${name}`)
  if (LONE_SURROGATE.test(name)) throw invalid('filename', `Invalid UTF-8 in filename ${displayUtf8(encodeUtf8(name))}`)
}

/** @throws {FormatError} */
export function validateXattrs(xattrs: Xattrs, order: XattrOrder = 'sorted'): void {
  const seen = new Set<string>()
  let previous: Uint8Array | undefined
  let index = 0
  for (const [name] of xattrs) {
    if (name.length === 0) throw invalid('xattrs', `Invalid xattr name (empty or missing NUL) index=${index}`)
    if (previous !== undefined) {
      const difference = compareBytes(previous, name)
      const duplicate = difference === 0 || (order === 'any' && seen.has(key(name)))
      if (duplicate) throw invalid('xattrs', `Duplicate xattr name, index=${index}`)
      if (difference > 0 && order === 'sorted') {
        const names = `prev=${displayUtf8(previous)}, cur=${displayUtf8(name)}`
        throw invalid('xattrs', `Incorrectly sorted xattr name (${names}), index=${index}`)
      }
    }
    if (order === 'any') seen.add(key(name))
    previous = name
    index++
  }
}

function key(name: Uint8Array): string {
  return String.fromCharCode(...name)
}

const LAST_NAMED_TYPE = 4

/** Of an object name that came over the network: file, dirtree, dirmeta or commit. @throws {FormatError} */
export function validateObjectTypeNumber(number: number): void {
  if (number < 1 || number > LAST_NAMED_TYPE) throw invalid('object type', `Invalid object type '${number}'`)
}
