/** Reads the operations of a part one by one. Source: ostree-varint.c, _ostree_read_varuint64. */

import { FormatError } from '../../../errors.ts'
import type { BufferedAccess } from '../../core/scratch.ts'
import type { Span } from './payload.ts'

/** A number of 64 bits: a bigint if it is larger than a number holds exactly. */
export type Varuint = number | bigint

const MOST_BYTES = 10
/** Bytes of a number that fit into the exact integers of a double: 49 bits. */
const EXACT_BYTES = 7
const MOST = 2n ** 64n

/** The operations that are left of a part. */
export class Operations {
  /** Number of operations taken. */
  count = 0
  readonly #access: BufferedAccess
  #at: number
  readonly #end: number

  constructor(access: BufferedAccess, { start, end }: Span) {
    this.#access = access
    this.#at = start
    this.#end = end
  }

  /** Takes the letter of the next operation; `undefined` at the end. */
  next(): number | undefined {
    if (this.#at >= this.#end) return undefined
    this.count++
    return this.#byte()
  }

  /** Takes a number. @throws {FormatError} if it is cut off, or has more than ten bytes */
  number(): Varuint {
    let value = 0
    for (let i = 0, scale = 1; i < MOST_BYTES; i++, scale *= 128) {
      if (this.#at >= this.#end) break
      const byte = this.#byte()
      if (i >= EXACT_BYTES) return this.#large(BigInt(value), i, byte)
      value += (byte & 0x7f) * scale
      if (byte < 0x80) return value
    }
    throw cutOff()
  }

  #large(low: bigint, index: number, first: number): Varuint {
    let value = low
    let byte = first
    for (let i = index; ; ) {
      value += BigInt(byte & 0x7f) << BigInt(7 * i)
      if (byte < 0x80) break
      if (++i >= MOST_BYTES || this.#at >= this.#end) throw cutOff()
      byte = this.#byte()
    }
    value %= MOST
    return value <= Number.MAX_SAFE_INTEGER ? Number(value) : value
  }

  #byte(): number {
    return this.#access.view(this.#at++, 1)[0] as number
  }
}

function cutOff(): FormatError {
  return new FormatError('static delta part', 'Unexpected EOF reading varint')
}

/** Checks a range. @returns both as numbers. @throws {FormatError} unless it lies within `size` bytes */
export function requireRange(offset: Varuint, length: Varuint, size: number): { offset: number; length: number } {
  if (length <= size && offset <= size - Number(length)) return { offset: Number(offset), length: Number(length) }
  throw new FormatError('static delta part', `Invalid offset/length ${offset}/${length}`)
}
