/** The four encodings of sparse files in tar archives. Source: GNU tar manual, "Storing Sparse Files". */

import { concatBytes, encodeUtf8 } from '../../bytes.ts'
import { type HeaderBlock, paddingFor } from '../../tar/index.ts'

/** How a sparse file is encoded: in the header of GNU tar, or in one of three ways in PAX records. */
export type SparseKind = 'gnu' | 'pax-0.0' | 'pax-0.1' | 'pax-1.0'

/** All encodings of sparse files. */
export const SPARSE_KINDS: readonly SparseKind[] = ['gnu', 'pax-0.0', 'pax-0.1', 'pax-1.0']

type Piece = readonly [offset: number, length: number]

const BLOCK = 512
/** Pairs in a header, and in each block after it. */
const PAIRS = 4
const MORE_PAIRS = 21
const OLD_MAP = 386
const OLD_EXTENDED = 482
const OLD_REAL_SIZE = 483
const EXTENSION_EXTENDED = 504

/** Finds the blocks of a file that are not zeros. The last piece is empty and at the end, as GNU tar writes it. */
export function piecesOf(content: Uint8Array): Piece[] {
  const pieces: [offset: number, length: number][] = []
  for (let at = 0; at < content.length; at += BLOCK) {
    const part = content.subarray(at, at + BLOCK)
    if (part.every((byte) => byte === 0)) continue
    const last = pieces.at(-1)
    if (last !== undefined && last[0] + last[1] === at) last[1] += part.length
    else pieces.push([at, part.length])
  }
  const end = pieces.at(-1)
  if (end === undefined || end[0] + end[1] < content.length) pieces.push([content.length, 0])
  return pieces
}

/** Returns the data of a sparse file as it is in the archive. */
export function dataOf(content: Uint8Array, pieces: readonly Piece[], kind: SparseKind): Uint8Array {
  const data = pieces.map(([offset, length]) => content.subarray(offset, offset + length))
  if (kind !== 'pax-1.0') return concatBytes(data)
  const map = encodeUtf8([pieces.length, ...pieces.flat()].map((number) => `${number}\n`).join(''))
  return concatBytes([map, paddingFor(map.length), ...data])
}

/** Returns the PAX records of a sparse file. @param size that of the whole file, in bytes */
export function sparseRecords(
  path: Uint8Array,
  size: number,
  pieces: readonly Piece[],
  kind: SparseKind,
): [string, Uint8Array][] {
  const record = (key: string, value: number | string): [string, Uint8Array] => [
    `GNU.sparse.${key}`,
    encodeUtf8(String(value)),
  ]
  if (kind === 'gnu') return []
  if (kind === 'pax-1.0') {
    return [record('major', 1), record('minor', 0), ['GNU.sparse.name', path], record('realsize', size)]
  }
  const head = [record('size', size), record('numblocks', pieces.length)]
  if (kind === 'pax-0.1') return [...head, record('map', pieces.flat().join(','))]
  return [...head, ...pieces.flatMap(([offset, length]) => [record('offset', offset), record('numbytes', length)])]
}

/**
 * Writes the map of a sparse file into a header of GNU tar.
 * @param size that of the whole file, in bytes
 * @returns the blocks that follow the header
 */
export function addSparse(header: HeaderBlock, pieces: readonly Piece[], size: number): Uint8Array[] {
  header.type = 'S'
  for (const [i, piece] of pieces.slice(0, PAIRS).entries()) putPair(header.bytes, OLD_MAP + i * 24, piece)
  header.bytes[OLD_EXTENDED] = pieces.length > PAIRS ? 1 : 0
  putNumber(header.bytes, OLD_REAL_SIZE, size)
  const blocks: Uint8Array[] = []
  for (let at = PAIRS; at < pieces.length; at += MORE_PAIRS) {
    const more = new Uint8Array(BLOCK)
    for (const [i, piece] of pieces.slice(at, at + MORE_PAIRS).entries()) putPair(more, i * 24, piece)
    more[EXTENSION_EXTENDED] = pieces.length > at + MORE_PAIRS ? 1 : 0
    blocks.push(more)
  }
  return blocks
}

function putPair(bytes: Uint8Array, at: number, [offset, length]: Piece): void {
  putNumber(bytes, at, offset)
  putNumber(bytes, at + 12, length)
}

function putNumber(bytes: Uint8Array, at: number, value: number): void {
  bytes.set(encodeUtf8(value.toString(8).padStart(11, '0')), at)
}
