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

/** A list of entries with a name and `count` checksums each, before it is written. */
interface EntryList {
  readonly entries: ReadonlyMap<string, unknown>
  /** Whether the entries are in the order of their names' bytes already, as those of most sources are. */
  readonly inOrder: boolean
  readonly count: 1 | 2
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
  files: ReadonlyMap<string, Checksum>,
  dirs: ReadonlyMap<string, D>,
  rootOf: (dir: D) => { readonly tree: Checksum; readonly meta: Checksum },
): Uint8Array {
  const fileList = measure(files, 1)
  const dirList = measure(dirs, 2)
  const body = fileList.size + dirList.size
  const width = offsetWidthFor(body, 1)
  const bytes = new Uint8Array(body + width)
  write(bytes, 0, fileList, (name, at) => writeHex(files.get(name) as Checksum, bytes, at))
  write(bytes, fileList.size, dirList, (name, at) => {
    const { tree, meta } = rootOf(dirs.get(name) as D)
    writeHex(tree, bytes, at)
    writeHex(meta, bytes, at + CHECKSUM)
  })
  writeOffset(bytes, body, width, fileList.size)
  return bytes
}

function measure(entries: ReadonlyMap<string, unknown>, count: 1 | 2): EntryList {
  let body = 0
  let inOrder = true
  let before: string | undefined
  for (const name of entries.keys()) {
    const size = (isAscii(name) ? name.length + 1 : string.encode(name).length) + count * CHECKSUM
    body += size + count * offsetWidthFor(size, count)
    inOrder &&= before === undefined || compareUtf8(before, name) < 0
    before = name
  }
  const width = entries.size === 0 ? 0 : offsetWidthFor(body, entries.size)
  return { entries, inOrder, count, body, width, size: body + entries.size * width }
}

/** Sorts names by their bytes. The array has its size from the start: one that grows leaves several copies behind. */
function sorted(entries: ReadonlyMap<string, unknown>): readonly string[] {
  const names = new Array<string>(entries.size)
  let count = 0
  for (const name of entries.keys()) names[count++] = name
  return names.sort(compareUtf8)
}

function write(bytes: Uint8Array, start: number, list: EntryList, checksums: (name: string, at: number) => void): void {
  const { entries, inOrder, count, body, width } = list
  let at = start
  let slot = start + body
  for (const name of inOrder ? entries.keys() : sorted(entries)) {
    const from = at
    at = writeName(bytes, at, name)
    const nameEnd = at - from
    checksums(name, at)
    at += count * CHECKSUM
    const entryWidth = offsetWidthFor(at - from, count)
    // The last member has no offset, and the others are in reverse order.
    for (let member = count - 1; member >= 0; member--, at += entryWidth) {
      writeOffset(bytes, at, entryWidth, nameEnd + member * CHECKSUM)
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
