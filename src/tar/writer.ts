/**
 * Writes tar archives that any tar reads: ustar headers, preceded by a PAX header for what they cannot hold (long names,
 * names that are not ASCII, large numbers, extended attributes). The same entries always make the same bytes.
 */

import { type Content, concatBytes, decodeUtf8, displayUtf8, EMPTY_BYTES, encodeUtf8 } from '../bytes.ts'
import { InvalidNameError, UsageError } from '../errors.ts'
import { END_OF_ARCHIVE, encodePaxHeader, HeaderBlock, paddingFor } from './header-block.ts'

/** A name: text, which is encoded as UTF-8, or bytes. */
export type TarText = string | Uint8Array

/** The header of an entry to be written. */
export interface TarEntryFields {
  readonly path: TarText
  /** Default: `file`. */
  readonly type?: 'file' | 'directory' | 'symlink' | 'hardlink' | 'char' | 'block' | 'fifo' | undefined
  /** Target of a symbolic or hard link. */
  readonly linkPath?: TarText | undefined
  /** Permission bits. Default: 0777 for symbolic links, 0755 for directories, 0644 for others. */
  readonly mode?: number | undefined
  /** Owner. Default: 0. */
  readonly uid?: number | undefined
  /** Group. Default: 0. */
  readonly gid?: number | undefined
  /** Seconds since 1970-01-01 UTC, with a precision of nanoseconds. Default: 0. */
  readonly mtime?: number | undefined
  /** Major number of a device. Default: 0. */
  readonly devMajor?: number | undefined
  /** Minor number of a device. Default: 0. */
  readonly devMinor?: number | undefined
  /** Default: empty. */
  readonly userName?: TarText | undefined
  /** Default: empty. */
  readonly groupName?: TarText | undefined
  /** Extended attributes, written in this order. */
  readonly xattrs?: readonly (readonly [name: TarText, value: Uint8Array])[] | undefined
}

/** An entry to be written by `packTar`. */
export interface TarEntry extends TarEntryFields {
  /** Content of a file. */
  readonly body?: Content | undefined
  /** Size of the body in bytes; required if it is a stream. */
  readonly size?: number | undefined
}

/**
 * Encodes headers, padding and the end of an archive. It does no I/O: the caller writes the bytes and the data.
 *
 * @example
 * const writer = new TarWriter()
 * send(writer.header({ path: 'etc/hostname' }, body.length))
 * send(body)
 * send(writer.padding(body.length))
 * send(writer.end())
 */
export class TarWriter {
  /**
   * Returns the header blocks of an entry.
   * @param size bytes of data that will follow; 0 except for files
   * @throws {InvalidNameError} if a name is empty or has a NUL, a file's ends with a slash, or an xattr's has a `=`
   * @throws {UsageError} if a number is out of range, or link path and size do not fit the type
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

  /** Returns the padding after `size` bytes of data. Must not be modified. */
  padding(size: number): Uint8Array {
    return paddingFor(size)
  }

  /** Returns the end of the archive. Must not be modified. */
  end(): Uint8Array {
    return END_OF_ARCHIVE
  }
}

/**
 * Writes an archive as a stream. Each body is read when its entry is written.
 * @throws {InvalidNameError} if a name cannot be stored
 * @throws {UsageError} if a number is out of range, or a body is longer or shorter than its size
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
  if (size < 0 || !Number.isSafeInteger(size)) throw new UsageError(`${shown}: invalid size: ${size}`)
  const isLink = type === 'symlink' || type === 'hardlink'
  if (isLink !== linkPath.length > 0)
    throw new UsageError(`${shown}: a ${type} ${isLink ? 'needs' : 'has no'} link path`)
  // Readers would take it for a directory.
  if (type === 'file' && path.at(-1) === 0x2f) throw new InvalidNameError(shown, `tar: file ${shown} ends in a slash`)
}

/** Stores a path in the name field, or split at a slash in prefix and name. Returns whether it fits. */
function placePath(block: HeaderBlock, path: Uint8Array): boolean {
  if (!isAscii(path)) return false
  if (path.length <= 100) {
    block.name = path
    return true
  }
  if (path.length > 256) return false
  // The last slash for which the prefix is short enough and the name is not empty.
  const slash = path.subarray(0, path.length - 1).lastIndexOf(0x2f, 155)
  if (slash <= 0 || path.length - slash - 1 > 100) return false
  // Readers disagree about a prefix that ends with a slash.
  if (path[slash - 1] === 0x2f) return false
  block.prefix = path.subarray(0, slash)
  block.name = path.subarray(slash + 1)
  return true
}

function isAscii(text: Uint8Array): boolean {
  return text.every((byte) => byte < 0x80)
}

/** Returns the name for readers without PAX: at most 100 bytes of ASCII, with `_` for other bytes. */
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
  if (value < 0 || !Number.isSafeInteger(value)) throw new UsageError(`tar: invalid ${field}: ${value}`)
  block[field] = value < limit ? value : 0
  if (value >= limit) records.push([field, encodeUtf8(String(value))])
}

function placeDevice(block: HeaderBlock, field: 'devMajor' | 'devMinor', value: number): void {
  if (!Number.isSafeInteger(value) || value < 0 || value >= 8 ** 7)
    throw new UsageError(`tar: invalid ${field}: ${value}`)
  block[field] = value
}

function placeTime(block: HeaderBlock, mtime: number, records: [string, Uint8Array][]): void {
  if (!Number.isFinite(mtime) || Math.abs(mtime) > Number.MAX_SAFE_INTEGER)
    throw new UsageError(`tar: invalid mtime: ${mtime}`)
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
