/** A stream cut into pieces of one size, each gathered while the one before is still in use. */

/**
 * The last piece may be shorter, and the only one empty. A piece is good until the next but one is asked for.
 * @param from whose chunks may be reused once the next one is asked for
 */
export async function* pieces(
  from: AsyncIterable<Uint8Array>,
  size: number,
): AsyncGenerator<{ bytes: Uint8Array; last: boolean }, void, undefined> {
  const buffers = [new Growing(size), new Growing(size)] as const
  let [gathering, other] = buffers
  let full: Uint8Array | undefined
  for await (const chunk of from) {
    for (let at = 0; at < chunk.length; ) {
      // What is full goes out only when something follows: else it would not be known for the last.
      if (full !== undefined) {
        yield { bytes: full, last: false }
        full = undefined
        ;[gathering, other] = [other, gathering]
        gathering.clear()
      }
      at += gathering.take(chunk.subarray(at))
      if (gathering.length === size) full = gathering.bytes
    }
  }
  yield { bytes: gathering.bytes, last: true }
}

/** Small blobs are many: room comes as it is needed. */
class Growing {
  readonly #most: number
  #storage: Uint8Array
  length = 0

  constructor(most: number) {
    this.#most = most
    this.#storage = new Uint8Array(0)
  }

  get bytes(): Uint8Array {
    return this.#storage.subarray(0, this.length)
  }

  clear(): void {
    this.length = 0
  }

  /** @returns bytes taken, as many as there is room for */
  take(chunk: Uint8Array): number {
    const taken = Math.min(chunk.length, this.#most - this.length)
    const needed = this.length + taken
    if (needed > this.#storage.length) {
      const grown = new Uint8Array(Math.min(this.#most, Math.max(needed, this.#storage.length * 2)))
      grown.set(this.bytes)
      this.#storage = grown
    }
    this.#storage.set(chunk.subarray(0, taken), this.length)
    this.length = needed
    return taken
  }
}
