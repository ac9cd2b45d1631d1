/**
 * Many small pieces in, few large ones out: an archive is mostly headers, and a promise for each would cost more than
 * writing them.
 */

/** Bytes of a piece that comes out, but for the last. 1 MiB. */
export const SLAB_SIZE: number = 1 << 20

export class SlabBuffer {
  readonly #size: number
  readonly #full: Uint8Array[] = []
  /** Slabs whose content has been used. */
  readonly #free: Uint8Array[] = []
  #slab: Uint8Array
  #length = 0

  constructor(size = SLAB_SIZE) {
    this.#size = size
    this.#slab = new Uint8Array(size)
  }

  /** Copies `bytes`. */
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

  get hasFull(): boolean {
    return this.#full.length > 0
  }

  /** The slabs that are full. Each is used again once the next is asked for. */
  *full(): Generator<Uint8Array, void, undefined> {
    for (let slab = this.#full.shift(); slab !== undefined; slab = this.#full.shift()) {
      yield slab
      this.#free.push(slab)
    }
  }

  /** As `full`, and what is not full as well. */
  *all(): Generator<Uint8Array, void, undefined> {
    yield* this.full()
    if (this.#length === 0) return
    yield this.#slab.subarray(0, this.#length)
    this.#length = 0
  }

  /** What is left: nothing may be put afterwards. */
  rest(): Uint8Array {
    return this.#slab.subarray(0, this.#length)
  }

  #turn(): void {
    this.#full.push(this.#slab)
    this.#slab = this.#free.pop() ?? new Uint8Array(this.#size)
    this.#length = 0
  }
}
