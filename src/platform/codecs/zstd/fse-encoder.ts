/**
 * Finite state entropy, the other way: symbols are taken from the last to the first, and each moves the state to one
 * that stands for it. Source: RFC 8878, 4.1; the arithmetic of the states as in the reference implementation, fse.h.
 */

import type { BitWriter } from './bit-writer.ts'
import { spreadSymbols } from './fse.ts'

const LEAST_LOG = 5

export interface FseEncoder {
  readonly log: number
  /** States by symbol, those of one symbol beside each other. */
  readonly states: Uint16Array
  /** By symbol: what added to a state gives, above bit 16, how many bits it has to hand over. */
  readonly bits: Int32Array
  /** By symbol: where its states are, less what a state that handed over its bits is at least. */
  readonly first: Int32Array
}

/** @param norm shares of the symbols that sum up to `2 ** log`; -1 is "less than one" */
export function buildFseEncoder(norm: Int16Array, log: number): FseEncoder {
  const size = 1 << log
  const bits = new Int32Array(norm.length)
  const first = new Int32Array(norm.length)
  const next = new Uint16Array(norm.length)
  let total = 0
  norm.forEach((signed, symbol) => {
    const share = Math.abs(signed)
    next[symbol] = total
    first[symbol] = total - share
    const most = share > 1 ? log - (31 - Math.clz32(share - 1)) : log
    bits[symbol] = (most << 16) - (share << most)
    total += share
  })
  const states = new Uint16Array(size)
  spreadSymbols(norm, log).forEach((symbol, state) => {
    const at = next[symbol] as number
    next[symbol] = at + 1
    states[at] = size + state
  })
  return { log, states, bits, first }
}

/** The state to begin with, for the last symbol: it costs nothing. */
export function startState({ states, bits, first }: FseEncoder, symbol: number): number {
  const width = (bits[symbol]! + (1 << 15)) >> 16
  const value = (width << 16) - bits[symbol]!
  return states[(value >> width) + first[symbol]!]!
}

/** Writes what `state` hands over. @returns the state that stands for `symbol` */
export function nextState(encoder: FseEncoder, state: number, symbol: number, out: BitWriter): number {
  const width = (state + encoder.bits[symbol]!) >> 16
  out.put(state & ((1 << width) - 1), width)
  return encoder.states[(state >> width) + encoder.first[symbol]!]!
}

/** The state that the decoder begins with. */
export function endState({ log }: FseEncoder, state: number, out: BitWriter): void {
  out.put(state & ((1 << log) - 1), log)
}

/** As many bits as pay off for that many symbols, and as the number of different ones needs. */
export function tableLog(total: number, different: number, mostLog: number): number {
  const wanted = 31 - Math.clz32(Math.max(total - 1, 1)) - 2
  const needed = 33 - Math.clz32(different)
  return Math.min(mostLog, Math.max(LEAST_LOG, wanted, needed))
}

/**
 * Shares in proportion to counts, at least 1 for what is there at all.
 * @param log there must be no more different symbols than `2 ** log`
 */
export function normalise(counts: ArrayLike<number>, total: number, log: number): Int16Array {
  const size = 1 << log
  const norm = new Int16Array(counts.length)
  let left = size
  for (let symbol = 0; symbol < norm.length; symbol++) {
    const count = counts[symbol] as number
    if (count === 0) continue
    const share = Math.max(1, Math.round((count * size) / total))
    norm[symbol] = share
    left -= share
  }
  // What rounding gave too much or too little, the most frequent make up for: to them it means least.
  while (left !== 0) {
    let largest = 0
    for (let symbol = 1; symbol < norm.length; symbol++) if (norm[symbol]! > norm[largest]!) largest = symbol
    const share = norm[largest] as number
    const change = left > 0 ? left : -Math.min(-left, Math.max(1, share >> 2))
    norm[largest] = share + change
    left -= change
  }
  return norm
}

/** The description that `readFse` reads; ends on a whole byte. */
export function describeFse(norm: Int16Array, log: number, out: BitWriter): void {
  out.put(log - LEAST_LOG, 4)
  let remaining = 1 << log
  for (let symbol = 0; remaining > 0; ) {
    const share = norm[symbol++] as number
    // Values up to `remaining + 1`; the smallest of them take one bit less.
    const width = 32 - Math.clz32(remaining + 1)
    const short = (1 << width) - 2 - remaining
    const value = share + 1
    if (value < short) out.put(value, width - 1)
    else out.put(value < 1 << (width - 1) ? value : value + short, width)
    remaining -= Math.abs(share)
    if (share !== 0) continue
    let zeros = 0
    while (norm[symbol + zeros] === 0) zeros++
    symbol += zeros
    for (; zeros >= 3; zeros -= 3) out.put(3, 2)
    out.put(zeros, 2)
  }
  out.align()
}
