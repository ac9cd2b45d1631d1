/**
 * Decoders as coroutines. A decoder is a generator over an `Input`: it yields a chunk of output, or `undefined` to ask
 * for more input, and so reads like the format it decodes. The driver feeds it from an async source; nothing a decoder
 * does waits.
 */

import { EMPTY_BYTES } from '../../bytes.ts'
import { CompressionError } from '../../errors.ts'
import type { CompressionKind, DecompressOptions } from '../interface.ts'
import { abortable } from './abortable.ts'
import { Meter } from './meter.ts'

/** A chunk of output, valid until the decoder goes on, or a request for input. */
export type Step = Uint8Array | undefined
export type Decoder = Generator<Step, void, undefined>

/** Compressed bytes, of which those before `pos` are taken. */
export class Input {
  readonly kind: CompressionKind
  /** A chunk of the source, or what was left of the last one with the next behind it. */
  bytes: Uint8Array = EMPTY_BYTES
  pos = 0
  /** The source has no more. */
  ended = false
  /** Bytes of the source before `bytes`. */
  #before = 0
  /** What `bytes` is a view of when it is not the source's. */
  #storage: Uint8Array = EMPTY_BYTES
  #borrowed = true

  constructor(kind: CompressionKind) {
    this.kind = kind
  }

  get left(): number {
    return this.bytes.length - this.pos
  }

  /** Bytes of the source taken in. */
  get offset(): number {
    return this.#before + this.pos
  }

  /** Makes `chunk` follow what is left. It is not copied where nothing is: `keep` before it changes. */
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

  /** Copies what is left of a chunk of the source. */
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

  /** Room for `more` bytes behind `bytes`; doubling keeps a trickle of tiny chunks from being copied over and over. */
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

  /** Asks until `size` bytes are left. @throws {CompressionError} when the source has fewer */
  *need(size: number): Generator<undefined, void, undefined> {
    while (this.left < size) {
      if (this.ended) throw this.fault('unexpected end of file', this.left)
      yield undefined
    }
  }

  /** @param ahead bytes from here to where the fault is */
  fault(message: string, ahead = 0): CompressionError {
    return new CompressionError(this.kind, message, this.offset + ahead)
  }
}

/** So that bit offsets within `Input.bytes` stay small integers. */
const LARGEST_FEED = 1 << 24

/** Runs a decoder over a source, to the end of both. */
export async function* drive(
  kind: CompressionKind,
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
