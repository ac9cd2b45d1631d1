/** A limit on the work and output that malformed bytes can cause. */

import { LimitError } from '../errors.ts'

/** Number of nested values that is always allowed. */
const LEAST_VALUES = 1 << 20
/** Values allowed in addition for each byte of input: `ab` has one for each byte, and `a(b)` two. */
const VALUES_PER_BYTE = 4
/** Reading this many bytes of a basic value takes as long as another value. */
const BYTES_PER_VALUE = 64

/**
 * Counts values and output. Malformed parts decode to defaults, so a few bytes can have a very large value: an array
 * `a(sttt…)` with one byte for each element, or a tuple whose members all span the whole of it.
 */
export class Budget {
  readonly #what: string
  readonly #mostValues: number
  readonly #mostOutput: number
  #values: number

  /**
   * @param what name of the result, for messages
   * @param size number of input bytes
   * @param mostOutput limit on the output in the caller's unit
   */
  constructor(what: string, size: number, mostOutput: number) {
    this.#what = what
    this.#mostValues = LEAST_VALUES + VALUES_PER_BYTE * size
    this.#mostOutput = mostOutput
    this.#values = 0
  }

  /**
   * Counts a value.
   * @param size bytes of the value that are read; 0 for a container, whose children are counted themselves
   * @param output size of the output so far
   * @throws {LimitError} if there are too many values or too much output
   */
  spend(size: number, output: number): void {
    this.#values += 1 + size / BYTES_PER_VALUE
    if (this.#values > this.#mostValues) throw new LimitError(`Values in the ${this.#what}`, this.#mostValues)
    if (output > this.#mostOutput) throw new LimitError(`Size of the ${this.#what}`, this.#mostOutput)
  }
}
