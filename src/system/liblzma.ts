/**
 * xz by the liblzma of the system, through koffi: the library that ostree uses, so that what it writes has the same bytes.
 * Compression runs in another thread, decompression of each chunk in this one.
 *
 * Source: liblzma 5.2, lzma/base.h and lzma/container.h.
 */

import { CompressionError, LimitError, UnsupportedError } from '../errors.ts'
import type { XzCoder } from '../platform/index.ts'
import { type CLibrary, loadLibrary, type NativeFunction } from './koffi.ts'

/** Size of a `lzma_stream` in words of 8 bytes, and the fields in it that are used. */
const STREAM_WORDS = 17
const NEXT_IN = 0
const AVAIL_IN = 1
const NEXT_OUT = 3
const AVAIL_OUT = 4

const RUN = 0
const FINISH = 3
const CHECK_CRC64 = 4
const OK = 0
const STREAM_END = 1
const MEMLIMIT_ERROR = 6
const BUF_ERROR = 10
/** Words of libostree for results. */
const TEXTS: Readonly<Record<number, string>> = {
  3: 'Cannot calculate integrity check',
  5: 'Out of memory',
  [MEMLIMIT_ERROR]: 'Exceeded memory limit',
  7: 'File format not recognized',
  8: 'Invalid or unsupported options',
  9: 'Data is corrupt',
  [BUF_ERROR]: 'Input buffer too small',
}
/** Bytes that are given to the library at a time. */
const INPUT = 1 << 16
const OUTPUT = 1 << 18

interface Functions {
  readonly encoder: NativeFunction
  readonly decoder: NativeFunction
  readonly code: NativeFunction
  readonly end: NativeFunction
  readonly address: CLibrary['address']
}

let loaded: XzCoder | undefined | 'untried' = 'untried'

/** Loads the library, once. `undefined` where it, or koffi, is not installed. */
export function loadLzma(): XzCoder | undefined {
  if (loaded === 'untried') loaded = tryLoad()
  return loaded
}

function tryLoad(): XzCoder | undefined {
  try {
    const library = loadLibrary('liblzma.so.5')
    if (library === undefined) return undefined
    const functions: Functions = {
      encoder: library.func('int lzma_easy_encoder(uint64_t *stream, uint32_t preset, int check)'),
      decoder: library.func('int lzma_stream_decoder(uint64_t *stream, uint64_t limit, uint32_t flags)'),
      code: library.func('int lzma_code(uint64_t *stream, int action)'),
      end: library.func('void lzma_end(uint64_t *stream)'),
      address: library.address,
    }
    return {
      compress: (from, preset) =>
        new Coder(functions, (stream) => functions.encoder(stream, preset, CHECK_CRC64), 'thread', 0).run(from),
      decompress: (from, maxMemory) =>
        new Coder(functions, (stream) => functions.decoder(stream, maxMemory, 0), 'here', maxMemory).run(from),
    }
  } catch {
    // The library lacks one of the functions.
    return undefined
  }
}

/** One stream. The library keeps the addresses of both buffers between its calls, so they are allocated once. */
class Coder {
  readonly #functions: Functions
  readonly #start: (stream: BigUint64Array) => number
  readonly #where: 'thread' | 'here'
  readonly #stream = new BigUint64Array(STREAM_WORDS)
  readonly #input = new Uint8Array(INPUT)
  readonly #output = new Uint8Array(OUTPUT)
  readonly #limit: number
  #consumed = 0

  /**
   * @param where the thread that codes
   * @param limit most bytes of memory, for messages
   */
  constructor(
    functions: Functions,
    start: (stream: BigUint64Array) => number,
    where: 'thread' | 'here',
    limit: number,
  ) {
    this.#limit = limit
    this.#functions = functions
    this.#start = start
    this.#where = where
  }

  async *run(from: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
    const { address, end } = this.#functions
    this.#require(this.#start(this.#stream))
    try {
      const input = address(this.#input)
      for await (const chunk of from) {
        for (let at = 0; at < chunk.length; at += INPUT) {
          const piece = chunk.subarray(at, at + INPUT)
          this.#input.set(piece)
          this.#stream[NEXT_IN] = input
          this.#stream[AVAIL_IN] = BigInt(piece.length)
          this.#consumed += piece.length
          if (yield* this.#code(RUN)) return
        }
      }
      yield* this.#code(FINISH)
    } finally {
      end(this.#stream)
    }
  }

  /** Codes all input. @returns whether the stream has ended */
  async *#code(action: number): AsyncGenerator<Uint8Array, boolean, undefined> {
    for (;;) {
      this.#stream[NEXT_OUT] = this.#functions.address(this.#output)
      this.#stream[AVAIL_OUT] = BigInt(OUTPUT)
      const result = this.#where === 'here' ? this.#functions.code(this.#stream, action) : await this.#inThread(action)
      const length = OUTPUT - Number(this.#stream[AVAIL_OUT])
      if (length > 0) yield this.#output.subarray(0, length)
      if (result === STREAM_END) return true
      if (result === BUF_ERROR && action === RUN) return false
      this.#require(result)
      if (action === RUN && length < OUTPUT && this.#stream[AVAIL_IN] === 0n) return false
    }
  }

  #inThread(action: number): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#functions.code.async(this.#stream, action, (error: unknown, result: number) => {
        if (error) reject(error)
        else resolve(result)
      })
    })
  }

  #require(result: number): void {
    if (result === OK) return
    const text = TEXTS[result] ?? 'Unrecognized LZMA error'
    if (result === MEMLIMIT_ERROR) throw new LimitError('memory for decoding xz', this.#limit, text)
    if (result === 8) throw new UnsupportedError('xz options', text)
    throw new CompressionError('xz', text, this.#consumed)
  }
}
