/** Cuts a stream into pieces of one size. The next piece is filled while the previous one is still in use. */

/**
 * Yields a stream in pieces of `size` bytes. The last piece may be shorter, and is empty when the stream is. A piece is
 * valid until the piece after the next one is requested.
 * @param from the stream; it may reuse a chunk once the next one is requested
 * @param size bytes
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
      // A full piece is yielded only when more bytes follow. Otherwise it is the last, and is marked so below.
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

/** A buffer that grows up to a limit. Most blobs are small, so it does not begin with a whole piece. */
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

  /** Copies as many bytes of `chunk` as there is room for, and returns their number. */
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
