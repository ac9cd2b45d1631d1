/**
 * Decodes gzip: all members of a stream, checking the checksum and length of each. After the last member, only zeros may
 * follow, as on tapes. Source: RFC 1952.
 */

import { crc32 } from './crc32.ts'
import type { Decoder, Input } from './decoder.ts'
import { inflate, inflateBuffer } from './inflate.ts'

const FHCRC = 0x02
const FEXTRA = 0x04
const FNAME = 0x08
const FCOMMENT = 0x10
const RESERVED = 0xe0
const FIXED_HEADER = 10
/** Limit on the size of a header with its names, in bytes. */
const MAX_HEADER = 1 << 20

/** Decodes all members. */
export function* gunzip(input: Input): Decoder {
  // One buffer for all members: some streams have a member for every file.
  const out = inflateBuffer()
  do {
    yield* member(input, out)
  } while (yield* another(input))
}

function* member(input: Input, out: Uint8Array): Decoder {
  yield* header(input)
  let crc = 0
  let size = 0
  for (const step of inflate(input, out)) {
    if (step !== undefined) {
      crc = crc32(step, crc)
      size += step.length
    }
    yield step
  }
  yield* input.need(8)
  const trailer = new DataView(input.bytes.buffer, input.bytes.byteOffset + input.pos, 8)
  if (trailer.getUint32(0, true) !== crc) throw input.fault('incorrect data check')
  if (trailer.getUint32(4, true) !== size % 2 ** 32) throw input.fault('incorrect length check')
  input.pos += 8
}

/** Skips padding and returns whether another member follows. */
function* another(input: Input): Generator<undefined, boolean, undefined> {
  let padded = false
  for (;;) {
    while (input.left > 0) {
      if (input.bytes[input.pos] !== 0) {
        if (padded) throw input.fault('invalid gzip header after the last member')
        return true
      }
      padded = true
      input.pos++
    }
    if (input.ended) return false
    yield undefined
  }
}

function* header(input: Input): Decoder {
  // Check the first byte before requiring the whole header, so that short garbage is named as such.
  yield* input.need(1)
  const invalid = () => input.fault('invalid gzip header')
  if (input.bytes[input.pos] !== 0x1f) throw invalid()
  yield* input.need(FIXED_HEADER)
  const byte = (at: number) => input.bytes[input.pos + at] as number
  const flags = byte(3)
  if (byte(1) !== 0x8b || byte(2) !== 8 || (flags & RESERVED) !== 0) throw invalid()
  let size = FIXED_HEADER
  if (flags & FEXTRA) {
    yield* input.need(size + 2)
    size += 2 + (byte(size) | (byte(size + 1) << 8))
    yield* input.need(size)
  }
  for (const flag of [FNAME, FCOMMENT]) {
    if ((flags & flag) === 0) continue
    do {
      if (size >= MAX_HEADER) throw invalid()
      yield* input.need(size + 1)
    } while (byte(size++) !== 0)
  }
  if (flags & FHCRC) {
    yield* input.need(size + 2)
    const crc = crc32(input.bytes.subarray(input.pos, input.pos + size)) & 0xffff
    if ((byte(size) | (byte(size + 1) << 8)) !== crc) throw invalid()
    size += 2
  }
  input.pos += size
}
