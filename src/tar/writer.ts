/**
 * Writes archives any tar reads: ustar where it can hold the entry, with a PAX header before it where it cannot (names
 * long or not ASCII, numbers out of range, extended attributes). The same entries give the same bytes, always.
 */

import { type Content, concatBytes, decodeUtf8, displayUtf8, EMPTY_BYTES, encodeUtf8 } from '../bytes.ts'
import { InvalidNameError, UsageError } from '../errors.ts'
import { END_OF_ARCHIVE, encodePaxHeader, HeaderBlock, paddingFor } from './header-block.ts'

/** Text is taken as UTF-8; bytes go out as they are, UTF-8 or not. */
export type TarText = string | Uint8Array

export interface TarEntryFields {
  readonly path: TarText
  /** Default: `file`. */
  readonly type?: 'file' | 'directory' | 'symlink' | 'hardlink' | 'char' | 'block' | 'fifo' | undefined
  /** Target of a link. */
  readonly linkPath?: TarText | undefined
  /** Permission bits. Default: 0777 of a symlink, 0755 of a directory, 0644 of the rest. */
  readonly mode?: number | undefined
  /** Default: 0, as for all numbers here. */
  readonly uid?: number | undefined
  readonly gid?: number | undefined
  /** Seconds since the epoch, fractions of a nanosecond dropped. */
  readonly mtime?: number | undefined
  readonly devMajor?: number | undefined
  readonly devMinor?: number | undefined
  readonly userName?: TarText | undefined
  readonly groupName?: TarText | undefined
  /** Name and value, written in this order. */
  readonly xattrs?: readonly (readonly [name: TarText, value: Uint8Array])[] | undefined
}

export interface TarEntry extends TarEntryFields {
  /** Of files only. */
  readonly body?: Content | undefined
  /** Bytes of the body; needed when it is a stream. */
  readonly size?: number | undefined
}

/**
 * Without I/O: gives the bytes that go before and after the data, which the caller sends itself.
 *
 * @example
 * send(writer.header({ path: 'etc/hostname' }, body.length))
 * send(body)
 * send(writer.padding(body.length))
 * send(writer.end())
 */
export class TarWriter {
  /**
   * The header blocks of an entry.
   * @param size bytes of data to follow; 0 for anything but a file
   * @throws {InvalidNameError} for names tar cannot hold, {UsageError} for numbers that make no sense
   */
  header(entry: TarEntryFields, size = 0): Uint8Array {
    const type = entry.type ?? 'file'
    const path = textBytes(entry.path)
    const linkPath = textBytes(entry.linkPath)
    checkName(path, 'path')
    checkEntry(type, path, linkPath, size)

    const block = new HeaderBlock('ustar')
    const records: [string, Uint8Array][] = []
    block.type = type
    block.mode = (entry.mode ?? DEFAULT_MODE[type] ?? 0o644) & 0o7777
    if (!placePath(block, path)) {
      records.push(['path', path])
      block.name = asciiCut(path)
    }
    if (linkPath.length > 0) {
      checkName(linkPath, 'link path')
      if (linkPath.length <= 100 && isAscii(linkPath)) block.linkName = linkPath
      else {
        records.push(['linkpath', linkPath])
        block.linkName = asciiCut(linkPath)
      }
    }
    if (records.some(([, value]) => decodeUtf8(value) === undefined))
      records.unshift(['hdrcharset', encodeUtf8('BINARY')])
    placeNumber(block, 'uid', entry.uid ?? 0, 8 ** 7, records)
    placeNumber(block, 'gid', entry.gid ?? 0, 8 ** 7, records)
    placeNumber(block, 'size', size, 8 ** 11, records)
    placeTime(block, entry.mtime ?? 0, records)
    placeOwner(block, 'userName', 'uname', textBytes(entry.userName), records)
    placeOwner(block, 'groupName', 'gname', textBytes(entry.groupName), records)
    placeDevice(block, 'devMajor', entry.devMajor ?? 0)
    placeDevice(block, 'devMinor', entry.devMinor ?? 0)
    for (const [name, value] of entry.xattrs ?? []) records.push([xattrKey(textBytes(name)), value])

    return records.length === 0 ? block.seal() : concatBytes([paxHeader(path, records), block.seal()])
  }

  /** What follows `size` bytes of data. Not to be written into. */
  padding(size: number): Uint8Array {
    return paddingFor(size)
  }

  /** What ends the archive. Not to be written into. */
  end(): Uint8Array {
    return END_OF_ARCHIVE
  }
}

/**
 * A whole archive as a stream. Bodies are read one after the other, each when its turn has come.
 * @throws {UsageError} when a body is longer or shorter than it said
 */
export async function* packTar(entries: Iterable<TarEntry> | AsyncIterable<TarEntry>): AsyncGenerator<Uint8Array> {
  const writer = new TarWriter()
  for await (const entry of entries) {
    const { body } = entry
    const size = entry.size ?? (body === undefined ? 0 : body instanceof Uint8Array ? body.length : undefined)
    const path = displayUtf8(textBytes(entry.path))
    if (size === undefined) throw new UsageError(`${path}: a body that is a stream needs its size`)
    yield writer.header(entry, size)
    let written = 0
    if (body instanceof Uint8Array) {
      written = body.length
      if (written === size && size > 0) yield body
    } else if (body !== undefined) {
      for await (const piece of body) {
        written += piece.length
        if (written > size) break
        if (piece.length > 0) yield piece
      }
    }
    if (written !== size)
      throw new UsageError(
        `${path}: body of ${written > size ? 'more than ' : ''}${Math.min(written, size)} bytes, said to be ${size}`,
      )
    if (size % 512 !== 0) yield writer.padding(size)
  }
  yield writer.end()
}

const DEFAULT_MODE: Readonly<Record<string, number>> = { directory: 0o755, symlink: 0o777 }

function textBytes(text: TarText | undefined): Uint8Array {
  if (text === undefined) return EMPTY_BYTES
  return typeof text === 'string' ? encodeUtf8(text) : text
}

function checkName(name: Uint8Array, what: string): void {
  if (name.length === 0) throw new InvalidNameError('', `tar: empty ${what}`)
  if (name.includes(0)) {
    const shown = displayUtf8(name)
    throw new InvalidNameError(shown, `tar: NUL in ${what} ${JSON.stringify(shown)}`)
  }
}

function checkEntry(type: string, path: Uint8Array, linkPath: Uint8Array, size: number): void {
  const shown = displayUtf8(path)
  if (type !== 'file' && size !== 0) throw new UsageError(`${shown}: a ${type} has no data`)
  if (size < 0 || !Number.isSafeInteger(size)) throw new UsageError(`${shown}: no size: ${size}`)
  const isLink = type === 'symlink' || type === 'hardlink'
  if (isLink !== linkPath.length > 0)
    throw new UsageError(`${shown}: a ${type} ${isLink ? 'needs' : 'has no'} link path`)
  // a reader would take it for a directory
  if (type === 'file' && path.at(-1) === 0x2f) throw new InvalidNameError(shown, `tar: file ${shown} ends in a slash`)
}

/** @returns whether it fits the header, name alone or parted at a slash */
function placePath(block: HeaderBlock, path: Uint8Array): boolean {
  if (!isAscii(path)) return false
  if (path.length <= 100) {
    block.name = path
    return true
  }
  if (path.length > 256) return false
  // the last slash that leaves the prefix small enough, and something for the name
  const slash = path.subarray(0, path.length - 1).lastIndexOf(0x2f, 155)
  if (slash <= 0 || path.length - slash - 1 > 100) return false
  // readers disagree about a prefix that ends in a slash
  if (path[slash - 1] === 0x2f) return false
  block.prefix = path.subarray(0, slash)
  block.name = path.subarray(slash + 1)
  return true
}

function isAscii(text: Uint8Array): boolean {
  return text.every((byte) => byte < 0x80)
}

/** What a reader without PAX gets to see: 100 bytes, ASCII. */
function asciiCut(text: Uint8Array): Uint8Array {
  return text.slice(0, 100).map((byte) => (byte < 0x80 ? byte : 0x5f))
}

function placeNumber(
  block: HeaderBlock,
  field: 'uid' | 'gid' | 'size',
  value: number,
  limit: number,
  records: [string, Uint8Array][],
): void {
  if (value < 0 || !Number.isSafeInteger(value)) throw new UsageError(`tar: no ${field}: ${value}`)
  block[field] = value < limit ? value : 0
  if (value >= limit) records.push([field, encodeUtf8(String(value))])
}

function placeDevice(block: HeaderBlock, field: 'devMajor' | 'devMinor', value: number): void {
  if (!Number.isSafeInteger(value) || value < 0 || value >= 8 ** 7) throw new UsageError(`tar: no ${field}: ${value}`)
  block[field] = value
}

function placeTime(block: HeaderBlock, mtime: number, records: [string, Uint8Array][]): void {
  if (!Number.isFinite(mtime) || Math.abs(mtime) > Number.MAX_SAFE_INTEGER)
    throw new UsageError(`tar: no mtime: ${mtime}`)
  const whole = Math.floor(mtime)
  block.mtime = Math.min(Math.max(whole, 0), 8 ** 11 - 1)
  if (whole === mtime && whole >= 0 && whole < 8 ** 11) return
  const text = Number.isInteger(mtime) ? String(mtime) : mtime.toFixed(9).replace(/\.?0+$/, '')
  records.push(['mtime', encodeUtf8(text)])
}

function placeOwner(
  block: HeaderBlock,
  field: 'userName' | 'groupName',
  key: string,
  name: Uint8Array,
  records: [string, Uint8Array][],
): void {
  if (name.length === 0) return
  checkName(name, key)
  if (name.length < 32 && isAscii(name)) block[field] = name
  else records.push([key, name])
}

function xattrKey(name: Uint8Array): string {
  checkName(name, 'xattr name')
  let key = 'SCHILY.xattr.'
  for (const byte of name) {
    if (byte === 0x3d) throw new InvalidNameError(displayUtf8(name), `tar: "=" in xattr name ${displayUtf8(name)}`)
    key += String.fromCharCode(byte)
  }
  return key
}

function paxHeader(path: Uint8Array, records: readonly [string, Uint8Array][]): Uint8Array {
  const block = new HeaderBlock('ustar')
  const base = path.subarray(path.lastIndexOf(0x2f, path.length - 2) + 1)
  block.name = concatBytes([encodeUtf8('PaxHeaders/'), asciiCut(base).subarray(0, 89)])
  block.type = 'x'
  block.mode = 0o644
  block.uid = 0
  block.gid = 0
  block.devMajor = 0
  block.devMinor = 0
  return encodePaxHeader(records, block)
}
