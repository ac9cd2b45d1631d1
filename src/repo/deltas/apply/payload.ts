/**
 * Reads the payload of a part, `(a(uuu) aa(ayay) ay ay)`, at any place, without having it in memory as a whole.
 *
 *     modes │ sets of xattrs │ blob │ operations │ end of blob │ end of sets │ end of modes
 *
 * As GVariant specifies, a member with an invalid position is empty.
 */

import { FormatError } from '../../../errors.ts'
import { type FileHeader, type Xattrs, Xattrs as XattrsCodec } from '../../../objects/index.ts'
import type { RandomAccess } from '../../core/random-access.ts'
import { BufferedAccess } from '../../core/scratch.ts'

/** Bytes of owner, group and mode. */
const MODE_SIZE = 12
const SMALL_BUFFER = 1 << 16
/** Bytes of one set of xattrs: Linux limits each to 64 KiB, and the names of a file's to 64 KiB. */
const MAX_XATTRS = 16 << 20
/** Sets of xattrs and modes that are kept decoded. */
const MOST_KEPT = 4096

/** A range of a payload, in bytes. */
export interface Span {
  readonly start: number
  readonly end: number
}

/** Owner, group, mode and xattrs of a file that a part creates. */
export type DeltaFileMeta = Pick<FileHeader, 'uid' | 'gid' | 'mode'>

export class DeltaPayload {
  readonly access: RandomAccess
  /** The blob, which operations refer to. */
  readonly blob: Span
  readonly operations: Span
  readonly modeCount: number
  readonly xattrCount: number
  readonly #modes: Span
  readonly #xattrs: Span
  /** Where the table of the ends of the sets of xattrs begins, and the width of its entries. */
  readonly #table: { readonly start: number; readonly width: number }
  readonly #small: BufferedAccess
  readonly #knownModes = new Map<number, DeltaFileMeta>()
  readonly #knownXattrs = new Map<number, Xattrs>()

  /** @param access the payload, which stays open for the caller to close */
  constructor(access: RandomAccess) {
    this.access = access
    this.#small = new BufferedAccess(access, SMALL_BUFFER)
    const [modes, xattrs, blob, operations] = this.#members()
    this.#modes = modes
    this.#xattrs = xattrs
    this.blob = blob
    this.operations = operations
    const modesSize = modes.end - modes.start
    this.modeCount = modesSize % MODE_SIZE === 0 ? modesSize / MODE_SIZE : 0
    const size = xattrs.end - xattrs.start
    const width = offsetWidth(size)
    const table = size === 0 ? 0 : this.#number(xattrs.end - width, width)
    const valid = size > 0 && table <= size - width && (size - table) % width === 0
    this.xattrCount = valid ? (size - table) / width : 0
    this.#table = { start: xattrs.start + table, width }
  }

  #members(): [Span, Span, Span, Span] {
    const nothing: Span = { start: 0, end: 0 }
    const { size } = this.access
    const width = offsetWidth(size)
    const table = size - 3 * width
    if (size === 0 || table < 0) return [nothing, nothing, nothing, nothing]
    const spans: Span[] = []
    let start = 0
    for (const end of [
      this.#number(size - width, width),
      this.#number(size - 2 * width, width),
      this.#number(table, width),
      table,
    ]) {
      // After a member that is out of order all others are empty, too.
      if (end < start || end > table) break
      spans.push({ start, end })
      start = end
    }
    const [modes = nothing, xattrs = nothing, blob = nothing, operations = nothing] = spans
    return [modes, xattrs, blob, operations]
  }

  /** Reads a little-endian number. Above 2^53 it is inexact, but larger than any payload. */
  #number(at: number, width: number): number {
    const bytes = this.#small.view(at, width)
    let value = 0
    for (let i = width - 1; i >= 0; i--) value = value * 256 + (bytes[i] as number)
    return value
  }

  /** Returns owner, group and mode. @throws {FormatError} if there is no such entry */
  mode(index: number | bigint): DeltaFileMeta {
    const at = requireIndex('mode', index, this.modeCount)
    let known = this.#knownModes.get(at)
    if (known === undefined) {
      const bytes = this.#small.view(this.#modes.start + at * MODE_SIZE, MODE_SIZE)
      const view = new DataView(bytes.buffer, bytes.byteOffset, MODE_SIZE)
      known = { uid: view.getUint32(0), gid: view.getUint32(4), mode: view.getUint32(8) }
      keep(this.#knownModes, at, known)
    }
    return known
  }

  /** Returns a set of xattrs. @throws {FormatError} if there is no such entry, or it is malformed */
  xattrs(index: number | bigint): Xattrs {
    const at = requireIndex('xattrs', index, this.xattrCount)
    let known = this.#knownXattrs.get(at)
    if (known === undefined) {
      const { start, width } = this.#table
      const from = at === 0 ? 0 : this.#number(start + (at - 1) * width, width)
      const to = this.#number(start + at * width, width)
      if (from > to || this.#xattrs.start + to > start) {
        throw new FormatError('static delta part', `Invalid position of xattrs ${at}: ${from} to ${to}`)
      }
      if (to - from > MAX_XATTRS) throw new FormatError('static delta part', `Xattrs ${at} have ${to - from} bytes`)
      known = XattrsCodec.decode(this.#small.copy(this.#xattrs.start + from, to - from))
      keep(this.#knownXattrs, at, known)
    }
    return known
  }
}

function requireIndex(what: string, index: number | bigint, count: number): number {
  if (index < count) return Number(index)
  throw new FormatError('static delta part', `Invalid ${what} index ${index}; the part has ${count}`)
}

function keep<T>(known: Map<number, T>, index: number, value: T): void {
  if (known.size >= MOST_KEPT) known.clear()
  known.set(index, value)
}

/** Width in bytes of the offsets in a container of `size` bytes. */
function offsetWidth(size: number): 1 | 2 | 4 | 8 {
  if (size <= 0xff) return 1
  if (size <= 0xffff) return 2
  return size <= 0xffff_ffff ? 4 : 8
}
