/**
 * Joins small pieces of bytes to large slabs. An archive is mostly headers, and a promise for each would cost more than
 * writing it.
 */

/** Default size of a slab in bytes: 1 MiB. */
export const SLAB_SIZE: number = 1 << 20

/** Collects bytes in slabs of one size. */
export class SlabBuffer {
  readonly #size: number
  readonly #full: Uint8Array[] = []
  /** Slabs to be reused. */
  readonly #free: Uint8Array[] = []
  #slab: Uint8Array
  #length = 0

  /** @param size size of a slab in bytes */
  constructor(size = SLAB_SIZE) {
    this.#size = size
    this.#slab = new Uint8Array(size)
  }

  /** Appends a copy of `bytes`. */
  put(bytes: Uint8Array): void {
    if (bytes.length < this.#size - this.#length) {
      this.#slab.set(bytes, this.#length)
      this.#length += bytes.length
      return
    }
    for (let at = 0; at < bytes.length; ) {
      const part = bytes.subarray(at, at + this.#size - this.#length)
      this.#slab.set(part, this.#length)
      this.#length += part.length
      at += part.length
      if (this.#length === this.#size) this.#turn()
    }
  }

  /** Whether there is a full slab. */
  get hasFull(): boolean {
    return this.#full.length > 0
  }

  /** Removes and yields the full slabs. A slab is reused once the next is requested. */
  *full(): Generator<Uint8Array, void, undefined> {
    for (let slab = this.#full.shift(); slab !== undefined; slab = this.#full.shift()) {
      yield slab
      this.#free.push(slab)
    }
  }

  /** Like `full`, then the last, partly filled slab. */
  *all(): Generator<Uint8Array, void, undefined> {
    yield* this.full()
    if (this.#length === 0) return
    yield this.#slab.subarray(0, this.#length)
    this.#length = 0
  }

  /** Returns the last, partly filled slab. Nothing may be put after that. */
  rest(): Uint8Array {
    return this.#slab.subarray(0, this.#length)
  }

  #turn(): void {
    this.#full.push(this.#slab)
    this.#slab = this.#free.pop() ?? new Uint8Array(this.#size)
    this.#length = 0
  }
}
