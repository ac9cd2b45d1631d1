/**
 * Repetitions in a window of bytes: for each place the longest of the last few that begin with the same four bytes. The
 * window lies in a buffer of twice its size, so that it moves seldom.
 *
 *   │ … window that matches may reach back to │ the block │ room │
 */

/** log2 of the bytes that matches stay within: memory that a reader needs. */
export const WINDOW_LOG = 20
const WINDOW = 1 << WINDOW_LOG
const HASH_LOG = 17
export const LEAST_MATCH = 4
/** Bytes without a match after which one place in two is tried, and so on. */
const PATIENCE_LOG = 6
const NOWHERE = -1

/** What was found in one block, in order: literals, then a match. What is behind the last match is literals alone. */
export class Sequences {
  count = 0
  readonly literals: Uint32Array
  readonly offsets: Uint32Array
  readonly lengths: Uint32Array

  constructor(block: number) {
    const most = block / LEAST_MATCH
    this.literals = new Uint32Array(most)
    this.offsets = new Uint32Array(most)
    this.lengths = new Uint32Array(most)
  }

  push(literals: number, offset: number, length: number): void {
    const at = this.count++
    this.literals[at] = literals
    this.offsets[at] = offset
    this.lengths[at] = length
  }
}

export class Matches {
  readonly bytes: Uint8Array
  /** Where the next bytes go. */
  end = 0
  readonly #block: number
  readonly #view: DataView
  /** The last place of each hash, and for each place the one before with the same. */
  readonly #last = new Int32Array(1 << HASH_LOG).fill(NOWHERE)
  readonly #before = new Int32Array(WINDOW).fill(NOWHERE)
  /** Candidates looked at for each place. */
  readonly #depth: number
  #recent = 0
  /** How long the match is that `#best` gave. */
  #found = 0

  /** @param block bytes of the largest block, which the window is a multiple of */
  constructor(block: number, depth: number) {
    this.#block = block
    this.#depth = depth
    this.bytes = new Uint8Array(2 * WINDOW)
    this.#view = new DataView(this.bytes.buffer)
  }

  /** Room for one more block. */
  makeRoom(): void {
    if (this.end + this.#block <= this.bytes.length) return
    const from = this.end - WINDOW
    this.bytes.copyWithin(0, from, this.end)
    this.end = WINDOW
    for (const table of [this.#last, this.#before]) {
      for (let i = 0; i < table.length; i++) table[i] = Math.max(table[i]! - from, NOWHERE)
    }
  }

  /** All of the block that begins at `start` and goes to `end`. */
  find(start: number, sequences: Sequences): void {
    const { bytes, end } = this
    const view = this.#view
    const last = end - LEAST_MATCH
    sequences.count = 0
    let anchor = start
    let recent = this.#recent
    for (let at = start; at <= last; ) {
      // What lay one step behind the last match often goes on after a byte that changed.
      const next = at + 1
      if (
        recent > 0 &&
        next <= last &&
        next >= recent &&
        view.getUint32(next, true) === view.getUint32(next - recent, true)
      ) {
        const length = this.#lengthOf(next, next - recent)
        sequences.push(next - anchor, recent, length)
        this.#enter(at, next + length, last)
        at = next + length
        anchor = at
        continue
      }
      const candidate = this.#best(at)
      if (candidate === NOWHERE) {
        at += 1 + ((at - anchor) >> PATIENCE_LOG)
        continue
      }
      let from = at
      const back = at - candidate
      let length = this.#found
      while (from > anchor && from > back && bytes[from - 1] === bytes[from - 1 - back]) {
        from--
        length++
      }
      sequences.push(from - anchor, back, length)
      recent = back
      this.#enter(at + 1, from + length, last)
      at = from + length
      anchor = at
    }
    this.#recent = recent
  }

  /** Enters the place, and gives the candidate with the longest match. */
  #best(at: number): number {
    const view = this.#view
    const word = view.getUint32(at, true)
    const hash = Math.imul(word, 0x9e3779b1) >>> (32 - HASH_LOG)
    let candidate = this.#last[hash]!
    this.#last[hash] = at
    this.#before[at & (WINDOW - 1)] = candidate
    const lowest = Math.max(0, at - WINDOW + 1)
    let best = NOWHERE
    let bestLength = LEAST_MATCH - 1
    for (let left = this.#depth; left > 0 && candidate >= lowest; left--) {
      if (
        view.getUint32(candidate, true) === word &&
        this.bytes[candidate + bestLength] === this.bytes[at + bestLength]
      ) {
        const length = this.#lengthOf(at, candidate)
        if (length > bestLength) {
          best = candidate
          bestLength = length
          if (at + length >= this.end) break
        }
      }
      const before = this.#before[candidate & (WINDOW - 1)]!
      // A place further back than the window was written over by one that is not.
      if (before >= candidate) break
      candidate = before
    }
    this.#found = bestLength
    return best
  }

  /** Enters places of a match, all of them where several candidates are looked at. */
  #enter(from: number, to: number, last: number): void {
    const view = this.#view
    const step = this.#depth > 1 ? 1 : 3
    for (let at = from; at < to && at <= last; at += step) {
      const hash = Math.imul(view.getUint32(at, true), 0x9e3779b1) >>> (32 - HASH_LOG)
      this.#before[at & (WINDOW - 1)] = this.#last[hash]!
      this.#last[hash] = at
    }
  }

  #lengthOf(at: number, candidate: number): number {
    const { bytes, end } = this
    const view = this.#view
    let length = LEAST_MATCH
    while (at + length + 4 <= end && view.getUint32(at + length, true) === view.getUint32(candidate + length, true)) {
      length += 4
    }
    while (at + length < end && bytes[at + length] === bytes[candidate + length]) length++
    return length
  }
}
