/** Bits into bytes, the low ones first: what the decoder reads from the other end. Source: RFC 8878, 4.1. */

export class BitWriter {
  readonly bytes: Uint8Array
  /** Where the next whole byte goes. Beyond the end of `bytes` it goes on counting, and nothing is written. */
  at = 0
  #word = 0
  #fill = 0

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
  }

  /** @param width at most 24; `value` must not have more bits */
  put(value: number, width: number): void {
    let word = this.#word | (value << this.#fill)
    let fill = this.#fill + width
    for (; fill >= 8; fill -= 8) {
      this.bytes[this.at++] = word
      word >>>= 8
    }
    this.#word = word
    this.#fill = fill
  }

  /** On to the next whole byte. */
  align(): void {
    if (this.#fill > 0) this.bytes[this.at++] = this.#word
    this.#word = 0
    this.#fill = 0
  }

  /** Ends a stream that is read from its end: a 1, and zeros up to the byte. */
  close(): void {
    this.put(1, 1)
    this.align()
  }

  /** Whole bytes, where no bits are waiting. */
  append(bytes: Uint8Array): void {
    if (this.at + bytes.length <= this.bytes.length) this.bytes.set(bytes, this.at)
    this.at += bytes.length
  }
}
