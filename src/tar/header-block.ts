/**
 * The 512-byte header block, written field by field; header.ts has its picture.
 *
 * A setter touches what it sets and nothing else: text is written with one NUL behind it if there is room, and what an
 * earlier, longer text left after that stays. Encapsulated layers have such left-overs in their digests.
 */

import { encodeUtf8 } from '../bytes.ts'
import { UsageError } from '../errors.ts'
import {
  BLOCK,
  CHECKSUM,
  DEVMAJOR,
  DEVMINOR,
  GID,
  GNAME,
  LINKNAME,
  MAGIC,
  MODE,
  MTIME,
  NAME,
  PREFIX,
  SIZE,
  sumBlock,
  TYPEFLAG,
  UID,
  UNAME,
} from './header.ts'
import type { TarEntryType } from './interface.ts'
import { encodePaxRecord } from './pax.ts'

/** Two blocks of zeros. */
export const END_OF_ARCHIVE: Uint8Array = new Uint8Array(2 * BLOCK)

const TYPEFLAGS: Readonly<Record<Exclude<TarEntryType, 'unknown'>, string>> = {
  file: '0',
  hardlink: '1',
  symlink: '2',
  char: '3',
  block: '4',
  directory: '5',
  fifo: '6',
  'pax-global': 'g',
}

/** Blocks as they begin: a layer has five of them a file. */
const GNU_START = startBlock('ustar  \0')
const USTAR_START = startBlock('ustar\x0000')

function startBlock(magic: string): Uint8Array {
  const block = new Uint8Array(BLOCK)
  block.set(encodeUtf8(magic), MAGIC)
  block.set(encodeUtf8('00000000000'), MTIME)
  return block
}

export class HeaderBlock {
  /** The block itself, not a copy. Call `seal` before it goes out. */
  readonly bytes: Uint8Array = new Uint8Array(BLOCK)
  readonly #view: DataView = new DataView(this.bytes.buffer)
  readonly #start: Uint8Array

  /** Zeros but for magic and an `mtime` of 0. */
  constructor(format: 'gnu' | 'ustar') {
    this.#start = format === 'gnu' ? GNU_START : USTAR_START
    this.clear()
  }

  /** As it was when it was new: for who has many to write. */
  clear(): void {
    this.bytes.set(this.#start)
  }

  /** At most 100 bytes; at 100 there is no NUL. @throws {UsageError} on more, as do all fields */
  set name(text: Uint8Array) {
    this.#text(NAME, 100, text)
  }

  set linkName(text: Uint8Array) {
    this.#text(LINKNAME, 100, text)
  }

  set userName(text: Uint8Array) {
    this.#text(UNAME, 32, text)
  }

  set groupName(text: Uint8Array) {
    this.#text(GNAME, 32, text)
  }

  /** ustar only: 155 bytes that with a `/` stand before the name. */
  set prefix(text: Uint8Array) {
    this.#text(PREFIX, 155, text)
  }

  /** A type, or the type flag character itself. */
  set type(type: Exclude<TarEntryType, 'unknown'> | 'x' | 'L' | 'K' | 'S') {
    this.bytes[TYPEFLAG] = (type.length === 1 ? type : TYPEFLAGS[type as keyof typeof TYPEFLAGS]).charCodeAt(0)
  }

  set mode(mode: number) {
    this.#number(MODE, 8, mode)
  }

  set uid(uid: number) {
    this.#number(UID, 8, uid)
  }

  set gid(gid: number) {
    this.#number(GID, 8, gid)
  }

  set size(bytes: number) {
    this.#number(SIZE, 12, bytes)
  }

  /** Seconds since the epoch. */
  set mtime(seconds: number) {
    this.#number(MTIME, 12, seconds)
  }

  set devMajor(major: number) {
    this.#number(DEVMAJOR, 8, major)
  }

  set devMinor(minor: number) {
    this.#number(DEVMINOR, 8, minor)
  }

  /**
   * Computes the check sum.
   * @param digits seven and a NUL, or six, a NUL and the space that libarchive and GNU tar leave behind it
   * @returns a copy of the block, its own from now on
   */
  seal(digits: 6 | 7 = 7): Uint8Array {
    return this.sealed(digits).slice()
  }

  /** As `seal`. @returns the block itself, for who uses it before the next change */
  sealed(digits: 6 | 7 = 7): Uint8Array {
    this.bytes.fill(0x20, CHECKSUM, CHECKSUM + 8)
    this.#number(CHECKSUM, digits + 1, sumBlock(this.#view, 0))
    return this.bytes
  }

  #text(at: number, width: number, text: Uint8Array): void {
    if (text.length > width) throw new UsageError(`${text.length} bytes do not fit a tar header field of ${width}`)
    this.bytes.set(text, at)
    if (text.length < width) this.bytes[at + text.length] = 0
  }

  /** Octal, zero-padded, NUL behind; what does not fit that, or is negative, in base 256. */
  #number(at: number, width: number, value: number): void {
    if (!Number.isSafeInteger(value)) throw new UsageError(`not an integer: ${value}`)
    const end = at + width
    if (value >= 0 && value < 8 ** (width - 1)) {
      this.bytes[end - 1] = 0
      for (let i = end - 2; i >= at; i--) {
        this.bytes[i] = 0x30 + (value % 8)
        value = Math.floor(value / 8)
      }
      return
    }
    for (let i = end - 1; i >= at; i--) {
      // floor division keeps a negative number two's complement
      this.bytes[i] = value - 256 * Math.floor(value / 256)
      value = Math.floor(value / 256)
    }
    this.bytes[at] = (this.bytes[at] as number) | 0x80
  }
}

/** Zeros that fill the last block of so many bytes. */
export function paddingFor(size: number): Uint8Array {
  return END_OF_ARCHIVE.subarray(0, (BLOCK - (size % BLOCK)) % BLOCK)
}

/** A GNU entry that carries a name (`L`) or link target (`K`) too long for the header behind it; NUL and padding included. */
export function encodeGnuLong(type: 'L' | 'K', text: Uint8Array): Uint8Array {
  const block = new HeaderBlock('gnu')
  block.name = encodeUtf8('././@LongLink')
  block.mode = 0o644
  block.uid = 0
  block.gid = 0
  block.size = text.length + 1
  block.type = type
  return withBody(block, text, text.length + 1)
}

/**
 * A PAX header with these records in this order.
 * @param block what it goes under, size excepted; by default an `x` header without name, mode or owner
 */
export function encodePaxHeader(
  records: readonly (readonly [key: string, value: Uint8Array])[],
  block: HeaderBlock = barePaxBlock(),
): Uint8Array {
  const encoded = records.map(([key, value]) => encodePaxRecord(key, value))
  let size = 0
  for (const record of encoded) size += record.length
  const body = new Uint8Array(size)
  let at = 0
  for (const record of encoded) {
    body.set(record, at)
    at += record.length
  }
  block.size = size
  return withBody(block, body, size)
}

function barePaxBlock(): HeaderBlock {
  const block = new HeaderBlock('ustar')
  block.type = 'x'
  return block
}

function withBody(block: HeaderBlock, body: Uint8Array, size: number): Uint8Array {
  const bytes = new Uint8Array(BLOCK + Math.ceil(size / BLOCK) * BLOCK)
  bytes.set(block.sealed())
  bytes.set(body, BLOCK)
  return bytes
}
