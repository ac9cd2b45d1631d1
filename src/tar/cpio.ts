/**
 * Parses cpio archives, with the calls and the sink of the tar parser. The formats are `newc` and `crc` (070701, 070702),
 * which the initramfs has, and `odc` (070707), that of POSIX.
 *
 *     newc   magic 6, thirteen numbers of 8 hex digits; header and name together padded to 4 bytes, the data too
 *     odc    magic 6, numbers of 6 octal digits (time and size: 11); nothing padded
 *
 * A symbolic link has its target as data. A file with several names has its data only at the last of them in archives of
 * GNU cpio: the names before it are kept and become hard links to the last. An entry named TRAILER!!! ends the archive.
 *
 * Source: cpio(5) of libarchive; archive_read_support_format_cpio.c.
 */

import { EMPTY_BYTES } from '../bytes.ts'
import { LimitError, TarFormatError } from '../errors.ts'
import type { TarEntryType, TarHeader, TarLimits, TarSink } from './interface.ts'
import { MAX_TAR_ENTRIES, MAX_TAR_EXTENSION_BYTES, MAX_TAR_FILE_BYTES } from './parser.ts'

const MAGIC = 6
const NEWC_HEADER = 110
const ODC_HEADER = 76
const TRAILER = 'TRAILER!!!'
/** Bytes of names that wait for the data of their file. */
const MAX_WAITING = 1 << 26
const WAITING_ENTRY = 512

const S_IFMT = 0o170000
const S_IFREG = 0o100000
const TYPES: ReadonlyMap<number, readonly [type: TarEntryType, flag: string]> = new Map([
  [S_IFREG, ['file', '0']],
  [0o120000, ['symlink', '2']],
  [0o020000, ['char', '3']],
  [0o060000, ['block', '4']],
  [0o040000, ['directory', '5']],
  [0o010000, ['fifo', '6']],
])

/** Returns whether an archive begins as cpio does. @param start its first bytes, at least six */
export function isCpio(start: Uint8Array): boolean {
  return /^07070[127]$/.test(text(start.subarray(0, MAGIC)))
}

/** A header as it stands. */
interface Raw {
  readonly offset: number
  readonly newc: boolean
  readonly identity: string
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly links: number
  readonly mtime: number
  readonly rdev: readonly [major: number, minor: number]
  readonly nameSize: number
  readonly size: number
}

type Step = 'magic' | 'header' | 'name' | 'target' | 'data' | 'padding' | 'end'

/** Parses cpio with the methods of `TarParser`: push the archive in pieces, then `finish`. */
export class CpioParser {
  readonly #sink: TarSink
  readonly #maxName: number
  readonly #maxFile: number
  readonly #maxEntries: number
  #step: Step = 'magic'
  #position = 0
  #entries = 0
  /** What is gathered of a header, a name or a target, and how much it will be. */
  #gathered: Uint8Array = new Uint8Array(NEWC_HEADER)
  #length = 0
  #wanted = MAGIC
  /** Bytes of data, or of padding, still to come. */
  #left = 0
  #raw: Raw | undefined
  #path: Uint8Array = EMPTY_BYTES
  /** Names without data, by inode. */
  readonly #waiting = new Map<string, TarHeader[]>()
  #waitingBytes = 0

  constructor(sink: TarSink, limits: TarLimits = {}) {
    this.#sink = sink
    this.#maxName = limits.maxExtensionBytes ?? MAX_TAR_EXTENSION_BYTES
    this.#maxFile = Math.min(limits.maxFileBytes ?? MAX_TAR_FILE_BYTES, Number.MAX_SAFE_INTEGER)
    this.#maxEntries = limits.maxEntries ?? MAX_TAR_ENTRIES
  }

  /** Whether the end of the archive was seen; bytes that are pushed after it are ignored. */
  get ended(): boolean {
    return this.#step === 'end'
  }

  /**
   * Parses a piece of the archive.
   * @throws {TarFormatError}, {LimitError}, and what the sink throws; the parser cannot be used after that
   */
  push(bytes: Uint8Array): void {
    let at = 0
    while (at < bytes.length && this.#step !== 'end') {
      const streams = this.#step === 'data' || this.#step === 'padding'
      const length = Math.min(bytes.length - at, streams ? this.#left : this.#wanted - this.#length)
      const piece = bytes.subarray(at, at + length)
      at += length
      this.#position += length
      if (streams) {
        this.#left -= length
        if (this.#step === 'data') this.#sink.data(piece)
        if (this.#left === 0) this.#streamed()
      } else {
        this.#gathered.set(piece, this.#length)
        this.#length += length
        if (this.#length === this.#wanted) this.#complete()
      }
    }
  }

  /** Checks that the archive has ended; to be called at the end of the stream. @throws {TarFormatError} if it has not */
  finish(): void {
    if (this.#step !== 'end') throw this.#fault('Truncated cpio archive')
  }

  /** Data or padding is through. */
  #streamed(): void {
    if (this.#step === 'padding') this.#want('magic', MAGIC)
    else {
      this.#sink.end()
      this.#skip(this.#paddingOf(this.#raw?.size ?? 0))
    }
  }

  #complete(): void {
    const gathered = this.#gathered.subarray(0, this.#length)
    switch (this.#step) {
      case 'magic': {
        if (!isCpio(gathered)) throw this.#fault('Damaged cpio archive')
        this.#step = 'header'
        this.#wanted = gathered[5] === 0x37 ? ODC_HEADER : NEWC_HEADER
        break
      }
      case 'header':
        this.#raw = this.#readHeader(gathered)
        this.#wantName(this.#raw)
        break
      case 'name':
        this.#path = upToNul(gathered.slice(0, this.#raw?.nameSize))
        this.#named(this.#raw as Raw) // read just before
        break
      case 'target':
        this.#emit(this.#raw as Raw, gathered.slice(0, this.#raw?.size)) // as above
        this.#want('magic', MAGIC)
    }
  }

  #readHeader(bytes: Uint8Array): Raw {
    const newc = bytes.length === NEWC_HEADER
    let at = MAGIC
    const next = (width = newc ? 8 : 6): number => {
      const digits = text(bytes.subarray(at, at + width))
      at += width
      if (!(newc ? /^[0-9a-fA-F]+$/ : /^[0-7]+$/).test(digits)) throw this.#fault('Damaged cpio archive')
      return Number.parseInt(digits, newc ? 16 : 8)
    }
    const offset = this.#position - bytes.length
    if (newc) {
      const [inode, mode, uid, gid, links, mtime, size] = [next(), next(), next(), next(), next(), next(), next()]
      const identity = `${next()}:${next()}:${inode}`
      const rdev = [next(), next()] as const
      return { offset, newc, identity, mode, uid, gid, links, mtime, rdev, nameSize: next(), size }
    }
    const identity = `${next()}:${next()}`
    const [mode, uid, gid, links, rdev] = [next(), next(), next(), next(), next()]
    const mtime = next(11)
    const nameSize = next()
    return {
      offset,
      newc,
      identity,
      mode,
      uid,
      gid,
      links,
      mtime,
      rdev: [rdev >> 8, rdev & 0xff],
      nameSize,
      size: next(11),
    }
  }

  #wantName({ nameSize, size, newc }: Raw): void {
    if (nameSize === 0) throw this.#fault('Damaged cpio archive')
    if (nameSize > this.#maxName) throw new LimitError('cpio name', this.#maxName)
    if (size > this.#maxFile) throw new LimitError('cpio file', this.#maxFile)
    this.#want('name', nameSize + (newc ? -(NEWC_HEADER + nameSize) & 3 : 0))
  }

  /** Header and name are there. */
  #named(raw: Raw): void {
    if (text(this.#path) === TRAILER) {
      this.#step = 'end'
      for (const headers of this.#waiting.values()) this.#release(headers)
      this.#waiting.clear()
      return
    }
    if (++this.#entries > this.#maxEntries) throw new LimitError('cpio entries', this.#maxEntries)
    const type = raw.mode & S_IFMT
    if (TYPES.get(type)?.[0] === 'symlink') {
      if (raw.size > this.#maxName) throw new LimitError('cpio link target', this.#maxName)
      this.#want('target', raw.size + this.#paddingOf(raw.size))
      if (raw.size > 0) return
    }
    const header = this.#emit(raw, EMPTY_BYTES)
    if (raw.size === 0 || header === undefined) this.#skip(this.#paddingOf(raw.size))
    else {
      this.#step = 'data'
      this.#left = raw.size
    }
  }

  /** @returns `undefined` when it waits for data */
  #emit(raw: Raw, linkPath: Uint8Array): TarHeader | undefined {
    const [type, flag] = TYPES.get(raw.mode & S_IFMT) ?? (['unknown', '?'] as const)
    const isFile = type === 'file'
    const header: TarHeader = {
      offset: raw.offset,
      type,
      typeflag: flag.charCodeAt(0),
      path: this.#path,
      linkPath,
      headerLinkName: linkPath,
      mode: raw.mode & 0o7777,
      uid: raw.uid,
      gid: raw.gid,
      size: type === 'symlink' ? 0 : raw.size,
      mtime: raw.mtime,
      headerMtime: raw.mtime,
      devMajor: raw.rdev[0],
      devMinor: raw.rdev[1],
      userName: EMPTY_BYTES,
      groupName: EMPTY_BYTES,
      pax: [],
    }
    if (isFile && raw.links > 1 && raw.size === 0) {
      this.#wait(raw.identity, header)
      return undefined
    }
    const waiting = isFile && raw.links > 1 ? this.#waiting.get(raw.identity) : undefined
    if (waiting !== undefined) {
      this.#waiting.delete(raw.identity)
      for (const other of waiting) this.#whole(linkTo(header, other))
    }
    this.#sink.entry(header)
    if (header.size === 0) this.#sink.end()
    return header
  }

  #wait(identity: string, header: TarHeader): void {
    this.#waitingBytes += header.path.length + WAITING_ENTRY
    if (this.#waitingBytes > MAX_WAITING) throw new LimitError('cpio links', MAX_WAITING)
    const others = this.#waiting.get(identity)
    if (others === undefined) this.#waiting.set(identity, [header])
    else others.push(header)
  }

  /** There was no data: an empty file with several names. */
  #release([first, ...others]: readonly TarHeader[]): void {
    if (first === undefined) return
    this.#whole(first)
    for (const other of others) this.#whole(linkTo(first, other))
  }

  #whole(header: TarHeader): void {
    this.#sink.entry(header)
    this.#sink.end()
  }

  #want(step: Step, bytes: number): void {
    this.#step = step
    this.#wanted = bytes
    this.#length = 0
    if (this.#gathered.length < bytes) this.#gathered = new Uint8Array(bytes)
  }

  #skip(bytes: number): void {
    if (bytes === 0) this.#want('magic', MAGIC)
    else {
      this.#step = 'padding'
      this.#left = bytes
    }
  }

  #paddingOf(size: number): number {
    return this.#raw?.newc === true ? -size & 3 : 0
  }

  #fault(message: string): TarFormatError {
    return new TarFormatError(message, this.#raw?.offset ?? this.#position)
  }
}

function linkTo(target: TarHeader, header: TarHeader): TarHeader {
  return { ...header, type: 'hardlink', typeflag: 0x31, linkPath: target.path, headerLinkName: target.path }
}

function upToNul(bytes: Uint8Array): Uint8Array {
  const nul = bytes.indexOf(0)
  return nul < 0 ? bytes : bytes.subarray(0, nul)
}

function text(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes.subarray(0, TRAILER.length + 1))
}
