/**
 * Encodes a dirtree into one buffer of the exact size. A directory can have millions of entries: an object for each, lists
 * of offsets, and buffers that grow would take several times the memory of the bytes.
 *
 * ```
 * (a(say)a(sayay))   files │ directories │ end of the files
 * a(say)             entry 0 │ entry 1 │ … │ end of entry 0 │ end of entry 1 │ …
 * (say)              name │ NUL │ checksum │ end of the name
 * (sayay)            name │ NUL │ dirtree │ dirmeta │ end of the dirtree │ end of the name
 * ```
 *
 * Nothing is aligned. The offsets of a container have 1, 2, 4 or 8 bytes, see gvariant/framing.ts.
 */

import { type Checksum, compareUtf8, writeHex } from '../bytes.ts'
import { string } from '../gvariant/index.ts'
import { type OffsetWidth, offsetWidthFor, writeOffset } from '../gvariant/internal.ts'

const CHECKSUM = 32

/** The files of a directory whose names are encoded already. */
export interface EncodableFiles {
  readonly size: number
  /** Returns numbers by which the other functions know the files, in the order of their names' bytes. */
  sortedFiles(): Uint32Array
  /** Returns the bytes of a name, without the NUL. */
  nameSize(file: number): number
  /** Writes a name and, behind one byte for the NUL, the checksum. @throws {RangeError} if that is not known */
  writeFile(file: number, into: Uint8Array, at: number): void
}

/** A list of entries with a name and `count` checksums each, before it is written. */
interface EntryList<K> {
  /** The entries, in the order of their names' bytes. */
  readonly keys: Iterable<K>
  readonly count: 1 | 2
  /** Writes a name, a NUL and the checksums. @returns the bytes of the name with its NUL */
  readonly writeEntry: (key: K, into: Uint8Array, at: number) => number
  /** Bytes of the entries, without the table of their ends. */
  readonly body: number
  /** Bytes of an offset in the table. */
  readonly width: OffsetWidth
  /** Bytes of the list. */
  readonly size: number
}

/**
 * Encodes the entries as `DirTree.encode` does, in the order of their names' bytes.
 * @param files checksums of the files by name
 * @param dirs subdirectories by name
 * @param rootOf returns the checksums of a subdirectory
 * @throws {GVariantValueError} if a name has a NUL or a lone surrogate
 * @throws {RangeError} if a checksum is not hex
 */
export function encodeDirTree<D>(
  files: ReadonlyMap<string, Checksum> | EncodableFiles,
  dirs: ReadonlyMap<string, D>,
  rootOf: (dir: D) => { readonly tree: Checksum; readonly meta: Checksum },
): Uint8Array {
  const fileList = 'sortedFiles' in files ? encodedFiles(files) : mapped(files, 1, writeHex)
  const dirList = mapped(dirs, 2, (dir, bytes, at) => {
    const { tree, meta } = rootOf(dir)
    writeHex(tree, bytes, at)
    writeHex(meta, bytes, at + CHECKSUM)
  })
  const body = fileList.size + dirList.size
  const width = offsetWidthFor(body, 1)
  const bytes = new Uint8Array(body + width)
  write(bytes, 0, fileList as EntryList<string | number>)
  write(bytes, fileList.size, dirList)
  writeOffset(bytes, body, width, fileList.size)
  return bytes
}

/** Bytes of an entry whose name takes `name` bytes, with its NUL. */
function entrySize(name: number, count: 1 | 2): number {
  const size = name + count * CHECKSUM
  return size + count * offsetWidthFor(size, count)
}

function listOf<K>(
  keys: Iterable<K>,
  entries: number,
  count: 1 | 2,
  body: number,
  writeEntry: EntryList<K>['writeEntry'],
): EntryList<K> {
  const width = entries === 0 ? 0 : offsetWidthFor(body, entries)
  return { keys, count, writeEntry, body, width, size: body + entries * width }
}

function encodedFiles(files: EncodableFiles): EntryList<number> {
  const keys = files.sortedFiles()
  let body = 0
  for (let i = 0; i < keys.length; i++) body += entrySize(files.nameSize(keys[i] as number) + 1, 1)
  return listOf(keys, keys.length, 1, body, (file, into, at) => {
    files.writeFile(file, into, at)
    return files.nameSize(file) + 1
  })
}

function mapped<V>(
  entries: ReadonlyMap<string, V>,
  count: 1 | 2,
  writeChecksums: (value: V, into: Uint8Array, at: number) => void,
): EntryList<string> {
  let body = 0
  let inOrder = true
  let before: string | undefined
  for (const name of entries.keys()) {
    body += entrySize(isAscii(name) ? name.length + 1 : string.encode(name).length, count)
    inOrder &&= before === undefined || compareUtf8(before, name) < 0
    before = name
  }
  // Entries of most sources are in order already.
  const keys = inOrder ? { [Symbol.iterator]: () => entries.keys() } : [...entries.keys()].sort(compareUtf8)
  return listOf(keys, entries.size, count, body, (name, into, at) => {
    const end = writeName(into, at, name)
    writeChecksums(entries.get(name) as V, into, end)
    return end - at
  })
}

function write<K>(bytes: Uint8Array, start: number, { keys, count, body, width, writeEntry }: EntryList<K>): void {
  let at = start
  let slot = start + body
  for (const key of keys) {
    const from = at
    const nameSize = writeEntry(key, bytes, at)
    at += nameSize + count * CHECKSUM
    const entryWidth = offsetWidthFor(at - from, count)
    // The last member has no offset, and the others are in reverse order.
    for (let member = count - 1; member >= 0; member--, at += entryWidth) {
      writeOffset(bytes, at, entryWidth, nameSize + member * CHECKSUM)
    }
    writeOffset(bytes, slot, width, at - start)
    slot += width
  }
}

/** Writes a name and a NUL. @returns the offset behind them */
function writeName(bytes: Uint8Array, at: number, name: string): number {
  if (!isAscii(name)) {
    const encoded = string.encode(name)
    bytes.set(encoded, at)
    return at + encoded.length
  }
  for (let i = 0; i < name.length; i++) bytes[at + i] = name.charCodeAt(i)
  return at + name.length + 1
}

/** Tells whether the name consists of ASCII without NUL. */
function isAscii(name: string): boolean {
  for (let i = 0; i < name.length; i++) {
    const unit = name.charCodeAt(i)
    if (unit === 0 || unit >= 0x80) return false
  }
  return true
}
