/**
 * Decoders as coroutines. A decoder is a synchronous generator over an `Input`: it yields a chunk of output, or
 * `undefined` to request more input, so its code follows the format. `drive` runs it over an asynchronous source.
 */

import { EMPTY_BYTES } from '../../bytes.ts'
import { CompressionError } from '../../errors.ts'
import type { DecompressionKind, DecompressOptions } from '../interface.ts'
import { abortable } from './abortable.ts'
import { Meter } from './meter.ts'

/** A chunk of output, whose memory is valid until the decoder is resumed, or a request for more input. */
export type Step = Uint8Array | undefined
/** A running decoder. It throws a `CompressionError` if its input is malformed. */
export type Decoder = Generator<Step, void, undefined>

/** Compressed bytes on their way to a decoder. Those of `bytes` before `pos` have been consumed. */
export class Input {
  readonly kind: DecompressionKind
  /** A chunk of the source, or the unconsumed rest of a chunk followed by the next chunk. */
  bytes: Uint8Array = EMPTY_BYTES
  pos = 0
  /** Whether the source has ended. */
  ended = false
  /** Number of source bytes before `bytes`. */
  #before = 0
  /** The memory of `bytes` when it is not a chunk of the source. */
  #storage: Uint8Array = EMPTY_BYTES
  #borrowed = true

  constructor(kind: DecompressionKind) {
    this.kind = kind
  }

  /** Number of unconsumed bytes in `bytes`. */
  get left(): number {
    return this.bytes.length - this.pos
  }

  /** Number of source bytes consumed. */
  get offset(): number {
    return this.#before + this.pos
  }

  /** Appends `chunk` to the unconsumed bytes. If there are none it is not copied; call `keep` before its memory changes. */
  append(chunk: Uint8Array): void {
    const left = this.left
    if (left === 0) {
      this.#before += this.bytes.length
      this.bytes = chunk
      this.pos = 0
      this.#borrowed = true
      return
    }
    this.keep()
    this.#reserve(chunk.length)
    const end = this.bytes.length
    this.#storage.set(chunk, end)
    this.bytes = this.#storage.subarray(0, end + chunk.length)
  }

  /** Copies the unconsumed bytes of a chunk of the source, so that its memory may be reused. */
  keep(): void {
    if (!this.#borrowed || this.left === 0) return
    const rest = this.bytes.subarray(this.pos)
    if (this.#storage.length < rest.length) this.#storage = new Uint8Array(rest.length * 2)
    this.#storage.set(rest)
    this.#before += this.pos
    this.bytes = this.#storage.subarray(0, rest.length)
    this.pos = 0
    this.#borrowed = false
  }

  /** Makes room for `more` bytes after `bytes`. Doubling avoids copying everything again for each of many tiny chunks. */
  #reserve(more: number): void {
    const { length } = this.bytes
    if (length + more <= this.#storage.length) return
    const left = this.left
    const from = this.bytes.subarray(this.pos)
    if (left + more > this.#storage.length) this.#storage = new Uint8Array(2 * (left + more))
    this.#storage.set(from)
    this.#before += this.pos
    this.pos = 0
    this.bytes = this.#storage.subarray(0, left)
  }

  /**
   * Requests input until `size` bytes are unconsumed.
   * @throws {CompressionError} if the source ends before
   */
  *need(size: number): Generator<undefined, void, undefined> {
    while (this.left < size) {
      if (this.ended) throw this.fault('unexpected end of file', this.left)
      yield undefined
    }
  }

  /**
   * Creates an error for malformed input.
   * @param ahead distance in bytes from `pos` to the malformed byte
   */
  fault(message: string, ahead = 0): CompressionError {
    return new CompressionError(this.kind, message, this.offset + ahead)
  }
}

/** Largest piece of a chunk given to a decoder, in bytes, so that bit offsets within `Input.bytes` are small integers. */
const LARGEST_FEED = 1 << 24

/**
 * Runs a decoder over a source, to the end of both.
 * @throws {CompressionError} if the decoder finds malformed input
 * @throws {LimitError} if there is more output than `options.maxBytes`
 */
export async function* drive(
  kind: DecompressionKind,
  decode: (input: Input) => Decoder,
  from: AsyncIterable<Uint8Array>,
  options: DecompressOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  const { signal } = options
  const input = new Input(kind)
  const decoder = decode(input)
  const meter = new Meter(options)

  function* run(): Generator<Uint8Array, void, undefined> {
    for (let step = decoder.next(); !step.done && step.value !== undefined; step = decoder.next()) {
      meter.count(step.value.length)
      yield step.value
    }
  }

  signal?.throwIfAborted()
  for await (const chunk of abortable(from, signal)) {
    for (let at = 0; at < chunk.length; at += LARGEST_FEED) {
      input.append(chunk.subarray(at, at + LARGEST_FEED))
      yield* run()
    }
    input.keep()
  }
  input.ended = true
  yield* run()
}
