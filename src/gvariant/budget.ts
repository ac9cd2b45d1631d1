/** A ceiling on the work that a few broken bytes can ask for. */

import { LimitError } from '../errors.ts'

/**
 * Every type has a default, and a broken container can be made to hold a great many of them: `a(sttt…)` with one byte
 * an element, or members that all span the whole tuple. What is done with such bytes is therefore counted.
 */
export class Budget {
  readonly #what: string
  readonly #limit: number
  #left: number

  /** @param size bytes of input; work of a small multiple of it is always granted */
  constructor(what: string, size: number) {
    this.#what = what
    this.#limit = LEAST_BUDGET + size * BUDGET_PER_BYTE
    this.#left = this.#limit
  }

  /** @throws {LimitError} */
  spend(units: number): void {
    this.#left -= units
    if (this.#left < 0) throw new LimitError(this.#what, this.#limit)
  }
}

const LEAST_BUDGET = 1 << 20
/** A byte prints as six characters, and is looked at a few times on the way. */
const BUDGET_PER_BYTE = 64
