/**
 * Deflate with the very bytes of zlib itself, where other encoders find other matches: Node has Chromium's fork of zlib,
 * and fflate has an algorithm of its own. Sizes in commits and digests of layers depend on these bytes.
 *
 * The package `pako` is a port of zlib. With `legacyHash` it keeps zlib's hash function, and so its matches: raw
 * deflate, window 15, memory level 8, default strategy, one stream without a flush before its end. It takes about 2.5
 * times as long as Node's zlib. It is loaded when it is first needed.
 *
 * zlib-ng, which some distributions have in place of zlib, gives other bytes.
 */

import type { ZStream } from 'pako'
import { concatBytes, EMPTY_BYTES } from '../../bytes.ts'
import { STREAM_CHUNK_BYTES } from '../limits.ts'

type Pako = typeof import('pako')

const METHOD = 8
const RAW_WINDOW = -15
const MEMORY_LEVEL = 8
const LEGACY_HASH = true
/** Output buffer of one small file, in bytes. */
const SMALL_OUTPUT = 1 << 16

/** Compresses one stream. */
export interface ExactStream {
  /**
   * Compresses `bytes`, whose memory may be reused afterwards. The result does not depend on how the content is cut.
   * @param last nothing follows
   * @returns the compressed bytes that are complete, in order; the caller owns them
   */
  push(bytes: Uint8Array, last: boolean): Uint8Array<ArrayBuffer>[]
}

/** zlib's own deflate, loaded. */
export interface ExactDeflate {
  /**
   * Compresses `bytes` to a raw deflate stream.
   * @param level 1 to 9
   */
  deflateRaw(bytes: Uint8Array, level: number): Uint8Array
  /** @param level 1 to 9 */
  stream(level: number): ExactStream
}

let loading: Promise<ExactDeflate> | undefined

/** Loads the package, once. */
export function loadExactDeflate(): Promise<ExactDeflate> {
  loading ??= import('pako').then((pako) => new StockZlib(pako))
  return loading
}

/**
 * Whether the bytes of zlib can be reproduced at that level. At level 0 the sizes of stored blocks depend on how a
 * program passes its input.
 */
export function canBeExact(level: number): boolean {
  return level >= 1
}

/** Compresses a stream in this thread. @param level 1 to 9 */
export async function* deflateExactly(
  from: AsyncIterable<Uint8Array>,
  level: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  const stream = (await loadExactDeflate()).stream(level)
  for await (const chunk of from) yield* stream.push(chunk, false)
  yield* stream.push(EMPTY_BYTES, true)
}

class StockZlib implements ExactDeflate {
  readonly #pako: Pako
  /** By level: a stream that is used again for each small file, because a new one takes 300 KB of memory. */
  readonly #reused: (Deflating | undefined)[] = []

  constructor(pako: Pako) {
    this.#pako = pako
  }

  deflateRaw(bytes: Uint8Array, level: number): Uint8Array {
    let stream = this.#reused[level]
    if (stream === undefined) {
      stream = new Deflating(this.#pako, level, SMALL_OUTPUT)
      this.#reused[level] = stream
    } else stream.reset()
    const [first = EMPTY_BYTES, ...more] = stream.push(bytes, true)
    return more.length === 0 ? first : concatBytes([first, ...more])
  }

  stream(level: number): ExactStream {
    return new Deflating(this.#pako, level, STREAM_CHUNK_BYTES)
  }
}

class Deflating implements ExactStream {
  readonly #pako: Pako
  readonly #stream: ZStream
  readonly #output: Uint8Array<ArrayBuffer>

  /** @param outputBytes size of the buffer for compressed bytes */
  constructor(pako: Pako, level: number, outputBytes: number) {
    const { ZStream, zlibDeflateInit2, Z_OK, Z_DEFAULT_STRATEGY } = pako
    this.#pako = pako
    this.#stream = new ZStream()
    this.#output = new Uint8Array(outputBytes)
    const status = zlibDeflateInit2(
      this.#stream,
      level,
      METHOD,
      RAW_WINDOW,
      MEMORY_LEVEL,
      Z_DEFAULT_STRATEGY,
      LEGACY_HASH,
    )
    if (status !== Z_OK) throw new RangeError(`zlib refuses level ${level}`)
  }

  /** Begins a new stream. */
  reset(): void {
    this.#pako.zlibDeflateReset(this.#stream)
  }

  push(bytes: Uint8Array, last: boolean): Uint8Array<ArrayBuffer>[] {
    const { zlibDeflate, Z_FINISH, Z_NO_FLUSH, Z_STREAM_ERROR, Z_STREAM_END } = this.#pako
    const stream = this.#stream
    const pieces: Uint8Array<ArrayBuffer>[] = []
    stream.input = bytes
    stream.next_in = 0
    stream.avail_in = bytes.length
    for (;;) {
      stream.output = this.#output
      stream.next_out = 0
      stream.avail_out = this.#output.length
      const status = zlibDeflate(stream, last ? Z_FINISH : Z_NO_FLUSH)
      if (status === Z_STREAM_ERROR) throw new RangeError(`zlib: ${stream.msg || 'stream error'}`)
      if (stream.next_out > 0) pieces.push(this.#output.slice(0, stream.next_out))
      if (last ? status === Z_STREAM_END : stream.avail_out > 0) break
    }
    stream.input = EMPTY_BYTES
    return pieces
  }
}
