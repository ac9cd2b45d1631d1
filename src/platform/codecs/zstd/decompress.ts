/**
 * Decodes zstd: all frames of a stream, with their checksums checked and skippable frames skipped. fzstd, the obvious
 * choice, does not check checksums, and loops forever on a crafted Huffman table of 40 bytes. Source: RFC 8878.
 *
 *   magic 28 b5 2f fd │ descriptor │ [window] [dictionary] [content size] │ block … │ [checksum]
 *   magic 5x 2a 4d 18 │ size │ anything
 */

import { LimitError, UnsupportedError } from '../../../errors.ts'
import { MAX_ZSTD_WINDOW, STREAM_CHUNK_BYTES } from '../../limits.ts'
import type { Decoder, Input } from '../decoder.ts'
import { BlockDecoder, BlockFault } from './block.ts'
import { MAX_BLOCK, Output } from './output.ts'
import { Xxh64 } from './xxh64.ts'

const MAGIC = 0xfd2fb528
const SKIPPABLE = 0x184d2a50
const DESCRIPTOR = 5

/**
 * Decodes all frames.
 * @throws {LimitError} if a frame's window is larger than 128 MiB
 * @throws {UnsupportedError} if a frame needs a dictionary
 */
export function* unzstd(input: Input): Decoder {
  const out = new Output()
  do {
    yield* input.need(4)
    const magic = word(input, 0)
    if (magic === MAGIC) yield* frame(input, out)
    else if (magic >>> 4 === SKIPPABLE >>> 4) yield* skip(input)
    else throw input.fault('invalid zstd header: Unknown frame descriptor')
  } while (yield* another(input))
}

function word(input: Input, at: number): number {
  return new DataView(input.bytes.buffer, input.bytes.byteOffset + input.pos + at, 4).getUint32(0, true)
}

function* another(input: Input): Generator<undefined, boolean, undefined> {
  while (input.left === 0) {
    if (input.ended) return false
    yield undefined
  }
  return true
}

function* skip(input: Input): Decoder {
  yield* input.need(8)
  let left = word(input, 4)
  input.pos += 8
  while (left > 0) {
    yield* input.need(1)
    const size = Math.min(left, input.left)
    input.pos += size
    left -= size
  }
}

interface FrameHeader {
  /** Distance in bytes that matches may refer back. */
  readonly window: number
  readonly contentSize: number | undefined
  readonly checksum: boolean
}

/** Consumes the magic number and the header. */
function* frameHeader(input: Input): Generator<undefined, FrameHeader, undefined> {
  yield* input.need(DESCRIPTOR)
  const descriptor = input.bytes[input.pos + 4] as number
  if (descriptor & 0x08) throw input.fault('invalid zstd header: reserved bit set', 4)
  const single = (descriptor & 0x20) !== 0
  const sizeField = descriptor >> 6
  const sizeBytes = sizeField === 0 ? (single ? 1 : 0) : 1 << sizeField
  const dictionaryBytes = [0, 1, 2, 4][descriptor & 3] as number
  let at = DESCRIPTOR + (single ? 0 : 1)
  yield* input.need(at + dictionaryBytes + sizeBytes)

  const number = (bytes: number): number => {
    let value = 0
    for (let i = 0; i < bytes; i++) value += (input.bytes[input.pos + at + i] as number) * 2 ** (8 * i)
    at += bytes
    return value
  }
  const exponent = single ? 0 : (input.bytes[input.pos + DESCRIPTOR] as number)
  const base = 2 ** (10 + (exponent >> 3))
  const dictionary = number(dictionaryBytes)
  if (dictionary !== 0) {
    throw new UnsupportedError('zstd dictionary', `zstd frame needs dictionary ${dictionary}`)
  }
  const contentSize = sizeBytes === 0 ? undefined : number(sizeBytes) + (sizeField === 1 ? 256 : 0)
  const window = single ? (contentSize ?? 0) : base + (base / 8) * (exponent & 7)
  if (window > MAX_ZSTD_WINDOW) throw new LimitError('zstd window size', MAX_ZSTD_WINDOW)
  input.pos += at
  return { window, contentSize, checksum: (descriptor & 0x04) !== 0 }
}

function* frame(input: Input, out: Output): Decoder {
  const { window, contentSize, checksum } = yield* frameHeader(input)
  const largest = Math.min(window, MAX_BLOCK)
  const hash = checksum ? new Xxh64() : undefined
  const blocks = new BlockDecoder()
  let size = 0
  const give = (): Uint8Array => {
    const chunk = out.take()
    hash?.update(chunk)
    size += chunk.length
    return chunk
  }
  out.begin(window)
  for (let last = false; !last; ) {
    last = yield* block(input, out, blocks, largest)
    if (contentSize !== undefined && size + out.at - out.fresh > contentSize) {
      throw input.fault(`zstd frame holds more than ${contentSize} bytes`)
    }
    if (out.at - out.fresh >= STREAM_CHUNK_BYTES) yield give()
    if (out.hasRoom || last) continue
    if (out.at > out.fresh) yield give()
    out.makeRoom()
  }
  if (out.at > out.fresh) yield give()
  if (contentSize !== undefined && size !== contentSize) {
    throw input.fault(`zstd frame holds ${size} bytes, expected ${contentSize}`)
  }
  if (hash === undefined) return
  yield* input.need(4)
  if (word(input, 0) !== hash.digestLow()) throw input.fault('incorrect zstd checksum')
  input.pos += 4
}

/** Decodes a block and returns whether it was the last of the frame. */
function* block(
  input: Input,
  out: Output,
  blocks: BlockDecoder,
  largest: number,
): Generator<undefined, boolean, undefined> {
  yield* input.need(3)
  const header = word3(input)
  const type = (header >> 1) & 3
  const size = header >> 3
  if (type === 3) throw input.fault('invalid zstd block type')
  if (size > largest) throw input.fault(`zstd block of ${size} bytes, at most ${largest} are allowed`)
  const packed = type === 1 ? 1 : size
  yield* input.need(3 + packed)
  const start = input.pos + 3
  const end = start + packed
  if (type === 2) {
    try {
      blocks.decode(input.bytes, start, end, out, largest)
    } catch (error) {
      if (error instanceof BlockFault) throw input.fault(`invalid zstd block: ${error.message}`)
      throw error
    }
  } else {
    if (type === 0) out.bytes.set(input.bytes.subarray(start, end), out.at)
    else out.bytes.fill(input.bytes[start] as number, out.at, out.at + size)
    out.at += size
  }
  input.pos = end
  return (header & 1) === 1
}

function word3(input: Input): number {
  const { bytes, pos } = input
  return (bytes[pos] as number) | ((bytes[pos + 1] as number) << 8) | ((bytes[pos + 2] as number) << 16)
}
