/**
 * The entries of a layer as a store keeps them: in files of at most 1024 entries each (4096 in older stores), as GVariant
 * `a(ayyayuxxxua(ayay)txxs)`, little-endian. Content is named by its file object.
 *
 * ```
 * (path, kind, target, permissions, uid, gid, seconds, nanoseconds, xattrs, size, major, minor, checksum)
 * ```
 */

import { type Checksum, EMPTY_BYTES } from '../../bytes.ts'
import { FormatError } from '../../errors.ts'
import {
  array,
  byte,
  byteString,
  bytes,
  i64,
  string,
  struct,
  tuple,
  u32,
  u64,
  type Value,
} from '../../gvariant/index.ts'
import { isChecksum, NO_XATTRS } from '../../objects/index.ts'
import type { LayerEntry } from './root-tree.ts'

/**
 * Entries of one file of the index. They are in memory together as objects: with 4096, unpacking 40,000 files takes 10 MB more.
 */
export const ENTRIES_PER_PART = 1024

/** An entry of a stored layer. */
export interface StoredEntry extends LayerEntry {
  /** The file object with the content; `undefined` if that is empty. */
  readonly content: Checksum | undefined
}

/** The numbers that stand for the kinds of entries. New kinds are appended. */
const KINDS: readonly LayerEntry['kind'][] = ['file', 'symlink', 'char', 'block', 'fifo', 'directory', 'hardlink']

const StoredRecord = struct({
  path: bytes,
  kind: byte,
  target: bytes,
  permissions: u32,
  uid: i64,
  gid: i64,
  seconds: i64,
  nanoseconds: u32,
  xattrs: array(tuple(byteString, bytes)),
  size: u64,
  major: i64,
  minor: i64,
  content: string,
})
const Part = array(StoredRecord)

/** Encodes one file of the index. */
export function encodeEntries(entries: readonly StoredEntry[]): Uint8Array {
  return Part.encode(entries.map(toRecord))
}

/** Decodes one file of the index. @throws {FormatError} when an entry is malformed */
export function decodeEntries(encoded: Uint8Array): StoredEntry[] {
  return Part.decode(encoded).map(fromRecord)
}

function toRecord({
  path,
  kind,
  target,
  metadata,
  size,
  major,
  minor,
  content,
}: StoredEntry): Value<typeof StoredRecord> {
  const { permissions, uid, gid, mtime, xattrs } = metadata
  return {
    path,
    kind: KINDS.indexOf(kind),
    target: kind === 'symlink' || kind === 'hardlink' ? target : EMPTY_BYTES,
    permissions,
    uid: BigInt(uid),
    gid: BigInt(gid),
    seconds: BigInt(mtime.seconds),
    nanoseconds: mtime.nanoseconds,
    xattrs: xattrs.map(([name, value]): [Uint8Array, Uint8Array] => [name, value]),
    size: BigInt(size),
    major: BigInt(major),
    minor: BigInt(minor),
    content: content ?? '',
  }
}

function fromRecord(record: Value<typeof StoredRecord>): StoredEntry {
  const kind = KINDS[record.kind]
  const size = Number(record.size)
  const { content } = record
  if (kind === undefined || (content !== '' && !isChecksum(content)) || (kind === 'file' && size > 0 && !content)) {
    throw new FormatError('stored layer', 'The index of a stored layer is malformed')
  }
  return {
    path: record.path,
    kind,
    target: record.target,
    metadata: {
      permissions: record.permissions & 0o7777,
      uid: Number(record.uid),
      gid: Number(record.gid),
      mtime: { seconds: Number(record.seconds), nanoseconds: Math.min(record.nanoseconds, 999_999_999) },
      xattrs: record.xattrs.length === 0 ? NO_XATTRS : record.xattrs,
    },
    size,
    major: Number(record.major),
    minor: Number(record.minor),
    content: content === '' ? undefined : (content as Checksum),
  }
}
