/**
 * Decodes xz: all streams of a file, with the padding between them. Everything that the format has for it is verified: the
 * checksums of headers and of each block, the sizes, and the index.
 *
 *     stream: fd 37 7a 58 5a 00 │ flags 2 │ CRC-32 │ block … │ index │ CRC-32 │ size of the index 4 │ flags 2 │ "YZ"
 *     block:  size │ flags │ [compressed size] [size] │ filters │ padding │ CRC-32 │ LZMA2 data │ padding │ check
 *     index:  0 │ number of blocks │ size and uncompressed size of each │ padding │ CRC-32
 *     LZMA2:  control 1 │ sizes │ [properties] │ LZMA data or plain bytes, and so on │ 0
 *
 * Source: the .xz file format 1.2; LZMA2 as in xz 5.4, lzma2_decoder.c.
 */
import { equalBytes, fromHex } from '../../../bytes.ts'
import { LimitError, UnsupportedError } from '../../../errors.ts'
import type { Hasher } from '../../interface.ts'
import { MAX_XZ_DICTIONARY } from '../../limits.ts'
import { crc32 } from '../crc32.ts'
import type { Decoder, Input } from '../decoder.ts'
import { Crc64 } from './crc64.ts'
import { Lzma, Window } from './lzma.ts'

const HEADER = [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]
const HEADER_SIZE = 12
const FOOTER_SIZE = 12
const LZMA2_FILTER = 0x21
/** Names of the filters that are not supported. */
const FILTERS: Readonly<Record<number, string>> = {
  3: 'delta',
  4: 'x86',
  5: 'powerpc',
  6: 'ia64',
  7: 'arm',
  8: 'armthumb',
  9: 'sparc',
  10: 'arm64',
  11: 'riscv',
}
/** Sizes of the checks by their number, in bytes. */
const CHECK_SIZES = [0, 4, 4, 4, 8, 8, 8, 16, 16, 16, 32, 32, 32, 64, 64, 64]
/** Largest output chunk, and least size of a window, in bytes. */
const CHUNK = 1 << 20
/** A number that is larger cannot be the size of anything. */
const MAX_SIZE = Number.MAX_SAFE_INTEGER

/** Creates what computes the SHA-256 of a block. */
export type CreateHasher = () => Hasher

/** What is known of the blocks of a stream when its index comes. */
class Blocks {
  count = 0
  #sizes = 0
  #checksum = 0

  add(unpadded: number, uncompressed: number): void {
    const pair = new DataView(new ArrayBuffer(16))
    pair.setBigUint64(0, BigInt(unpadded))
    pair.setBigUint64(8, BigInt(uncompressed))
    this.#checksum = crc32(new Uint8Array(pair.buffer), this.#checksum)
    this.#sizes += unpadded + uncompressed
    this.count++
  }

  equals(other: Blocks): boolean {
    return this.count === other.count && this.#sizes === other.#sizes && this.#checksum === other.#checksum
  }
}

/** The window that all blocks use, which is as large as the largest dictionary. */
interface Memory {
  window: Window | undefined
  /** Largest dictionary that is accepted, in bytes. */
  readonly most: number
}

/**
 * Decodes all streams.
 * @param most largest dictionary that is accepted, in bytes; at most 128 MiB
 * @throws {LimitError} if a dictionary is larger than that
 * @throws {UnsupportedError} if a filter other than LZMA2, or a check that the format does not define, is used
 */
export function* unxz(input: Input, createSha256: CreateHasher, most = MAX_XZ_DICTIONARY): Decoder {
  const memory: Memory = { window: undefined, most: Math.min(most, MAX_XZ_DICTIONARY) }
  do {
    yield* stream(input, createSha256, memory)
  } while (yield* another(input))
}

function* stream(input: Input, createSha256: CreateHasher, memory: Memory): Decoder {
  yield* input.need(1)
  if (input.bytes[input.pos] !== HEADER[0]) throw input.fault('invalid xz header')
  yield* input.need(HEADER_SIZE)
  const header = input.bytes.subarray(input.pos, input.pos + HEADER_SIZE)
  if (!HEADER.every((byte, i) => header[i] === byte)) throw input.fault('invalid xz header')
  if (crc32(header.subarray(6, 8)) !== word(input, 8)) throw input.fault('incorrect checksum of the stream header')
  const flags = [header[6], header[7]]
  const check = flags[1] as number
  if (flags[0] !== 0 || check > 15) throw input.fault('unknown flags in the stream header')
  input.pos += HEADER_SIZE

  const blocks = new Blocks()
  for (;;) {
    yield* input.need(1)
    if (input.bytes[input.pos] === 0) break
    yield* block(input, check, createSha256, memory, blocks)
  }
  const indexSize = yield* index(input, blocks)
  yield* input.need(FOOTER_SIZE)
  const footer = input.bytes.subarray(input.pos, input.pos + FOOTER_SIZE)
  if (footer[10] !== 0x59 || footer[11] !== 0x5a) throw input.fault('invalid xz footer')
  if (crc32(footer.subarray(4, 10)) !== word(input, 0)) throw input.fault('incorrect checksum of the stream footer')
  if (footer[8] !== flags[0] || footer[9] !== flags[1]) throw input.fault('flags of header and footer differ')
  if ((word(input, 4) + 1) * 4 !== indexSize) throw input.fault('incorrect size of the index')
  input.pos += FOOTER_SIZE
}

function word(input: Input, at: number): number {
  return new DataView(input.bytes.buffer, input.bytes.byteOffset + input.pos + at, 4).getUint32(0, true)
}

/** Skips the padding of a stream, a multiple of four zeros, and returns whether another stream follows. */
function* another(input: Input): Generator<undefined, boolean, undefined> {
  let padding = 0
  for (;;) {
    while (input.left > 0) {
      if (input.bytes[input.pos] !== 0) {
        if (padding % 4 !== 0) throw input.fault('padding that is not a multiple of four bytes')
        return true
      }
      padding++
      input.pos++
    }
    if (input.ended) {
      if (padding % 4 !== 0) throw input.fault('padding that is not a multiple of four bytes')
      return false
    }
    yield undefined
  }
}

interface BlockHeader {
  readonly compressed: number | undefined
  readonly uncompressed: number | undefined
  /** Size of the dictionary, in bytes. */
  readonly dictionary: number
}

function* block(input: Input, check: number, createSha256: CreateHasher, memory: Memory, blocks: Blocks): Decoder {
  const start = input.offset
  const header = yield* blockHeader(input, memory.most)
  const hash = checkOf(check, createSha256)
  const dataStart = input.offset
  if (memory.window === undefined || memory.window.bytes.length < header.dictionary) {
    memory.window = new Window(Math.max(CHUNK, header.dictionary))
  }
  let uncompressed = 0
  for (const step of lzma2(input, memory.window, header.dictionary)) {
    if (step !== undefined) {
      uncompressed += step.length
      if (uncompressed > (header.uncompressed ?? MAX_SIZE)) throw input.fault('a block is larger than its header says')
      hash?.update(step)
    }
    yield step
  }
  const compressed = input.offset - dataStart
  if (compressed !== (header.compressed ?? compressed) || uncompressed !== (header.uncompressed ?? uncompressed)) {
    throw input.fault('the header of a block has other sizes than the block')
  }
  const padding = -compressed & 3
  const size = CHECK_SIZES[check] as number
  yield* input.need(padding + size)
  requireZeros(input, padding)
  const found = input.bytes.subarray(input.pos, input.pos + size)
  if (hash !== undefined && !equalBytes(found, hash.digest())) throw input.fault('incorrect check of a block')
  input.pos += size
  blocks.add(input.offset - start - padding, uncompressed)
}

function requireZeros(input: Input, count: number): void {
  for (let i = 0; i < count; i++) if (input.bytes[input.pos++] !== 0) throw input.fault('padding that is not zero')
}

/** A CRC-32 computed piece by piece. */
class Crc32 {
  #crc = 0

  update(bytes: Uint8Array): void {
    this.#crc = crc32(bytes, this.#crc)
  }

  /** Returns the checksum as four bytes, little-endian. */
  digest(): Uint8Array {
    return Uint8Array.of(this.#crc, this.#crc >>> 8, this.#crc >>> 16, this.#crc >>> 24)
  }
}

/** Returns what computes the check of a block; `undefined` if blocks have none. */
function checkOf(check: number, createSha256: CreateHasher) {
  switch (check) {
    case 0:
      return undefined
    case 1:
      return new Crc32()
    case 4:
      return new Crc64()
    case 10: {
      const hasher = createSha256()
      return { update: (bytes: Uint8Array) => hasher.update(bytes), digest: () => fromHex(hasher.digest()) }
    }
    default:
      throw new UnsupportedError('xz check', `Checks of type ${check} in xz are not supported`)
  }
}

function* blockHeader(input: Input, most: number): Generator<undefined, BlockHeader, undefined> {
  const size = ((input.bytes[input.pos] as number) + 1) * 4
  yield* input.need(size)
  const header = input.bytes.subarray(input.pos, input.pos + size)
  if (crc32(header.subarray(0, size - 4)) !== word(input, size - 4)) {
    throw input.fault('incorrect checksum of a block header')
  }
  const flags = header[1] as number
  const reader = new Numbers(input, header.subarray(2, size - 4))
  const compressed = flags & 0x40 ? reader.number() : undefined
  const uncompressed = flags & 0x80 ? reader.number() : undefined
  if ((flags & 0x3c) !== 0) throw input.fault('unknown flags in a block header')
  let dictionary = 0
  for (let left = (flags & 3) + 1; left > 0; left--) {
    const filter = reader.number()
    const properties = reader.take(reader.number())
    if (filter !== LZMA2_FILTER) {
      const name = FILTERS[filter] ?? `0x${filter.toString(16)}`
      throw new UnsupportedError('xz filter', `The filter ${name} of xz is not supported; compress without filters`)
    }
    if (left !== 1 || properties.length !== 1) throw input.fault('invalid filters in a block header')
    dictionary = dictionarySize(input, properties[0] as number, most)
  }
  if (reader.rest().some((byte) => byte !== 0)) throw input.fault('padding that is not zero')
  input.pos += size
  return { compressed, uncompressed, dictionary }
}

function dictionarySize(input: Input, bits: number, most: number): number {
  if (bits > 40) throw input.fault('invalid size of a dictionary')
  const size = bits === 40 ? 2 ** 32 - 1 : (2 | (bits & 1)) * 2 ** ((bits >> 1) + 11)
  if (size > most) throw new LimitError('bytes of an xz dictionary', most)
  return size
}

/** Reads numbers of up to 63 bits, seven bits a byte, the lowest first. */
class Numbers {
  readonly #input: Input
  readonly #bytes: Uint8Array
  #at = 0

  constructor(input: Input, bytes: Uint8Array) {
    this.#input = input
    this.#bytes = bytes
  }

  number(): number {
    let value = 0
    for (let i = 0; i < 9; i++) {
      const [byte = 0] = this.take(1)
      if (byte === 0 && i > 0) break
      value += (byte & 0x7f) * 2 ** (7 * i)
      if (value > MAX_SIZE) break
      if (byte < 0x80) return value
    }
    throw this.#input.fault('invalid number')
  }

  take(count: number): Uint8Array {
    if (count > this.#bytes.length - this.#at) throw this.#input.fault('a header is too short')
    this.#at += count
    return this.#bytes.subarray(this.#at - count, this.#at)
  }

  rest(): Uint8Array {
    return this.#bytes.subarray(this.#at)
  }

  get consumed(): number {
    return this.#at
  }
}

/** Longest record of the index, in bytes: two numbers. */
const MAX_RECORD = 18

/** Reads the index and compares it with the blocks. @returns its size in bytes, with padding and checksum */
function* index(input: Input, blocks: Blocks): Generator<undefined, number, undefined> {
  const start = input.offset
  let checksum = 0
  const consume = (count: number) => {
    checksum = crc32(input.bytes.subarray(input.pos, input.pos + count), checksum)
    input.pos += count
  }
  function* ahead(): Generator<undefined, Numbers, undefined> {
    while (input.left < MAX_RECORD && !input.ended) yield undefined
    return new Numbers(input, input.bytes.subarray(input.pos, input.pos + MAX_RECORD))
  }
  consume(1)
  const counter = yield* ahead()
  const count = counter.number()
  consume(counter.consumed)
  if (count !== blocks.count) throw input.fault('the index has another number of blocks')
  const listed = new Blocks()
  while (listed.count < count) {
    const record = yield* ahead()
    listed.add(record.number(), record.number())
    consume(record.consumed)
  }
  if (!listed.equals(blocks)) throw input.fault('the index has other sizes than the blocks')
  const padding = -(input.offset - start) & 3
  yield* input.need(padding + 4)
  for (let i = 0; i < padding; i++) {
    if (input.bytes[input.pos] !== 0) throw input.fault('padding that is not zero')
    consume(1)
  }
  if (word(input, 0) !== checksum) throw input.fault('incorrect checksum of the index')
  input.pos += 4
  return input.offset - start
}

/** Decodes LZMA2 data up to its end mark. */
function* lzma2(input: Input, window: Window, dictionary: number): Decoder {
  const lzma = new Lzma(input, dictionary)
  let needDictionaryReset = true
  let needProperties = true
  let needStateReset = true
  for (;;) {
    yield* input.need(1)
    const control = input.bytes[input.pos] as number
    if (control === 0) {
      input.pos++
      return
    }
    if (control > 2 && control < 0x80) throw input.fault('invalid LZMA2 chunk')
    if (control === 1 || control >= 0xe0) {
      lzma.resetDictionary(window)
      needDictionaryReset = false
      needProperties = true
    } else if (needDictionaryReset) {
      throw input.fault('the first LZMA2 chunk does not reset the dictionary')
    }
    const compressed = control >= 0x80
    const withProperties = control >= 0xc0
    yield* input.need(withProperties ? 6 : compressed ? 5 : 3)
    const { bytes, pos } = input
    const short = (at: number) => (((bytes[pos + at] as number) << 8) | (bytes[pos + at + 1] as number)) + 1
    if (!compressed) {
      input.pos += 3
      yield* plainBytes(input, window, lzma, short(1))
      continue
    }
    const size = ((control & 0x1f) << 16) + short(1)
    const compressedSize = short(3)
    if (withProperties) {
      lzma.setProperties(bytes[pos + 5] as number)
      needProperties = false
    } else if (needProperties) {
      throw input.fault('the first LZMA chunk has no properties')
    }
    if (control >= 0xa0) {
      lzma.resetState()
      needStateReset = false
    } else if (needStateReset) {
      throw input.fault('the first LZMA chunk does not reset the state')
    }
    input.pos += withProperties ? 6 : 5
    yield* input.need(compressedSize)
    lzma.start(compressedSize)
    for (let left = size; left > 0; ) {
      left -= lzma.decode(window, Math.min(left, CHUNK))
      yield window.take()
    }
    lzma.finish()
    input.pos += compressedSize
  }
}

function* plainBytes(input: Input, window: Window, lzma: Lzma, size: number): Decoder {
  for (let left = size; left > 0; ) {
    yield* input.need(1)
    const count = Math.min(left, input.left, window.bytes.length - window.pos)
    window.append(input.bytes.subarray(input.pos, input.pos + count))
    input.pos += count
    left -= count
    lzma.advance(window, count)
    yield window.take()
  }
}
