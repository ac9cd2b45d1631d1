/**
 * The layout of an image: which inodes it has, in which order, and where each of them is.
 *
 * The image is a file system in the format EROFS: a superblock, the inodes with their attributes and short data behind
 * them, the table of shared attributes, and whole blocks of directories. Directories have an entry for each backing
 * directory `00` to `ff` that the tree lacks: a whiteout, which hides the directory of that name in an overlay mount.
 *
 * Source: libcomposefs, lcfs-writer-erofs.c.
 */

import { byteKey, compareBytes, displayUtf8, encodeUtf8 } from '../bytes.ts'
import { InvalidNameError, LimitError } from '../errors.ts'
import type { DirectoryNode, ImageNode, NodeXattr } from './interface.ts'
import { type ImageXattr, XattrTable, xattrBlockLength } from './xattr-table.ts'
import { escapeXattrs, SELINUX } from './xattrs.ts'

/** Bytes of a block of the file system. */
export const BLOCK = 4096
/** Inodes begin at multiples of this many bytes; their numbers count in it. */
export const SLOT = 32
/** Offset of the first inode: behind the header of composefs and the superblock. */
export const INODES_AT = 1152
/** Bytes of an entry of a directory without its name. */
export const DIRENT = 12

const MAX_NAME = 255
/** Symbolic links with longer targets have no place in the image. */
const MAX_TARGET = 4095
/** Bytes of an inode whose numbers fit 16 and 32 bits, and of any other. */
const COMPACT = 32
const EXTENDED = 64
const MAX_COMPACT_OWNER = 0xffff
const MAX_COMPACT_SIZE = 0xffffffff
/** Bits of the sizes of the chunks that content is counted in. */
const MIN_CHUNK_BITS = 12
const MAX_CHUNK_BITS = 43
const MAX_CHUNKS = 1024
/** A rest of a directory up to this size is kept behind its inode. */
const MAX_DIRECTORY_TAIL = 2048

const WHITEOUT_MODE = 0o020644
const DOT = encodeUtf8('.')
const DOT_DOT = encodeUtf8('..')

/** Type of an entry of a directory. */
export type DirentType = 1 | 2 | 3 | 7

/** An entry of a directory in the image. */
export interface Dirent {
  readonly name: Uint8Array
  readonly inode: Inode
}

/** An inode of the image. */
export interface Inode {
  readonly mode: number
  readonly uid: number
  readonly gid: number
  /** Number of the inode, from 0. */
  readonly number: number
  readonly nlink: number
  /** The tree's node. `undefined`: one of the whiteouts. */
  readonly node: ImageNode | undefined
  /** What an entry of a directory says about the inode. */
  readonly type: DirentType
  /** Sorted entries of a directory, `.` and `..` included; empty for anything else. */
  readonly dirents: readonly Dirent[]
  /** Sorted by name. */
  readonly xattrs: readonly ImageXattr[]
  /** Bytes of the data: of a directory's entries, a link's target, or the content of a file. */
  readonly size: number
  readonly extended: boolean
  /** Logarithm of the bytes of a chunk of content; 0 for anything else. */
  readonly chunkBits: number
  /** Whole blocks of data. */
  readonly blocks: number
  /** Bytes of data behind the inode. */
  readonly tail: number
  /** Offset in the image. */
  readonly at: number
  /** Index of the first block of data among all blocks of data. */
  readonly firstBlock: number
}

/** The layout of an image. */
export interface ImageLayout {
  readonly inodes: readonly Inode[]
  readonly table: XattrTable
  /** Offset of the table of shared attributes. */
  readonly tableAt: number
  /** Offset of the blocks of data. */
  readonly dataAt: number
  /** Bytes of the image. */
  readonly size: number
}

type MutableInode = { -readonly [Key in keyof Inode]: Inode[Key] }

/**
 * Lays an image out.
 * @throws {InvalidNameError} `File name too long` when a name has more than 255 bytes, or a link's target 4,096 or more
 * @throws {LimitError} when a link's target does not fit a block with its inode, or a file is too large for the format
 */
export function layOut(root: DirectoryNode): ImageLayout {
  const table = new XattrTable()
  const inodes: MutableInode[] = []
  const add = (mode: number, owner: { uid: number; gid: number }, xattrs: readonly NodeXattr[], node?: ImageNode) => {
    const inode = newInode(mode, owner, inodes.length, node)
    inode.xattrs = table.add(escapeXattrs(xattrs), node?.kind === 'file' ? node : undefined)
    inodes.push(inode)
    return inode
  }
  const rootInode = add(root.mode, root, root.xattrs, root)
  rootInode.xattrs = table.withOpaque(rootInode.xattrs)
  const parents = new Map<Inode, Inode>()
  // Breadth first: children are appended while the list is walked.
  for (let i = 0; i < inodes.length; i++) {
    const inode = inodes[i] as MutableInode
    const { node } = inode
    if (node?.kind !== 'directory') continue
    const dirents: Dirent[] = [
      { name: DOT, inode },
      { name: DOT_DOT, inode: parents.get(inode) ?? inode },
    ]
    const children: { name: Uint8Array; node: ImageNode | undefined }[] = [...node.entries]
    if (inode === rootInode) for (const whiteout of whiteouts(node)) children.push(whiteout)
    children.sort((a, b) => compareBytes(a.name, b.name))
    for (const { name, node } of children) {
      if (name.length > MAX_NAME) throw new InvalidNameError(displayUtf8(name), 'File name too long')
      const child =
        node === undefined ? add(WHITEOUT_MODE, root, labelOf(root)) : add(node.mode, node, node.xattrs, node)
      if (child.type === 2) {
        parents.set(child, inode)
        inode.nlink++
      }
      dirents.push({ name, inode: child })
    }
    inode.dirents = dirents.sort((a, b) => compareBytes(a.name, b.name))
    parents.delete(inode)
  }
  table.share()
  return place(inodes, table)
}

function newInode(mode: number, { uid, gid }: { uid: number; gid: number }, number: number, node?: ImageNode) {
  const inode: MutableInode = {
    mode,
    uid,
    gid,
    number,
    node,
    type: node === undefined ? 3 : node.kind === 'directory' ? 2 : node.kind === 'link' ? 7 : 1,
    nlink: node?.kind === 'directory' ? 2 : 1,
    dirents: [],
    xattrs: [],
    size: 0,
    extended: false,
    chunkBits: 0,
    blocks: 0,
    tail: 0,
    at: 0,
    firstBlock: 0,
  }
  return inode
}

/** Returns the names `00` to `ff` that the root does not have. */
function* whiteouts(root: DirectoryNode): Generator<{ name: Uint8Array; node: undefined }> {
  const known = new Set(root.entries.map(({ name }) => byteKey(name)))
  for (let i = 0; i < 256; i++) {
    const name = i.toString(16).padStart(2, '0')
    if (!known.has(name)) yield { name: encodeUtf8(name), node: undefined }
  }
}

function labelOf(root: DirectoryNode): readonly NodeXattr[] {
  const label = root.xattrs.find(([name]) => compareBytes(name, SELINUX) === 0)
  return label === undefined ? [] : [label]
}

/** Gives every inode its size and its place. */
function place(inodes: readonly MutableInode[], table: XattrTable): ImageLayout {
  let at = INODES_AT
  let blocks = 0
  for (const inode of inodes) {
    measure(inode)
    at = roundUp(at, SLOT)
    const head = (inode.extended ? EXTENDED : COMPACT) + xattrBlockLength(inode.xattrs)
    if (inode.node?.kind === 'link') {
      const length = head + inode.tail
      if (length >= BLOCK) throw new LimitError('symbolic link in bytes, with its inode', BLOCK - 1)
      // The target must not cross the border of a block.
      if (Math.floor(at / BLOCK) !== Math.floor((at + length - 1) / BLOCK)) at = roundUp(at, BLOCK)
    } else {
      const rest = BLOCK - ((at + head) % BLOCK)
      if (rest < inode.tail) {
        const padding = roundUp(rest, SLOT)
        if (inode.tail <= BLOCK - ((at + head + padding) % BLOCK)) {
          at += padding
        } else {
          inode.blocks++
          inode.tail = 0
          at = roundUp(at, BLOCK)
        }
      }
    }
    inode.at = at
    inode.firstBlock = blocks
    blocks += inode.blocks
    at += head + inode.tail
  }
  const tableAt = roundUp(at, SLOT)
  const dataAt = roundUp(tableAt + table.byteLength, BLOCK)
  return { inodes, table, tableAt, dataAt, size: dataAt + blocks * BLOCK }
}

/** Sets what the data of an inode take. */
function measure(inode: MutableInode): void {
  const { node } = inode
  if (node?.kind === 'directory') {
    for (const { used } of directoryBlocks(inode.dirents)) {
      inode.blocks++
      inode.tail = used
    }
    // The last block is kept behind the inode when it is short. There is one: `.` and `..` are in every directory.
    if (inode.tail > MAX_DIRECTORY_TAIL) inode.tail = 0
    else inode.blocks--
    inode.size = inode.blocks * BLOCK + inode.tail
  } else if (node?.kind === 'link') {
    if (node.target.length > MAX_TARGET) throw new InvalidNameError(displayUtf8(node.target), 'File name too long')
    inode.size = node.target.length
    inode.tail = inode.size
  } else if (node !== undefined && node.size > 0) {
    inode.size = node.size
    inode.chunkBits = Math.min(Math.max(MIN_CHUNK_BITS, bitLength(node.size - 1)), MAX_CHUNK_BITS)
    const chunks = Math.ceil(node.size / 2 ** inode.chunkBits)
    if (chunks > MAX_CHUNKS) throw new LimitError('file size in bytes', 2 ** MAX_CHUNK_BITS * MAX_CHUNKS)
    inode.tail = 4 * chunks
  }
  inode.extended = inode.uid > MAX_COMPACT_OWNER || inode.gid > MAX_COMPACT_OWNER || inode.size > MAX_COMPACT_SIZE
  if (inode.nlink > MAX_COMPACT_OWNER) inode.extended = true
}

/** A block of a directory: the entries from `from` to `to`, exclusive, and the bytes they take. */
export interface DirectoryBlock {
  readonly from: number
  readonly to: number
  readonly used: number
}

/** Divides the entries of a directory into blocks. */
export function* directoryBlocks(dirents: readonly Dirent[]): Generator<DirectoryBlock> {
  let from = 0
  let used = 0
  for (let to = 0; to < dirents.length; to++) {
    const length = DIRENT + (dirents[to] as Dirent).name.length
    if (used + length > BLOCK) {
      yield { from, to, used }
      from = to
      used = 0
    }
    used += length
  }
  yield { from, to: dirents.length, used }
}

/** Returns the number of binary digits of a whole number. */
function bitLength(value: number): number {
  return value.toString(2).length
}

/** Rounds up to a multiple of `unit`. */
export function roundUp(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit
}
