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

import { byteKey, EMPTY_BYTES, plainBytes } from '../bytes.ts'
import { LimitError, TarFormatError } from '../errors.ts'
import type { TarEntryType, TarHeader, TarLimits, TarSink } from './interface.ts'
import { MAX_TAR_ENTRIES, MAX_TAR_EXTENSION_BYTES, MAX_TAR_FILE_BYTES } from './parser.ts'

const MAGIC = 6
const NEWC_HEADER = 110
const ODC_HEADER = 76
const TRAILER = 'TRAILER!!!'
/** Limit on the memory of names whose file has not been read, in bytes. */
const MAX_WAITING = 1 << 26
/** Bytes that such a name counts in addition to its length. */
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

/**
 * Returns whether an archive starts with the magic number of cpio.
 * @param start its first bytes, at least 6
 */
export function isCpio(start: Uint8Array): boolean {
  return /^07070[127]$/.test(text(start.subarray(0, MAGIC)))
}

/** The fields of a header. */
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
  /** The received part of a header, a name or a target. */
  #gathered: Uint8Array = new Uint8Array(NEWC_HEADER)
  /** Number of bytes in `#gathered`. */
  #length = 0
  /** Number of bytes that `#gathered` will have. */
  #wanted = MAGIC
  /** Bytes of data or padding that are missing. */
  #left = 0
  #raw: Raw | undefined
  #path: Uint8Array = EMPTY_BYTES
  /** Files whose data has not been read, by inode. */
  readonly #waiting = new Map<string, TarHeader[]>()
  #waitingBytes = 0

  constructor(sink: TarSink, limits: TarLimits = {}) {
    this.#sink = sink
    this.#maxName = limits.maxExtensionBytes ?? MAX_TAR_EXTENSION_BYTES
    this.#maxFile = Math.min(limits.maxFileBytes ?? MAX_TAR_FILE_BYTES, Number.MAX_SAFE_INTEGER)
    this.#maxEntries = limits.maxEntries ?? MAX_TAR_ENTRIES
  }

  /** Whether the end of the archive has been read. Bytes pushed after that are ignored. */
  get ended(): boolean {
    return this.#step === 'end'
  }

  /**
   * Parses the next piece of the archive and calls the sink. After an error the parser cannot be used.
   * @throws {TarFormatError} if the archive is malformed
   * @throws {LimitError} if it exceeds a limit
   * @throws what the sink throws
   */
  push(chunk: Uint8Array): void {
    const bytes = plainBytes(chunk)
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

  /** Does the same as `push` from `from` on: cpio has no sparse files. @returns `undefined` */
  pushPart(bytes: Uint8Array, from = 0): undefined {
    this.push(from === 0 ? bytes : bytes.subarray(from))
  }

  /**
   * Ends the archive. It has to be called at the end of the stream.
   * @throws {TarFormatError} if the archive is truncated
   */
  finish(): void {
    if (this.#step !== 'end') throw this.#fault('Truncated cpio archive')
  }

  /** Continues after data or padding. */
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
        this.#named(this.#raw as Raw) // set by the step before
        break
      case 'target':
        this.#emit(this.#raw as Raw, gathered.slice(0, this.#raw?.size)) // set by an earlier step
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

  /** Starts an entry whose header and name have been read. */
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

  /** Reports an entry to the sink. Returns `undefined` if it is kept until the data of its file is read. */
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

  /** Reports an empty file with several names, for which there was no data. */
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
  return byteKey(bytes.subarray(0, TRAILER.length + 1))
}
