/**
 * Finds parts of a file that another file has too, at whatever place. Both are divided where a sum over the last 64 bytes
 * has a certain value, so that bytes that were inserted or deleted change the chunks around them only.
 *
 * libostree compares chunks only if a CRC-32 of each agrees, but computes it of as many bytes from the start of the *file*.
 * So chunks of one length are compared if the files begin with the same bytes, up to that length; the same is done here,
 * because any other match would make other deltas.
 *
 * Source: ostree-rollsum.c, _ostree_compute_rollsum_matches; bup's bupsplit.c.
 */

import { type Content, equalBytes } from '../../../bytes.ts'
import type { Platform } from '../../../platform/index.ts'

const WINDOW = 64
const OFFSET = 31
/** The sum of a chunk's end has these bits set. */
const MASK = 8191
/** Longest chunk, in bytes. */
export const LONGEST_CHUNK = 32768

/** A chunk of a file. */
interface Chunk {
  readonly start: number
  readonly length: number
  /** SHA-256. */
  readonly digest: string
}

/** The chunks of a file, and how it begins. */
export interface Chunks {
  readonly chunks: readonly Chunk[]
  /** The first LONGEST_CHUNK bytes, or fewer if the file has fewer. */
  readonly head: Uint8Array
}

/** A range that both files have. */
export interface RollsumMatch {
  readonly length: number
  /** Offset in the new file. */
  readonly to: number
  /** Offset in the old file. */
  readonly from: number
}

export interface RollsumMatches {
  /** In the order of the new file. */
  readonly matches: readonly RollsumMatch[]
  /** Different keys of chunks of the new file that a chunk of the old file has. */
  readonly keys: number
  /** Chunks of the new file. */
  readonly total: number
  /** Bytes that match. */
  readonly size: number
}

/** Returns the length of the first chunk of `bytes`, which end with the file or have at least LONGEST_CHUNK bytes. */
export function chunkLength(bytes: Uint8Array): number {
  let a = WINDOW * OFFSET
  let b = WINDOW * (WINDOW - 1) * OFFSET
  const most = Math.min(bytes.length, LONGEST_CHUNK)
  for (let i = 0; i < most; i++) {
    const dropped = i < WINDOW ? 0 : (bytes[i - WINDOW] as number)
    a = (a + (bytes[i] as number) - dropped) | 0
    b = (b + a - WINDOW * (dropped + OFFSET)) | 0
    if ((b & MASK) === MASK) return i + 1
  }
  return most
}

/** Divides a file into chunks. */
export async function divide(content: Content, platform: Platform): Promise<Chunks> {
  const chunks: Chunk[] = []
  let rest = new Uint8Array(0)
  let head: Uint8Array | undefined
  let start = 0
  const take = (all: boolean) => {
    let at = 0
    while (all ? at < rest.length : rest.length - at >= LONGEST_CHUNK) {
      const length = chunkLength(rest.subarray(at, at + LONGEST_CHUNK))
      chunks.push({ start, length, digest: platform.sha256(rest.subarray(at, at + length)) })
      at += length
      start += length
    }
    rest = rest.subarray(at)
  }
  for await (const piece of content instanceof Uint8Array ? [content] : content) {
    const joined = new Uint8Array(rest.length + piece.length)
    joined.set(rest)
    joined.set(piece, rest.length)
    rest = joined
    if (head === undefined && rest.length >= LONGEST_CHUNK) head = rest.slice(0, LONGEST_CHUNK)
    take(false)
  }
  head ??= rest.slice(0, LONGEST_CHUNK)
  take(true)
  return { chunks, head }
}

/** Finds the chunks of a file that another file has, too. */
export function findMatches(from: Chunks, to: Chunks): RollsumMatches {
  const lengths = new Set<number>()
  const first = new Map<string, Chunk>()
  for (const chunk of from.chunks) {
    lengths.add(chunk.length)
    const key = `${chunk.length}:${chunk.digest}`
    if (!first.has(key)) first.set(key, chunk)
  }
  const matches: RollsumMatch[] = []
  const keys = new Set<number>()
  let size = 0
  for (const { start, length, digest } of to.chunks) {
    if (!lengths.has(length) || !equalBytes(from.head.subarray(0, length), to.head.subarray(0, length))) continue
    keys.add(length)
    const found = first.get(`${length}:${digest}`)
    if (found === undefined) continue
    matches.push({ length, to: start, from: found.start })
    size += length
  }
  return { matches, keys: keys.size, total: to.chunks.length, size }
}
