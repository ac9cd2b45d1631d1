/**
 * Finite State Entropy: tables that map a state to a symbol and, with further bits, to the next state.
 * Source: RFC 8878, 4.1.
 */

/** A decoding table. */
export interface FseTable {
  /** Number of bits of the initial state. */
  readonly log: number
  /** For each state `base(16) │ bits(8) │ symbol(8)`. The next state is `base` plus the number in the next `bits` bits. */
  readonly entries: Int32Array
}

/**
 * Returns the symbol of each state.
 * @param norm probability of each symbol in units of `2 ** -log`; -1 means less than 1
 */
function spreadSymbols(norm: Int16Array, log: number): Uint8Array {
  const size = 1 << log
  const symbols = new Uint8Array(size)
  let high = size
  norm.forEach((share, symbol) => {
    if (share === -1) symbols[--high] = symbol
  })
  const step = (size >> 1) + (size >> 3) + 3
  let at = 0
  norm.forEach((share, symbol) => {
    for (let i = 0; i < share; i++) {
      symbols[at] = symbol
      do at = (at + step) & (size - 1)
      while (at >= high)
    }
  })
  return symbols
}

/**
 * Builds a decoding table of `2 ** log` states.
 * @param norm probability of each symbol in units of `2 ** -log`; -1 means less than 1
 */
export function buildFse(norm: Int16Array, log: number): FseTable {
  const size = 1 << log
  const symbols = spreadSymbols(norm, log)
  const next = Uint16Array.from(norm, (share) => Math.abs(share))
  const entries = new Int32Array(size)
  for (let state = 0; state < size; state++) {
    const symbol = symbols[state] as number
    const from = next[symbol] as number
    next[symbol] = from + 1
    const bits = log - (31 - Math.clz32(from))
    entries[state] = (((from << bits) - size) << 16) | (bits << 8) | symbol
  }
  return { log, entries }
}

/** Returns a table with a single state, which gives `symbol` and takes no bits. */
export function constantFse(symbol: number): FseTable {
  return { log: 0, entries: Int32Array.of(symbol) }
}

/**
 * Reads the description of a table at `bytes[start]`.
 * @param mostLog limit on `log`
 * @param mostSymbols limit on the number of symbols
 * @returns the table and the index after its description; `undefined` if it is malformed or reaches beyond `end`
 */
export function readFse(
  bytes: Uint8Array,
  start: number,
  end: number,
  mostLog: number,
  mostSymbols: number,
): { table: FseTable; end: number } | undefined {
  let bit = start * 8
  const take = (width: number): number => {
    const at = bit >> 3
    const word = (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16)
    const value = (word >> (bit & 7)) & ((1 << width) - 1)
    bit += width
    return value
  }
  const log = take(4) + 5
  if (log > mostLog) return undefined
  const norm = new Int16Array(mostSymbols)
  let remaining = 1 << log
  let symbol = 0
  while (remaining > 0 && symbol < mostSymbols) {
    // Values are at most `remaining + 1`; the smallest take one bit less.
    const width = 32 - Math.clz32(remaining + 1)
    const lowMask = (1 << (width - 1)) - 1
    const short = (1 << width) - 2 - remaining
    let value = take(width)
    if ((value & lowMask) < short) {
      bit--
      value &= lowMask
    } else if (value > lowMask) value -= short
    const share = value - 1
    remaining -= Math.abs(share)
    norm[symbol++] = share
    if (share !== 0) continue
    // After a zero, the number of further zeros follows in groups of up to three.
    let zeros: number
    do {
      zeros = take(2)
      symbol += zeros
    } while (zeros === 3 && symbol < mostSymbols)
  }
  const behind = (bit + 7) >> 3
  if (remaining !== 0 || symbol > mostSymbols || behind > end) return undefined
  return { table: buildFse(norm.subarray(0, symbol), log), end: behind }
}
