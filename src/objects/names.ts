/**
 * Names of objects: checksums as text and bytes, object types as words and numbers, paths of loose files.
 * Pure string work. Source: ostree-core.h, ostree-core.c (ostree_validate_checksum_string, ostree_object_to_string).
 */

import { type Checksum, fromHex, toHex } from '../bytes.ts'
import { FormatError, InvalidNameError } from '../errors.ts'
import type { ObjectName, ObjectType } from './interface.ts'

const CHECKSUM = /^[0-9a-f]{64}$/

/** Index is the number of the type in deltas, `ostree.sizes` and on the wire. */
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

export function isChecksum(text: string): text is Checksum {
  return CHECKSUM.test(text)
}

/** @throws {InvalidNameError} unless `text` is 64 digits of lower-case hex */
export function parseChecksum(text: string): Checksum {
  if (isChecksum(text)) return text
  throw new InvalidNameError(text, checksumFault(text))
}

function checksumFault(text: string): string {
  const bytes = new TextEncoder().encode(text)
  if (bytes.length !== 64) return `Invalid rev ${text}`
  // A char is signed where ostree runs, so bytes of multi-byte characters print below zero.
  const stray = bytes.find((byte) => !((byte >= 0x30 && byte <= 0x39) || (byte >= 0x61 && byte <= 0x66))) ?? 0
  return `Invalid character '${(stray << 24) >> 24}' in rev '${text}'`
}

/** @returns 32 bytes */
export function checksumToBytes(checksum: Checksum): Uint8Array {
  return fromHex(checksum)
}

/** @throws {FormatError} unless `bytes` are 32 */
export function checksumFromBytes(bytes: Uint8Array): Checksum {
  if (bytes.length !== 32) {
    throw new FormatError('checksum', `Invalid checksum of length ${bytes.length} expected 32`)
  }
  return toHex(bytes) as Checksum
}

/** Base64 of the checksum, with `_` for `/` and without the final `=`: 43 characters that may stand in a file name. */
export function modifiedBase64(checksum: Checksum): string {
  const bytes = fromHex(checksum)
  return btoa(String.fromCharCode(...bytes))
    .slice(0, 43)
    .replaceAll('/', '_')
}

/** @throws {InvalidNameError} unless `text` is what `modifiedBase64` gives */
export function parseModifiedBase64(text: string): Checksum {
  if (/^[A-Za-z0-9+_]{43}$/.test(text)) {
    const binary = atob(`${text.replaceAll('_', '/')}=`)
    const checksum = toHex(Uint8Array.from(binary, (char) => char.charCodeAt(0))) as Checksum
    if (modifiedBase64(checksum) === text) return checksum
  }
  throw new InvalidNameError(text, `Invalid base64 checksum ${text}`)
}

/** 1 for `file` up to 9. */
export function objectTypeNumber(type: ObjectType): number {
  return TYPES.indexOf(type)
}

/** @throws what `unknown` makes, by default a FormatError, when no type has that number */
export function objectTypeFromNumber(
  number: number,
  unknown: () => Error = () => new FormatError('object type', `Invalid object type '${number}'`),
): ObjectType {
  const type = TYPES[number]
  if (type === undefined) throw unknown()
  return type
}

export function isObjectType(text: string): text is ObjectType {
  return text !== '' && TYPES.some((type) => type === text)
}

/** Stored as it is, in every mode; all but the attached ones are named by the hash of their bytes. */
export function isMetaObject(type: ObjectType): boolean {
  const number = objectTypeNumber(type)
  return number >= 2 && number <= 6
}

/** `<checksum>.<type>` */
export function formatObjectName(name: ObjectName): string {
  return `${name.checksum}.${name.type}`
}

/** @throws {InvalidNameError} */
export function parseObjectName(text: string): ObjectName {
  const dot = text.lastIndexOf('.')
  const type = text.slice(dot + 1)
  if (dot < 0 || !isObjectType(type)) throw new InvalidNameError(text, `Invalid object name ${text}`)
  return { checksum: parseChecksum(text.slice(0, dot)), type }
}

/**
 * Where the object lies in a repository directory: `objects/ab/cdef….dirtree`.
 * @param archive archive repositories store content compressed, as `.filez`
 */
export function loosePath(name: ObjectName, archive: boolean): string {
  const { checksum, type } = name
  const compressed = archive && !isMetaObject(type) ? 'z' : ''
  return `objects/${checksum.slice(0, 2)}/${checksum.slice(2)}.${type}${compressed}`
}

/** The inverse of `loosePath`, for paths relative to `objects/`. @returns `undefined` when the path names no object */
export function parseLoosePath(path: string): (ObjectName & { compressed: boolean }) | undefined {
  // Read by hand, for lists of a whole repository: an expression takes four times as long.
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
/** Where the checksum ends in `ab/cdef….TYPE`. */
const LOOSE_DOT = 2 + 1 + 62

const COLLECTION_ID = /^(?=.{1,255}$)[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)+$/

/** Grammar of a D-Bus interface name: two or more words joined by dots, none starting with a digit. */
export function isCollectionId(text: string): boolean {
  return COLLECTION_ID.test(text)
}

/** @throws {InvalidNameError} */
export function validateCollectionId(text: string): void {
  if (!isCollectionId(text)) throw new InvalidNameError(text, `Invalid collection ID ${text}`)
}
