/** Streams that the programs zstd and gzip wrote, and sources that pass them on in pieces like a network. */
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { concatBytes, encodeUtf8 } from '../../src/bytes.ts'

function decode(base64: string): Uint8Array {
  return new Uint8Array(Buffer.from(base64, 'base64'))
}

function repeat(length: number, byte: number): Uint8Array {
  return new Uint8Array(length).fill(byte)
}

export interface Sample {
  readonly name: string
  readonly packed: Uint8Array
  readonly content: Uint8Array
}

const greeting = encodeUtf8('hello zstd, hello zstd, hello zstd, and a tail that differs')
const second = encodeUtf8('second frame')
const skippable = Uint8Array.of(0x53, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3)

/** `zstd FILE`: one compressed block, with a window size and a checksum. */
export const GREETING = decode('KLUv/SQ7VQEANAJoZWxsbyB6c3RkLCBhbmQgYSB0YWlsIHRoYXQgZGlmZmVycwEAB0sSPat23g==')
/** `zstd --no-check FILE`: one raw block. */
const SECOND = decode('KLUv/SAMYQAAc2Vjb25kIGZyYW1l')
/** 3000 zeros. */
const ZEROS = decode('KLUv/WS4Ck0AABAAAAEAs/MBFr3by08=')
/** `zstd -19` of 300 words: Huffman literals in four streams, and tables for all three sequence codes. */
export const WORDS = decode(
  'KLUv/WRfCN0XABYaPxiAS9rA70xskZhtEXcGtt5c2ZvrElYe0RBCADgAMgCKohAYdRllJZrVJfseRTkEg1Yr62aSMBZT1jtLEjBkp7BIHOOfJZEMzO5ZEsX4LEnE+H8E8jB4tiJjVhwNhCApCAIvQ2uZZW3q8e7uSWX/FpXRrV1adbe1i7mYi2Y8o1bSJR6tot6/0RqLIDkEFGbvN0YCOQmTR1sMAXW2T1PjaapvUr0jVdre74ykWlara1tFK1L8HU+VZadmhodnr91UG7259+eRWtrsd/IfgDQ1WirqD1fJtEjrFOu258183mn877XFPa0Vd9dlVr3bGym95yw1uoyMqeZEfN2VBoEbqBFVWTnJHmtRCIHBSI1tDxEgONFSZzKMAaDLY0+mWiTLQTngaZ5Mox/qQZPdDe2oeONvAlYzG8BBJqCJAinEivmvg22eUCz2d0YarY0HvrBcwT89zVMLwJBEocIppK0uuBDJXMPaXIx3ovdZ8wqlxCHNZUT5cBto2pe8k9cyfsJ1uqcNvKi7W0/Kc2uuC287wEzEGr5ONfDs96AIcnOuHMUM3heYQCIjBT9bRLtLM2nPuFAYySR+tvjYiIU6BGsSe6nroX0Eqra5QvbvpwnWRH2Hga8aoViP+WWbRyGXaODfBDCMblwZ6wPczZPngX0qSKGCmBs+mxz+WgK93Ggy4SFUkJ+tgtEMfrgFYrs1p6esxuGIcIOIfJeIRRXc5eafYHnGspUoJMEWUd4JPDG2zzx9ZKWt7zH+EHkqEDmbSa5FxehIapGSPsteb+vfUkRsi2XzhswHwzom8GdE/bv2R/ZY3bdFs8Z+duWw3kWrGBKm7eZsO/3Wxws7x7GHgELW125BYz7fjgI8hX6q6bUbStG9LWjA6nbQY38TbEgVZHWGCekAV85sZsA3CmylPHQL2dVNyx5m8O/rrI3TAoJkauUlwUy4serhvYatB9PqwHJitEmvJC9R8bSjwFOUX6QFAuesPbYQI/SYaQlHEr8onKc7uKYOrApEqwbYduB5',
)

export const ZSTD_SAMPLES: readonly Sample[] = [
  { name: 'one frame', packed: GREETING, content: greeting },
  { name: 'a frame without a checksum', packed: SECOND, content: second },
  { name: 'a run of zeros', packed: ZEROS, content: repeat(3000, 0) },
  { name: 'two frames', packed: concatBytes([GREETING, SECOND]), content: concatBytes([greeting, second]) },
  {
    name: 'skippable frames before, between and behind others',
    packed: concatBytes([skippable, GREETING, skippable, SECOND, skippable]),
    content: concatBytes([greeting, second]),
  },
  { name: 'nothing but a skippable frame', packed: skippable, content: new Uint8Array(0) },
]

const first = gzipSync(greeting)
const other = gzipSync(repeat(100_000, 0x42), { level: 9 })
/** A header with FEXTRA, FNAME, FCOMMENT and FHCRC. */
const adorned = (() => {
  const header = concatBytes([
    Uint8Array.of(0x1f, 0x8b, 8, 0x1e, 1, 2, 3, 4, 0, 3, 4, 0, 0x41, 0x42, 0, 0),
    encodeUtf8('name\0comment\0'),
  ])
  const crc = crc16(header)
  return concatBytes([header, Uint8Array.of(crc & 0xff, crc >> 8), first.subarray(10)])
})()

function crc16(bytes: Uint8Array): number {
  let crc = 0xffffffff
  for (const byte of bytes) {
    crc ^= byte
    for (let i = 0; i < 8; i++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1
  }
  return ~crc & 0xffff
}

export const GZIP_SAMPLES: readonly Sample[] = [
  { name: 'one member', packed: first, content: greeting },
  { name: 'an empty member', packed: gzipSync(''), content: new Uint8Array(0) },
  { name: 'two members', packed: concatBytes([first, other]), content: concatBytes([greeting, repeat(100_000, 0x42)]) },
  { name: 'zeros behind', packed: concatBytes([first, repeat(1000, 0)]), content: greeting },
  { name: 'a member with every optional field', packed: adorned, content: greeting },
  {
    name: 'stored blocks',
    packed: gzipSync(repeat(150_000, 7), { level: 0 }),
    content: repeat(150_000, 7),
  },
]

/** Yields `bytes` in pieces. All are in the same buffer, which the interface allows. */
export async function* pieces(bytes: Uint8Array, size = bytes.length): AsyncGenerator<Uint8Array, void, undefined> {
  const shared = new Uint8Array(size)
  for (let at = 0; at < bytes.length; at += size) {
    const piece = bytes.subarray(at, at + size)
    shared.set(piece)
    yield shared.subarray(0, piece.length)
    shared.fill(0xee)
  }
}

/** Creates a source that records how many pieces were read, and whether it was closed or read to its end. */
export function watched(parts: Iterable<Uint8Array>) {
  const seen = { asked: 0, returned: false, ended: false }
  async function* source() {
    try {
      for (const part of parts) {
        seen.asked++
        yield part
      }
      seen.ended = true
    } finally {
      seen.returned = true
    }
  }
  return { seen, source: source() }
}

/** Returns a copy with one byte changed. */
export function changed(bytes: Uint8Array, at: number, change = 1): Uint8Array {
  const copy = new Uint8Array(bytes)
  copy[at] = (copy[at] as number) ^ change
  return copy
}

/** Generates bytes that compress well: few values in long runs. */
export const anyContent = fc
  .array(fc.tuple(fc.integer({ min: 0, max: 255 }), fc.integer({ min: 1, max: 400 })), { maxLength: 20 })
  .map((runs) => concatBytes(runs.map(([byte, length]) => new Uint8Array(length).fill(byte))))
