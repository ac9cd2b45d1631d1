/** fast-check generators of tar archives together with the trees that they mean. */

import fc from 'fast-check'
import { concatBytes, encodeUtf8 } from '../../bytes.ts'
import { encodeGnuLong, encodePaxHeader, HeaderBlock, paddingFor, type TarEntry } from '../../tar/index.ts'
import { type Directory, directory, file } from '../builders.ts'
import { block, printEntry, printedAs } from '../printing.ts'
import { layerEntries } from './layers.ts'
import { addSparse, dataOf, piecesOf, SPARSE_KINDS, type SparseKind, sparseRecords } from './sparse.ts'
import { anyTree, type TreeOptions } from './trees.ts'

/** A format of tar. Each entry has its own; one that cannot represent an entry gives way to PAX. */
export type TarDialect = 'v7' | 'ustar' | 'gnu' | 'pax'

/** An archive and the tree that it means. */
export interface TreeArchive {
  readonly tree: Directory
  readonly bytes: Uint8Array
  /** The format of each entry, and how it is encoded: `gnu, sparse`. */
  readonly dialects: readonly string[]
}

/** Options of `anyTreeArchive`. */
export interface TreeArchiveOptions extends TreeOptions {
  /** Default: all. */
  readonly dialects?: readonly TarDialect[]
  /** Default: all. */
  readonly sparse?: readonly SparseKind[]
  /** Name of a directory that everything is in, such as `usr`. Default: the root. */
  readonly below?: string
  /** Entries of directories may come after what is in them. Default true. */
  readonly oddOrder?: boolean
  /** The zeros at the end may be more or fewer than two blocks, or missing. Default true. */
  readonly oddEnds?: boolean
  /**
   * The last file may end without the zeros that fill its block. Imports of layers read such an archive, `ostree-ts commit
   * --tree=tar` does not. Default false.
   */
  readonly missingPadding?: boolean
}

/** How one entry is encoded. */
interface Style {
  readonly dialect: TarDialect
  readonly sparse: SparseKind | undefined
  /** PAX: a global header with a comment before the entry. */
  readonly global: boolean
  /** The path begins with `./`. */
  readonly dot: boolean
}

const MAX_SHORT_ID = 0o7777777
const SLASH = 0x2f

type Pairs = readonly (readonly [name: Uint8Array, value: Uint8Array])[]

function bytesOf(text: TarEntry['path']): Uint8Array {
  return typeof text === 'string' ? encodeUtf8(text) : text
}

/** Splits a path for ustar into a prefix of at most 155 bytes and a name of at most 100; `undefined` if it cannot be. */
function split(path: Uint8Array): readonly [prefix: Uint8Array, name: Uint8Array] | undefined {
  if (path.length <= 100) return [new Uint8Array(0), path]
  for (let at = Math.max(1, path.length - 101); at <= 155 && at < path.length - 1; at++) {
    if (path[at] === SLASH) return [path.subarray(0, at), path.subarray(at + 1)]
  }
  return undefined
}

/** Returns whether a format represents an entry. */
function fits(dialect: TarDialect, { path, linkPath = '', uid = 0, gid = 0, xattrs = [] }: TarEntry): boolean {
  if (dialect === 'pax') return true
  if (xattrs.length > 0) return false
  if (dialect === 'gnu') return true
  const [name, link] = [bytesOf(path), bytesOf(linkPath)]
  if (link.length > 100 || uid > MAX_SHORT_ID || gid > MAX_SHORT_ID) return false
  return dialect === 'v7' ? name.length <= 100 : split(name) !== undefined
}

function encodeEntry(entry: TarEntry, style: Style): Uint8Array[] {
  const { type = 'file', linkPath = '', xattrs = [], mode = 0, uid = 0, gid = 0 } = entry
  const { dialect, sparse } = style
  const path = style.dot ? concatBytes([encodeUtf8('./'), bytesOf(entry.path)]) : bytesOf(entry.path)
  const link = bytesOf(linkPath)
  const content = entry.body instanceof Uint8Array ? entry.body : new Uint8Array(0)
  const header = new HeaderBlock(dialect === 'gnu' ? 'gnu' : 'ustar')
  header.mode = mode
  header.uid = uid
  header.gid = gid
  header.type = type
  if (dialect === 'v7') asV7(header, type)
  const pieces = sparse === undefined ? undefined : piecesOf(content)
  const data = pieces === undefined || sparse === undefined ? content : dataOf(content, pieces, sparse)
  header.size = data.length
  const extra = pieces !== undefined && sparse === 'gnu' ? addSparse(header, pieces, content.length) : []
  const before: Uint8Array[] = []
  if (dialect === 'pax') {
    if (style.global) before.push(globalHeader())
    const attributes = (xattrs as Pairs).map(([name, value]) => [`SCHILY.xattr.${text(name)}`, value] as const)
    const records: [string, Uint8Array][] = attributes.map(([key, value]) => [key, value])
    if (pieces !== undefined && sparse !== undefined) {
      for (const record of sparseRecords(path, content.length, pieces, sparse)) records.push(record)
    }
    if (path.length > 100 && sparse !== 'pax-1.0') records.push(['path', path])
    if (link.length > 100) records.push(['linkpath', link])
    if (records.length > 0) before.push(encodePaxHeader(records))
  } else if (dialect === 'gnu') {
    if (link.length > 100) before.push(encodeGnuLong('K', link))
    if (path.length > 100) before.push(encodeGnuLong('L', path))
  }
  const [prefix, name] = (dialect === 'ustar' ? split(path) : undefined) ?? [new Uint8Array(0), path.subarray(0, 100)]
  header.name = name
  if (prefix.length > 0) header.prefix = prefix
  if (link.length > 0) header.linkName = link.subarray(0, 100)
  return [...before, header.seal(), ...extra, data, paddingFor(data.length)]
}

/** Removes what v7 does not have: the magic, and a type of its own for directories. */
function asV7(header: HeaderBlock, type: string): void {
  header.bytes.fill(0, 257, 265)
  if (type === 'directory' || type === 'file') header.bytes[156] = 0
}

function globalHeader(): Uint8Array {
  const header = new HeaderBlock('ustar')
  header.name = encodeUtf8('pax_global_header')
  header.type = 'pax-global'
  return encodePaxHeader([['comment', encodeUtf8('of no effect')]], header)
}

/** Returns a character for each byte, as keys of PAX records have. */
function text(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => String.fromCharCode(byte)).join('')
}

const anyStyle = ({ dialects = ['v7', 'ustar', 'gnu', 'pax'], sparse = SPARSE_KINDS }: TreeArchiveOptions) =>
  fc.record({
    dialect: fc.constantFrom(...dialects),
    sparse: fc.constantFrom(undefined, undefined, ...sparse),
    global: fc.nat({ max: 5 }).map((n) => n === 5),
    dot: fc.boolean(),
  })

/** Contents with holes, which begin and end with either. */
const anyHoles = fc
  .array(fc.tuple(fc.constantFrom(0, 512, 1000, 5120), fc.nat({ max: 700 })), { maxLength: 30 })
  .map((parts) => concatBytes(parts.flatMap(([hole, data]) => [new Uint8Array(hole), new Uint8Array(data).fill(7)])))

/** Returns a style that represents an entry: sparse files are in GNU format or PAX, by their kind. */
function effective(style: Style, entry: TarEntry): Style {
  const isFile = (entry.type ?? 'file') === 'file'
  const sparse = isFile ? style.sparse : undefined
  const wanted = sparse === undefined ? style.dialect : sparse === 'gnu' ? 'gnu' : 'pax'
  const dotted = style.dot ? { ...entry, path: concatBytes([encodeUtf8('./'), bytesOf(entry.path)]) } : entry
  if (fits(wanted, dotted)) return { ...style, dialect: wanted, sparse }
  return { ...style, dialect: 'pax', sparse: sparse === 'gnu' ? undefined : sparse }
}

/** Moves entries of directories behind what is in them, and keeps hard links behind their files. */
function ordered(entries: readonly TarEntry[], order: 'usual' | 'late' | 'last'): TarEntry[] {
  const links = entries.filter(({ type }) => type === 'hardlink')
  const rest = entries.filter(({ type }) => type !== 'hardlink')
  if (order === 'usual') return [...entries]
  if (order === 'late') return [...rest.reverse(), ...links]
  const isDirectory = ({ type }: TarEntry) => type === 'directory'
  return [...rest.filter((entry) => !isDirectory(entry)), ...links, ...rest.filter(isDirectory)]
}

/**
 * Generates archives in every format, mixed entry by entry, with the trees that they mean, so that a property can be
 * "the tree of this import equals `tree`". The root has no entry; readers have to create missing parents if `oddOrder`.
 */
export function anyTreeArchive(options: TreeArchiveOptions = {}): fc.Arbitrary<TreeArchive> {
  const { below, oddOrder = true, oddEnds = true, missingPadding = false } = options
  return fc
    .record({
      tree: anyTree({ depth: 3, ...options }),
      holes: fc.option(anyHoles, { nil: undefined }),
      styles: fc.array(anyStyle(options), { minLength: 1, maxLength: 8 }),
      order: fc.constantFrom('usual' as const, ...(oddOrder ? (['late', 'last'] as const) : [])),
      end: fc.constantFrom(1024, ...(oddEnds ? [0, 512, 10_240] : [])),
      cut: missingPadding ? fc.boolean() : fc.constant(false),
    })
    .map(({ tree: { children }, holes, styles, order, end, cut }) => {
      const more: [string, ReturnType<typeof file>][] = holes === undefined ? [] : [['sparse', file(holes)]]
      const inner = directory([...children, ...more])
      const tree = below === undefined ? inner : directory([[below, inner]])
      const entries = ordered(layerEntries(tree), order)
      const used = entries.map((entry, i) => effective(styles[i % styles.length] as Style, entry))
      const parts = entries.flatMap((entry, i) => encodeEntry(entry, used[i] as Style))
      if (cut) parts.pop()
      const bytes = concatBytes([...parts, new Uint8Array(cut ? 0 : end)])
      const dialects = used.map(({ dialect, sparse }) =>
        sparse === undefined ? dialect : `${dialect}, sparse ${sparse}`,
      )
      const print = () => {
        const lines = entries.map((entry, i) => `${dialects[i]}: ${printEntry(entry)}`)
        return block([
          `archive of ${bytes.length} bytes, ${cut ? 'without padding' : `${end} of them zeros at its end`}`,
          ...lines,
        ])
      }
      return printedAs<TreeArchive>({ tree, bytes, dialects }, print)
    })
}
