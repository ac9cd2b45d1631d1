/**
 * Converts names of objects: checksums as text and bytes, object types as words and numbers, paths of loose files.
 * Source: ostree-core.h, ostree-core.c (ostree_validate_checksum_string, ostree_object_to_string).
 */

import { type Checksum, displayUtf8, fromHex, toHex, unescapeUtf8 } from '../bytes.ts'
import { FormatError, InvalidNameError } from '../errors.ts'
import type { ObjectName, ObjectType } from './interface.ts'

const CHECKSUM = /^[0-9a-f]{64}$/

/** Object types, indexed by their number in deltas, `ostree.sizes` and on the wire. */
const TYPES: readonly (ObjectType | undefined)[] = [
  undefined,
  'file',
  'dirtree',
  'dirmeta',
  'commit',
  'tombstone-commit',
  'commitmeta',
  'payload-link',
  'file-xattrs',
  'file-xattrs-link',
]

/** Tests whether a text is 64 lower-case hex digits. */
export function isChecksum(text: string): text is Checksum {
  return CHECKSUM.test(text)
}

/** Parses a checksum. @throws {InvalidNameError} unless `text` is 64 lower-case hex digits */
export function parseChecksum(text: string): Checksum {
  if (isChecksum(text)) return text
  throw new InvalidNameError(text, checksumFault(text))
}

function checksumFault(text: string): string {
  const bytes = unescapeUtf8(text)
  // `%.64s` of GLib: characters that are cut are shown as U+FFFD.
  if (bytes.length !== 64) return `Invalid rev ${displayUtf8(bytes.subarray(0, 64))}`
  // ostree prints a signed char, so bytes of multi-byte characters are shown as negative numbers.
  const stray = bytes.find((byte) => !((byte >= 0x30 && byte <= 0x39) || (byte >= 0x61 && byte <= 0x66))) ?? 0
  return `Invalid character '${(stray << 24) >> 24}' in rev '${text}'`
}

/** Converts a checksum to its 32 bytes. */
export function checksumToBytes(checksum: Checksum): Uint8Array {
  return fromHex(checksum)
}

/** Converts 32 bytes to a checksum. @throws {FormatError} when `bytes` has another length */
export function checksumFromBytes(bytes: Uint8Array): Checksum {
  if (bytes.length !== 32) {
    throw new FormatError('checksum', `Invalid checksum of length ${bytes.length} expected 32`)
  }
  return toHex(bytes) as Checksum
}

/** Encodes a checksum for use in file names: base64 with `_` for `/` and without the final `=`, 43 characters. */
export function modifiedBase64(checksum: Checksum): string {
  const bytes = Array.from(fromHex(checksum), (byte) => String.fromCharCode(byte))
  return btoa(bytes.join('')).slice(0, 43).replaceAll('/', '_')
}

/** Parses text as `modifiedBase64` returns it. @throws {InvalidNameError} when the text is something else */
export function parseModifiedBase64(text: string): Checksum {
  if (/^[A-Za-z0-9+_]{43}$/.test(text)) {
    const binary = atob(`${text.replaceAll('_', '/')}=`)
    const checksum = toHex(Uint8Array.from(binary, (char) => char.charCodeAt(0))) as Checksum
    if (modifiedBase64(checksum) === text) return checksum
  }
  throw new InvalidNameError(text, `Invalid base64 checksum ${text}`)
}

/** Returns the number of a type: 1 for `file`, up to 9 for `file-xattrs-link`. */
export function objectTypeNumber(type: ObjectType): number {
  return TYPES.indexOf(type)
}

/**
 * Returns the type with a number.
 * @param unknown makes the error to throw; default a FormatError
 * @throws {FormatError} or the error of `unknown` when no type has the number
 */
export function objectTypeFromNumber(
  number: number,
  unknown: () => Error = () => new FormatError('object type', `Invalid object type '${number}'`),
): ObjectType {
  const type = TYPES[number]
  if (type === undefined) throw unknown()
  return type
}

/** Tests whether a text is an object type. */
export function isObjectType(text: string): text is ObjectType {
  return text !== '' && TYPES.some((type) => type === text)
}

/** Tests whether objects of a type are metadata, which every repository mode stores as their plain bytes. */
export function isMetaObject(type: ObjectType): boolean {
  const number = objectTypeNumber(type)
  return number >= 2 && number <= 6
}

/** Formats a name as `<checksum>.<type>`. */
export function formatObjectName(name: ObjectName): string {
  return `${name.checksum}.${name.type}`
}

/** Parses an object name, `<checksum>.<type>`. @throws {InvalidNameError} when the text is something else */
export function parseObjectName(text: string): ObjectName {
  const dot = text.lastIndexOf('.')
  const type = text.slice(dot + 1)
  if (dot < 0 || !isObjectType(type)) throw new InvalidNameError(text, `Invalid object name ${text}`)
  return { checksum: parseChecksum(text.slice(0, dot)), type }
}

/**
 * Returns the path of an object in a repository directory: `objects/ab/cdef….dirtree`.
 * @param archive whether the repository is in archive mode, which compresses content to `.filez`
 */
export function loosePath(name: ObjectName, archive: boolean): string {
  const { checksum, type } = name
  const compressed = archive && !isMetaObject(type) ? 'z' : ''
  return `objects/${checksum.slice(0, 2)}/${checksum.slice(2)}.${type}${compressed}`
}

/**
 * Parses a path as `loosePath` returns it, without `objects/` in front.
 * @returns `undefined` for any other path
 */
export function parseLoosePath(path: string): (ObjectName & { compressed: boolean }) | undefined {
  // Lists of a whole repository parse every path: a regular expression takes four times as long as this loop.
  if (path.charCodeAt(2) !== SLASH || path.charCodeAt(LOOSE_DOT) !== DOT) return undefined
  for (let at = 0; at < LOOSE_DOT; at++) {
    const code = path.charCodeAt(at)
    if (!(code >= 0x30 && code <= 0x39) && !(code >= 0x61 && code <= 0x66) && at !== 2) return undefined
  }
  const suffix = path.slice(LOOSE_DOT + 1)
  const compressed = suffix === 'filez'
  const type = compressed ? 'file' : suffix
  if (!isObjectType(type)) return undefined
  return { checksum: `${path.slice(0, 2)}${path.slice(3, LOOSE_DOT)}` as Checksum, type, compressed }
}

const SLASH = 0x2f
const DOT = 0x2e
/** Index of the dot in `ab/cdef….TYPE`. */
const LOOSE_DOT = 2 + 1 + 62

const COLLECTION_ID = /^(?=.{1,255}$)[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)+$/

/**
 * Tests whether a text is a collection ID. It has the grammar of a D-Bus interface name: two or more words joined by
 * dots.
 */
export function isCollectionId(text: string): boolean {
  return COLLECTION_ID.test(text)
}

/** Checks a collection ID. @throws {InvalidNameError} when it is malformed */
export function validateCollectionId(text: string): void {
  if (!isCollectionId(text)) throw new InvalidNameError(text, `Invalid collection ID ${text}`)
}
