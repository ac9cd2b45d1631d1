/** Reads a header block and the extension headers before it as a `TarHeader`. */

import { displayUtf8, EMPTY_BYTES } from '../bytes.ts'
import { TarFormatError } from '../errors.ts'
import { Arena } from './arena.ts'
import type { Extensions } from './extensions.ts'
import {
  DEVMAJOR,
  DEVMINOR,
  GID,
  GNAME,
  headerFormat,
  LINKNAME,
  MODE,
  MTIME,
  NAME,
  readNumber,
  readOwner,
  readText,
  readUstarPath,
  SIZE,
  TYPEFLAG,
  textEnd,
  UID,
  UNAME,
} from './header.ts'
import type { PaxRecord, TarEntryType, TarHeader } from './interface.ts'
import { NO_RECORDS, parseInteger, parseOwner, parseSeconds } from './pax.ts'
import {
  type PaxSparse,
  readOldRealSize,
  readOldSparse,
  readPaxSparse,
  type SparseMap,
  type SparseStart,
} from './sparse-map.ts'

const TYPES: Readonly<Record<number, TarEntryType>> = {
  0: 'file',
  48: 'file', // 0
  49: 'hardlink', // 1
  50: 'symlink', // 2
  51: 'char', // 3
  52: 'block', // 4
  53: 'directory', // 5
  54: 'fifo', // 6
  55: 'file', // 7: contiguous file
  68: 'directory', // D: directory of a GNU incremental archive, with file names as data
  83: 'file', // S: GNU sparse file
}

/** Reads the header blocks of an archive. */
export class EntryReader {
  /** Bytes of data in the archive for the last entry. */
  packed = 0
  /** Sparse map of the last entry, as far as its headers have it; `undefined` if the file is not sparse. */
  sparse: SparseStart | undefined
  /** Whether a PAX header, also a global one, was seen since the last header that is not ustar. */
  paxSeen = false

  /** Memory of the headers' byte arrays. */
  readonly arena = new Arena()
  // Owners repeat, so entries with the same owner share an array.
  #userName: Uint8Array = EMPTY_BYTES
  #groupName: Uint8Array = EMPTY_BYTES

  /**
   * Reads the header block at `at`.
   * @param offset offset of the block in the stream
   * @throws {TarFormatError} if it is malformed
   */
  read(block: Uint8Array, at: number, offset: number, extensions: Extensions | undefined): TarHeader {
    const arena = this.arena
    const format = headerFormat(block, at)
    if (format !== 'ustar') this.paxSeen = false
    const typeflag = block[at + TYPEFLAG] as number
    const start = extensions?.offset ?? offset
    const pax = extensions?.pax ?? NO_RECORDS
    const paxFields = extensions?.pax === undefined ? undefined : readPaxFields(extensions.pax)

    const headerLinkName = block[at + LINKNAME] === 0 ? EMPTY_BYTES : readText(block, at + LINKNAME, 100, arena)
    let path = format === 'ustar' ? readUstarPath(block, at, arena) : readText(block, at + NAME, 100, arena)
    if (extensions !== undefined) path = choose(path, extensions.longName, paxFields?.path, extensions.gnuNameFirst)
    const fail = (message: string) => new TarFormatError(message, start, displayUtf8(path))

    const sparse = paxFields?.sparse
    if (typeof sparse === 'string') throw fail(sparse)
    if (sparse?.name !== undefined) path = sparse.name

    let type = TYPES[typeflag] ?? 'unknown'
    let linkPath = EMPTY_BYTES
    if (type === 'hardlink' || type === 'symlink') {
      linkPath = headerLinkName
      if (extensions !== undefined)
        linkPath = choose(linkPath, extensions.longLink, paxFields?.linkPath, extensions.gnuLinkFirst)
    }

    let size = readNumber(block, at + SIZE, 12)
    if (size < 0) throw fail('Tar entry has negative size')
    if (size >= 2 ** 63) throw fail('Tar entry size overflow')
    // In v7 and GNU archives, a hard link has the size of its target, but no data. In PAX archives it has data of that
    // size. Plain ustar archives do either; like libarchive 3.6, assume that there is no data.
    if (type === 'hardlink' ? format !== 'ustar' || !this.paxSeen : DATALESS.has(typeflag)) size = 0
    if (paxFields?.size !== undefined) {
      size = paxFields.size
      if (size < 0) throw fail('Tar size attribute is negative')
      if (size >= 2 ** 63) throw fail('Tar size attribute overflow')
    }
    // v7 marks directories by a slash, and they have no data.
    if ((type === 'file' || type === 'unknown') && path.at(-1) === 0x2f) {
      type = 'directory'
      size = 0
    }
    this.packed = size
    this.sparse = undefined
    if (format === 'gnu' && typeflag === 0x53) {
      const map: SparseMap = []
      this.sparse = { map, rest: readOldSparse(block, at, map) ? 'blocks' : 'none' }
      size = readOldRealSize(block, at)
    } else if (sparse !== undefined) {
      if (type !== 'file') throw fail('Non-regular file cannot be sparse')
      this.sparse = sparse.map === 'body' ? { map: [], rest: 'body' } : { map: sparse.map ?? [0, size], rest: 'none' }
      size = sparse.realSize ?? size
    }

    const hasDevice = format !== 'v7' && (type === 'char' || type === 'block')
    const mtime = readNumber(block, at + MTIME, 12)
    if (format === 'v7') this.#userName = this.#groupName = EMPTY_BYTES
    else {
      this.#userName = sameOrRead(this.#userName, block, at + UNAME)
      this.#groupName = sameOrRead(this.#groupName, block, at + GNAME)
    }
    return {
      offset: start,
      type,
      typeflag,
      path,
      linkPath,
      headerLinkName,
      mode: readNumber(block, at + MODE, 8) & 0o7777,
      uid: paxFields?.uid ?? readOwner(block, at + UID),
      gid: paxFields?.gid ?? readOwner(block, at + GID),
      size,
      mtime: paxFields?.mtime ?? mtime,
      headerMtime: mtime,
      devMajor: hasDevice ? readNumber(block, at + DEVMAJOR, 8) : 0,
      devMinor: hasDevice ? readNumber(block, at + DEVMINOR, 8) : 0,
      userName: paxFields?.userName ?? this.#userName,
      groupName: paxFields?.groupName ?? this.#groupName,
      pax,
    }
  }
}

/** Reads the block of a PAX global header, which is reported as an entry without data. */
export function globalHeader(bytes: Uint8Array, at: number, offset: number): TarHeader {
  const mtime = readNumber(bytes, at + MTIME, 12)
  return {
    offset,
    type: 'pax-global',
    typeflag: 0x67,
    path: bytes.slice(at + NAME, textEnd(bytes, at + NAME, 100)),
    linkPath: EMPTY_BYTES,
    headerLinkName: EMPTY_BYTES,
    mode: 0,
    uid: 0,
    gid: 0,
    size: 0,
    mtime,
    headerMtime: mtime,
    devMajor: 0,
    devMinor: 0,
    userName: EMPTY_BYTES,
    groupName: EMPTY_BYTES,
    pax: NO_RECORDS,
  }
}

/** Type flags without data, whatever their size field is: `2` to `6`. */
const DATALESS: ReadonlySet<number> = new Set([0x32, 0x33, 0x34, 0x35, 0x36])

/** Returns the name to use, of those in the header block, a GNU long name and a PAX record. */
function choose(
  inHeader: Uint8Array,
  gnu: Uint8Array | undefined,
  pax: Uint8Array | undefined,
  gnuFirst: boolean,
): Uint8Array {
  if (gnuFirst) return gnu ?? pax ?? inHeader
  return pax ?? gnu ?? inHeader
}

/** Returns `previous` if the 32-byte field has the same text, otherwise a copy of its text. */
function sameOrRead(previous: Uint8Array, block: Uint8Array, start: number): Uint8Array {
  const end = textEnd(block, start, 32)
  if (end === start) return EMPTY_BYTES
  if (end - start !== previous.length) return block.slice(start, end)
  for (let i = 0; i < previous.length; i++) if (previous[i] !== block[start + i]) return block.slice(start, end)
  return previous
}

interface PaxFields {
  path: Uint8Array | undefined
  linkPath: Uint8Array | undefined
  size: number | undefined
  uid: number | undefined
  gid: number | undefined
  mtime: number | undefined
  userName: Uint8Array | undefined
  groupName: Uint8Array | undefined
  sparse: PaxSparse | string | undefined
}

function readPaxFields(records: readonly PaxRecord[]): PaxFields {
  const fields: PaxFields = {
    path: undefined,
    linkPath: undefined,
    size: undefined,
    uid: undefined,
    gid: undefined,
    mtime: undefined,
    userName: undefined,
    groupName: undefined,
    sparse: undefined,
  }
  for (const { key, value } of records) {
    switch (key) {
      // An empty value cancels an earlier record.
      case 'path':
        fields.path = upToNul(value)
        break
      case 'linkpath':
        fields.linkPath = upToNul(value)
        break
      case 'size':
        fields.size = parseInteger(value)
        break
      case 'uid':
        fields.uid = parseOwner(value)
        break
      case 'gid':
        fields.gid = parseOwner(value)
        break
      case 'mtime':
        fields.mtime = parseSeconds(value)
        break
      case 'uname':
        fields.userName = upToNul(value)
        break
      case 'gname':
        fields.groupName = upToNul(value)
        break
      default:
        if (fields.sparse === undefined && key.startsWith('GNU.sparse.')) fields.sparse = readPaxSparse(records)
    }
  }
  return fields
}

function upToNul(value: Uint8Array): Uint8Array | undefined {
  const end = textEnd(value, 0, value.length)
  return end === 0 ? undefined : value.subarray(0, end)
}
