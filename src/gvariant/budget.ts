/** A ceiling on the work that a few broken bytes can ask for. */

import { LimitError } from '../errors.ts'

/** Values in a value, itself included, that are always granted. */
const LEAST_VALUES = 1 << 20
/** Beyond that, for each byte: `ab` has one a byte, and `a(b)` two. */
const VALUES_PER_BYTE = 4
/** Bytes of a leaf that take about the time of a value more. */
const BYTES_PER_VALUE = 64

/**
 * Every type has a default, and a broken container can be made to hold a great many of them: `a(sttt…)` with one byte
 * an element, or members that all span the whole tuple. What is done with such bytes is therefore counted.
 */
export class Budget {
  readonly #what: string
  readonly #mostValues: number
  readonly #mostOutput: number
  #values: number

  /**
   * @param what names the result
   * @param size bytes of input
   * @param mostOutput how large the result may be
   */
  constructor(what: string, size: number, mostOutput: number) {
    this.#what = what
    this.#mostValues = LEAST_VALUES + VALUES_PER_BYTE * size
    this.#mostOutput = mostOutput
    this.#values = 0
  }

  /**
   * Counts a value.
   * @param size bytes of it that are looked at: none of a container's
   * @param output size of the result so far
   * @throws {LimitError}
   */
  spend(size: number, output: number): void {
    this.#values += 1 + size / BYTES_PER_VALUE
    if (this.#values > this.#mostValues) throw new LimitError(`Values in the ${this.#what}`, this.#mostValues)
    if (output > this.#mostOutput) throw new LimitError(`Size of the ${this.#what}`, this.#mostOutput)
  }
}
