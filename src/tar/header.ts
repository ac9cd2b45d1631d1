/**
 * Reads the 512-byte header block.
 *
 *       0 name 100     100 mode 8     108 uid 8      116 gid 8
 *     124 size 12      136 mtime 12   148 checksum 8 156 typeflag 1
 *     157 linkname 100 257 magic 6    263 version 2  265 uname 32
 *     297 gname 32     329 major 8    337 minor 8    345 prefix 155
 *
 * GNU headers have `ustar  \0` as magic and version, and a sparse map instead of the prefix (sparse-map.ts). v7 headers
 * end after the link name. Numbers are octal text or, if the top bit of the first byte is set, big-endian two's
 * complement. Malformed headers that libarchive accepts are accepted.
 * Sources: POSIX.1 pax, GNU tar's tar.h, libarchive's archive_read_support_format_tar.c.
 */

import type { Arena } from './arena.ts'

/** Size of a block in bytes. */
export const BLOCK = 512

/** Offset of the name, 100 bytes. */
export const NAME = 0
/** Offset of the permission bits, 8 bytes. */
export const MODE = 100
/** Offset of the owner, 8 bytes. */
export const UID = 108
/** Offset of the group, 8 bytes. */
export const GID = 116
/** Offset of the size in bytes, 12 bytes. */
export const SIZE = 124
/** Offset of the modification time, 12 bytes. */
export const MTIME = 136
/** Offset of the checksum, 8 bytes. */
export const CHECKSUM = 148
/** Offset of the type flag, 1 byte. */
export const TYPEFLAG = 156
/** Offset of the link target, 100 bytes. */
export const LINKNAME = 157
/** Offset of the magic and version, 8 bytes. */
export const MAGIC = 257
/** Offset of the user name, 32 bytes. */
export const UNAME = 265
/** Offset of the group name, 32 bytes. */
export const GNAME = 297
/** Offset of the device's major number, 8 bytes. */
export const DEVMAJOR = 329
/** Offset of the device's minor number, 8 bytes. */
export const DEVMINOR = 337
/** Offset of the prefix of the name, 155 bytes. */
export const PREFIX = 345

/** Format of a header block. PAX headers are `ustar`. */
export type HeaderFormat = 'v7' | 'ustar' | 'gnu'

/** Returns the format of the header block at `at`. */
export function headerFormat(block: Uint8Array, at: number): HeaderFormat {
  const magic = at + MAGIC
  if (
    block[magic] !== 0x75 || // u
    block[magic + 1] !== 0x73 || // s
    block[magic + 2] !== 0x74 || // t
    block[magic + 3] !== 0x61 || // a
    block[magic + 4] !== 0x72 // r
  )
    return 'v7'
  return block[magic + 5] === 0x20 && block[magic + 6] === 0x20 && block[magic + 7] === 0 ? 'gnu' : 'ustar'
}

/** Returns whether the block at `at` is all zeros. */
export function isZeroBlock(bytes: Uint8Array, at: number): boolean {
  for (let i = at; i < at + BLOCK; i++) if (bytes[i] !== 0) return false
  return true
}

/**
 * Returns whether the checksum of a header block is correct: the sum of unsigned bytes, as in POSIX, or of signed bytes,
 * as some old writers computed it.
 * @param view a view of `bytes`
 */
export function isChecksumRight(bytes: Uint8Array, view: DataView, at: number): boolean {
  const field = at + CHECKSUM
  let inField = 0
  for (let i = field; i < field + 8; i++) {
    const byte = bytes[i] as number
    if (byte !== 0x20 && byte !== 0 && (byte < 0x30 || byte > 0x37)) return false
    inField += byte
  }
  const stored = readNumber(bytes, field, 8)
  const unsigned = sumBlock(view, at) - inField + 8 * 0x20
  return stored === unsigned || stored === unsigned - 256 * countHighBytes(bytes, at)
}

/**
 * Returns whether an archive that begins with these bytes is a tar: its first block is a header with a right checksum, or
 * zeros, as in an archive without entries.
 */
export function startsTar(start: Uint8Array): boolean {
  if (start.length < BLOCK) return false
  return isZeroBlock(start, 0) || isChecksumRight(start, new DataView(start.buffer, start.byteOffset, BLOCK), 0)
}

/** Returns the sum of the 512 bytes at `at`. Adding eight bytes a turn takes half the time of one by one. */
export function sumBlock(view: DataView, at: number): number {
  let even = 0
  let odd = 0
  for (let i = at; i < at + BLOCK; i += 8) {
    const first = view.getInt32(i, true)
    const second = view.getInt32(i + 4, true)
    // A lane has 16 bits and is at most 128 * 255.
    even += (first & 0xff00ff) + (second & 0xff00ff)
    odd += ((first >>> 8) & 0xff00ff) + ((second >>> 8) & 0xff00ff)
  }
  return (even & 0xffff) + (even >>> 16) + (odd & 0xffff) + (odd >>> 16)
}

/** Counts the bytes above 127 outside the checksum, each of which makes a sum of signed bytes smaller by 256. */
function countHighBytes(bytes: Uint8Array, at: number): number {
  let count = 0
  for (let i = 0; i < BLOCK; i++) {
    if ((i < CHECKSUM || i >= TYPEFLAG) && (bytes[at + i] as number) > 0x7f) count++
  }
  return count
}

/**
 * Reads a number field: octal digits after optional spaces, up to the first other byte, or base 256. A field without
 * digits is 0.
 * @returns an integer from -2^63 to 2^63, to which larger numbers are clamped; inexact beyond 2^53
 */
export function readNumber(bytes: Uint8Array, start: number, length: number): number {
  const first = bytes[start] as number
  if (first > 0x7f) return readBase256(bytes, start, length)
  const end = start + length
  let i = start
  while (i < end && (bytes[i] === 0x20 || bytes[i] === 0x09)) i++
  const negative = i < end && bytes[i] === 0x2d
  if (negative) i++
  let value = 0
  for (; i < end; i++) {
    const digit = (bytes[i] as number) - 0x30
    if (digit < 0 || digit > 7) break
    value = value * 8 + digit
  }
  return clampInt64(negative ? 0 - value : value)
}

/**
 * Reads the number of an owner as `readNumber`. Numbers beyond 2^53 are reduced to their lower 32 bits, which are all that
 * is stored of an owner, since they could not be exact.
 */
export function readOwner(bytes: Uint8Array, start: number): number {
  const value = readNumber(bytes, start, 8)
  if (Number.isSafeInteger(value)) return value
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(start + 4)
}

const INT64_END = 2 ** 63

/** Clamps a number to the range from -2^63 to 2^63. */
export function clampInt64(value: number): number {
  return Math.min(Math.max(value, -INT64_END), INT64_END)
}

function readBase256(bytes: Uint8Array, start: number, length: number): number {
  const first = bytes[start] as number
  const negative = (first & 0x40) !== 0
  // The top bit marks base 256 and the next is the sign. In two's complement the mark is read as a copy of the sign.
  let value = negative ? (first | 0x80) - 0x100 : first & 0x7f
  for (let i = start + 1; i < start + length; i++) value = value * 256 + (bytes[i] as number)
  return clampInt64(value)
}

/** Returns a copy of a text field: the bytes before its NUL, or all if there is none. */
export function readText(bytes: Uint8Array, start: number, length: number, arena: Arena): Uint8Array {
  return arena.copy(bytes, start, textEnd(bytes, start, length))
}

/** Returns the index of the first NUL in a field, or of its end. */
export function textEnd(bytes: Uint8Array, start: number, length: number): number {
  let end = start
  while (end < start + length && bytes[end] !== 0) end++
  return end
}

/** Returns a copy of the path in a ustar header: `prefix/name`, or the name if the prefix is empty. */
export function readUstarPath(bytes: Uint8Array, at: number, arena: Arena): Uint8Array {
  const prefix = at + PREFIX
  if (bytes[prefix] === 0) return readText(bytes, at + NAME, 100, arena)
  const prefixEnd = textEnd(bytes, prefix, 155)
  const nameEnd = textEnd(bytes, at + NAME, 100)
  const slash = bytes[prefixEnd - 1] === 0x2f ? 0 : 1
  const path = arena.reserve(prefixEnd - prefix + slash + (nameEnd - at - NAME))
  path.set(bytes.subarray(prefix, prefixEnd))
  path[prefixEnd - prefix] = 0x2f
  path.set(bytes.subarray(at + NAME, nameEnd), prefixEnd - prefix + slash)
  return path
}
