/** Writes the bytes of an image, in chunks. Source: libcomposefs, lcfs-writer-erofs.c; Linux, fs/erofs/erofs_fs.h. */

import { BLOCK, DIRENT, type Dirent, directoryBlocks, type ImageLayout, type Inode, SLOT } from './layout.ts'
import { writeXattrBlock, xattrBlockLength, xattrCount } from './xattr-table.ts'

/** Bytes of a chunk. An inode with its attributes and data always fits. */
const CHUNK = 1 << 18
/** Most bytes that are written with one call of `reserve`: an inode, its attributes, and a block. */
const MAX_PIECE = 1 << 17

const COMPOSEFS_MAGIC = 0xd078629a
const COMPOSEFS_HAS_ACL = 1
const SUPERBLOCK_AT = 1024
const EROFS_MAGIC = 0xe0f5e1e2
/** Features: times of inodes, and filters of attribute names. */
const FEATURES = 6
const BLOCK_BITS = 12

/** Layouts of the data of an inode. */
const PLAIN = 0
const INLINE = 2
const CHUNKED = 4
/** Index of a chunk that has no data in the image. */
const NO_CHUNK = 0xff

/** Cuts the image into chunks. Bytes between what is written are zeros. */
class ChunkWriter {
  bytes = new Uint8Array(CHUNK)
  view = new DataView(this.bytes.buffer)
  /** Offset of the chunk in the image. */
  #start = 0;

  /** Returns the index in `bytes` of an offset in the image. The chunk has room for a piece there. */
  *reserve(at: number): Generator<Uint8Array, number> {
    while (at - this.#start + MAX_PIECE > CHUNK) {
      // Everything in front of `at` is written, so the next chunk begins there, or later for long runs of zeros.
      yield* this.flush(Math.min(at, this.#start + CHUNK))
    }
    return at - this.#start
  }

  /** Returns the bytes up to an offset in the image, and begins a new chunk. */
  *flush(end: number): Generator<Uint8Array, void> {
    if (end > this.#start) yield this.bytes.subarray(0, end - this.#start)
    this.#start = end
    this.bytes = new Uint8Array(CHUNK)
    this.view = new DataView(this.bytes.buffer)
  }
}

/** Yields the bytes of an image, in chunks of at most 256 KiB. */
export function* writeImage(layout: ImageLayout): Generator<Uint8Array, void> {
  const { inodes, table, tableAt, dataAt, size } = layout
  const writer = new ChunkWriter()
  yield* writer.reserve(0)
  writeHeaders(writer.view, layout)
  for (const inode of inodes) {
    const at = yield* writer.reserve(inode.at)
    writeInode(writer, at, inode, layout)
  }
  let next = tableAt
  for (const xattr of table.shared) {
    const at = yield* writer.reserve(next)
    xattr.write(writer.bytes, at)
    next += xattr.length
  }
  next = dataAt
  for (const inode of inodes) {
    if (inode.blocks === 0) continue
    if (inode.type === 2) {
      let left = inode.blocks
      for (const { from, to } of directoryBlocks(inode.dirents)) {
        if (left-- === 0) break
        writeDirents(writer, yield* writer.reserve(next), inode.dirents.slice(from, to))
        next += BLOCK
      }
    } else {
      const at = yield* writer.reserve(next)
      writer.bytes.fill(NO_CHUNK, at, at + chunkTable(inode))
      next += BLOCK
    }
  }
  yield* writer.reserve(size)
  yield* writer.flush(size)
}

function writeHeaders(view: DataView, { inodes, table, tableAt, size }: ImageLayout): void {
  view.setUint32(0, COMPOSEFS_MAGIC, true)
  view.setUint32(4, 1, true)
  view.setUint32(8, table.hasAcl ? COMPOSEFS_HAS_ACL : 0, true)
  const at = SUPERBLOCK_AT
  view.setUint32(at, EROFS_MAGIC, true)
  view.setUint32(at + 8, FEATURES, true)
  view.setUint8(at + 12, BLOCK_BITS)
  view.setUint16(at + 14, (inodes[0] as Inode).at / SLOT, true)
  view.setBigUint64(at + 16, BigInt(inodes.length), true)
  view.setUint32(at + 36, size / BLOCK, true)
  view.setUint32(at + 44, Math.floor(tableAt / BLOCK), true)
}

function writeInode({ bytes, view }: ChunkWriter, at: number, inode: Inode, { dataAt, tableAt }: ImageLayout): void {
  const isFile = inode.node?.kind === 'file' && inode.size > 0
  const layout = isFile ? CHUNKED : inode.tail > 0 ? INLINE : PLAIN
  const data = isFile ? inode.chunkBits - BLOCK_BITS : inode.blocks > 0 ? dataAt / BLOCK + inode.firstBlock : 0
  view.setUint16(at, layout * 2 + (inode.extended ? 1 : 0), true)
  const xattrLength = xattrBlockLength(inode.xattrs)
  view.setUint16(at + 2, xattrCount(xattrLength), true)
  view.setUint16(at + 4, inode.mode, true)
  if (inode.extended) {
    view.setBigUint64(at + 8, BigInt(inode.size), true)
    view.setUint32(at + 16, data, true)
    view.setUint32(at + 20, inode.number, true)
    view.setUint32(at + 24, inode.uid, true)
    view.setUint32(at + 28, inode.gid, true)
    view.setUint32(at + 44, inode.nlink, true)
  } else {
    view.setUint16(at + 6, inode.nlink, true)
    view.setUint32(at + 8, inode.size, true)
    view.setUint32(at + 16, data, true)
    view.setUint32(at + 20, inode.number, true)
    view.setUint16(at + 24, inode.uid, true)
    view.setUint16(at + 26, inode.gid, true)
  }
  let next = at + (inode.extended ? 64 : 32)
  writeXattrBlock(inode.xattrs, view, next, tableAt % BLOCK)
  next += xattrLength
  if (inode.tail === 0) return
  if (inode.node?.kind === 'link') bytes.set(inode.node.target, next)
  else if (inode.node?.kind === 'file') bytes.fill(NO_CHUNK, next, next + inode.tail)
  else writeDirents({ bytes, view }, next, lastDirents(inode))
}

/** Returns the entries behind the inode of a directory: those of its last block. */
function lastDirents({ dirents }: Inode): readonly Dirent[] {
  let last: readonly Dirent[] = dirents
  for (const { from, to } of directoryBlocks(dirents)) last = dirents.slice(from, to)
  return last
}

/** Returns the bytes of the table of chunks of a file that has it in a block of its own. */
function chunkTable({ size, chunkBits }: Inode): number {
  return 4 * Math.ceil(size / 2 ** chunkBits)
}

/** Writes the entries of one block: fixed parts first, then the names. */
function writeDirents({ bytes, view }: Pick<ChunkWriter, 'bytes' | 'view'>, at: number, dirents: readonly Dirent[]) {
  let nameAt = DIRENT * dirents.length
  dirents.forEach(({ name, inode }, i) => {
    const entry = at + DIRENT * i
    // The upper half of the 64-bit number stays 0: 2^32 slots are 128 GiB of inodes.
    view.setUint32(entry, inode.at / SLOT, true)
    view.setUint16(entry + 8, nameAt, true)
    view.setUint8(entry + 10, inode.type)
    bytes.set(name, at + nameAt)
    nameAt += name.length
  })
}
