/**
 * The 512-byte header block, read.
 *
 *       0 name 100     100 mode 8     108 uid 8      116 gid 8
 *     124 size 12      136 mtime 12   148 checksum 8 156 typeflag 1
 *     157 linkname 100 257 magic 6    263 version 2  265 uname 32
 *     297 gname 32     329 major 8    337 minor 8    345 prefix 155
 *
 * GNU has `ustar  \0` for magic and version, and its sparse map where ustar has the prefix (sparse.ts). v7 stops after
 * the link name. Numbers are octal text or, the top bit of the first byte set, big-endian two's complement.
 * Sources: POSIX.1 pax, GNU tar's tar.h, libarchive's archive_read_support_format_tar.c, whose leniency this has.
 */

import type { Arena } from './arena.ts'

export const BLOCK = 512

export const NAME = 0
export const MODE = 100
export const UID = 108
export const GID = 116
export const SIZE = 124
export const MTIME = 136
export const CHECKSUM = 148
export const TYPEFLAG = 156
export const LINKNAME = 157
export const MAGIC = 257
export const UNAME = 265
export const GNAME = 297
export const DEVMAJOR = 329
export const DEVMINOR = 337
export const PREFIX = 345

export type HeaderFormat = 'v7' | 'ustar' | 'gnu'

/** `ustar` covers PAX: its headers look the same. */
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

export function isZeroBlock(bytes: Uint8Array, at: number): boolean {
  for (let i = at; i < at + BLOCK; i++) if (bytes[i] !== 0) return false
  return true
}

/**
 * Whether the check sum fits, taken over unsigned bytes as POSIX has it or over signed ones as old writers did.
 * @param view of the same bytes
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

/** Sum of the 512 bytes. Two lanes of four bytes each, eight bytes a turn: takes half the time of one by one. */
export function sumBlock(view: DataView, at: number): number {
  let even = 0
  let odd = 0
  for (let i = at; i < at + BLOCK; i += 8) {
    const first = view.getInt32(i, true)
    const second = view.getInt32(i + 4, true)
    // a lane is 16 bits wide and holds at most 128 * 255
    even += (first & 0xff00ff) + (second & 0xff00ff)
    odd += ((first >>> 8) & 0xff00ff) + ((second >>> 8) & 0xff00ff)
  }
  return (even & 0xffff) + (even >>> 16) + (odd & 0xffff) + (odd >>> 16)
}

/** Bytes that a signed sum takes 256 lower. */
function countHighBytes(bytes: Uint8Array, at: number): number {
  let count = 0
  for (let i = 0; i < BLOCK; i++) {
    if ((i < CHECKSUM || i >= TYPEFLAG) && (bytes[at + i] as number) > 0x7f) count++
  }
  return count
}

/**
 * Octal behind leading spaces, up to the first byte that is no octal digit; nothing at all reads as 0. Or base 256.
 * @returns an integer of at most 64 bits, where what is too large for that ends; inexact beyond 53
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

const INT64_END = 2 ** 63

export function clampInt64(value: number): number {
  return Math.min(Math.max(value, -INT64_END), INT64_END)
}

function readBase256(bytes: Uint8Array, start: number, length: number): number {
  const first = bytes[start] as number
  const negative = (first & 0x40) !== 0
  // the top bit is the mark and the next the sign: as two's complement the mark reads as a copy of the sign
  let value = negative ? (first | 0x80) - 0x100 : first & 0x7f
  for (let i = start + 1; i < start + length; i++) value = value * 256 + (bytes[i] as number)
  return clampInt64(value)
}

/** Bytes of a field up to its NUL, or the whole field; a copy. What follows the NUL counts for nothing. */
export function readText(bytes: Uint8Array, start: number, length: number, arena: Arena): Uint8Array {
  return arena.copy(bytes, start, textEnd(bytes, start, length))
}

export function textEnd(bytes: Uint8Array, start: number, length: number): number {
  let end = start
  while (end < start + length && bytes[end] !== 0) end++
  return end
}

/** `prefix/name` of a ustar header; a copy. */
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
