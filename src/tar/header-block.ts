/**
 * Writes the 512-byte header block, whose layout is drawn in header.ts.
 *
 * A setter changes its field only as far as needed: text is followed by one NUL if there is room, and bytes that an
 * earlier, longer text left after that remain. The layers of ostree-ext have such bytes, so they are part of digests.
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

/** The end of an archive: two blocks of zeros. */
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

/** Initial blocks, copied for each entry. */
const GNU_START = startBlock('ustar  \0')
const USTAR_START = startBlock('ustar\x0000')

function startBlock(magic: string): Uint8Array {
  const block = new Uint8Array(BLOCK)
  block.set(encodeUtf8(magic), MAGIC)
  block.set(encodeUtf8('00000000000'), MTIME)
  return block
}

/** A header block. Setters throw a `UsageError` if a value does not fit the field. */
export class HeaderBlock {
  /** The block itself, not a copy. Its checksum is set by `seal`. */
  readonly bytes: Uint8Array = new Uint8Array(BLOCK)
  readonly #view: DataView = new DataView(this.bytes.buffer)
  readonly #start: Uint8Array

  /** Creates a block of zeros, except for the magic and an `mtime` of 0. */
  constructor(format: 'gnu' | 'ustar') {
    this.#start = format === 'gnu' ? GNU_START : USTAR_START
    this.clear()
  }

  /** Resets the block to its initial state, for the next entry. */
  clear(): void {
    this.bytes.set(this.#start)
  }

  /** Makes the block equal to another one. */
  copyFrom(other: HeaderBlock): void {
    this.bytes.set(other.bytes)
  }

  /** At most 100 bytes; 100 bytes are not followed by a NUL. */
  set name(text: Uint8Array) {
    this.#text(NAME, 100, text)
  }

  /** At most 100 bytes. */
  set linkName(text: Uint8Array) {
    this.#text(LINKNAME, 100, text)
  }

  /** At most 32 bytes. */
  set userName(text: Uint8Array) {
    this.#text(UNAME, 32, text)
  }

  /** At most 32 bytes. */
  set groupName(text: Uint8Array) {
    this.#text(GNAME, 32, text)
  }

  /** ustar only: at most 155 bytes, to which readers append `/` and the name. */
  set prefix(text: Uint8Array) {
    this.#text(PREFIX, 155, text)
  }

  /** A type, or a type flag character. */
  set type(type: Exclude<TarEntryType, 'unknown'> | 'x' | 'L' | 'K' | 'S') {
    this.bytes[TYPEFLAG] = (type.length === 1 ? type : TYPEFLAGS[type as keyof typeof TYPEFLAGS]).charCodeAt(0)
  }

  /** Permission bits. */
  set mode(mode: number) {
    this.#number(MODE, 8, mode)
  }

  /** Owner. */
  set uid(uid: number) {
    this.#number(UID, 8, uid)
  }

  /** Group. */
  set gid(gid: number) {
    this.#number(GID, 8, gid)
  }

  /** Size of the data in bytes. */
  set size(bytes: number) {
    this.#number(SIZE, 12, bytes)
  }

  /** Seconds since 1970-01-01 UTC. */
  set mtime(seconds: number) {
    this.#number(MTIME, 12, seconds)
  }

  /** Major number of a device. */
  set devMajor(major: number) {
    this.#number(DEVMAJOR, 8, major)
  }

  /** Minor number of a device. */
  set devMinor(minor: number) {
    this.#number(DEVMINOR, 8, minor)
  }

  /**
   * Sets the checksum and returns a copy of the block.
   * @param digits 7 digits and a NUL, or 6 digits, a NUL and a space, as libarchive and GNU tar write
   */
  seal(digits: 6 | 7 = 7): Uint8Array {
    return this.sealed(digits).slice()
  }

  /**
   * Sets the checksum and returns the block itself, which is valid until the next change.
   * @param digits 7 digits and a NUL, or 6 digits, a NUL and a space, as libarchive and GNU tar write
   */
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

  /** Writes a number in octal, padded with zeros and followed by a NUL. One that does not fit, or is negative, in base 256. */
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
      // Rounding down makes two's complement of negative numbers.
      this.bytes[i] = value - 256 * Math.floor(value / 256)
      value = Math.floor(value / 256)
    }
    this.bytes[at] = (this.bytes[at] as number) | 0x80
  }
}

/** Returns the zeros that follow `size` bytes of data up to the end of their last block. Must not be modified. */
export function paddingFor(size: number): Uint8Array {
  return END_OF_ARCHIVE.subarray(0, (BLOCK - (size % BLOCK)) % BLOCK)
}

/**
 * Encodes a GNU header with a name (`L`) or link target (`K`) that is too long for the header after it.
 * @returns whole blocks: header, text, NUL and padding
 */
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
 * Encodes a PAX header with the records in this order.
 * @param block header block, whose size is set; default: an `x` header without name, mode or owner
 * @returns whole blocks: header, records and padding
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
