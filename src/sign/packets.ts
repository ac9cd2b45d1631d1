/**
 * Splits OpenPGP data into packets without reading their bodies.
 *
 * ```
 * 1 0 t t t t l l     length of 1, 2 or 4 bytes, given by `ll`            old format
 * 1 1 t t t t t t     length of 1, 2 or 5 bytes, given by its first byte  new format
 * ```
 *
 * Source: RFC 9580, 4.2.
 */

import { concatBytes, EMPTY_BYTES } from '../bytes.ts'

/** One packet. */
export interface Packet {
  readonly tag: number
  /** The whole packet with its header, a view. */
  readonly bytes: Uint8Array
  /** Index in `bytes` at which the body begins. */
  readonly body: number
}

/** Result of `splitPackets`. */
export interface Packets {
  readonly packets: readonly Packet[]
  /** Why reading stopped before the end; `undefined` when it did not. */
  readonly fault: 'cut-off' | 'not-openpgp' | 'in-parts' | undefined
}

/** Splits data into packets. Never throws: packets before a fault are returned together with it. */
export function splitPackets(bytes: Uint8Array): Packets {
  const packets: Packet[] = []
  let start = 0
  while (start < bytes.length) {
    const first = bytes[start] as number // start is inside
    if ((first & 0x80) === 0) return { packets, fault: 'not-openpgp' }
    const isNew = (first & 0x40) !== 0
    const size = isNew ? newSize(bytes, start + 1) : oldSize(bytes, start + 1, first & 3)
    if (size === 'in-parts') return { packets, fault: size }
    if (size === undefined || size.end > bytes.length) return { packets, fault: 'cut-off' }
    const tag = isNew ? first & 0x3f : (first >> 2) & 0xf
    packets.push({ tag, bytes: bytes.subarray(start, size.end), body: size.body - start })
    start = size.end
  }
  return { packets, fault: undefined }
}

/** Indices at which the body begins and ends. */
type Size = { readonly body: number; readonly end: number } | undefined | 'in-parts'

/** Reads an old-format length. Indeterminate length (3) serves streams; keys and signatures never use it. */
function oldSize(bytes: Uint8Array, at: number, kind: number): Size {
  if (kind === 3) return 'in-parts'
  return sized(bytes, at, 1 << kind, 0)
}

/** Reads a new-format length. Partial body lengths serve streams; keys and signatures never use them. */
function newSize(bytes: Uint8Array, at: number): Size {
  const first = bytes[at]
  if (first === undefined) return undefined
  if (first < 192) return { body: at + 1, end: at + 1 + first }
  if (first === 255) return sized(bytes, at + 1, 4, 0)
  if (first >= 224) return 'in-parts'
  return sized(bytes, at, 2, 192 - (192 << 8))
}

/** Reads a big-endian length of `width` bytes, to which `bias` is added. */
function sized(bytes: Uint8Array, at: number, width: number, bias: number): Size {
  if (at + width > bytes.length) return undefined
  let length = bias
  let value = 0
  for (let i = 0; i < width; i++) value = value * 256 + (bytes[at + i] as number) // checked above
  length += value
  return { body: at + width, end: at + width + length }
}

/**
 * Removes ASCII armor. Binary data is returned as it is, the blocks of an armored text are joined, and any other text
 * gives no bytes. The CRC-24 checksum is not verified.
 */
export function unarmor(bytes: Uint8Array): Uint8Array {
  if (bytes.length === 0 || ((bytes[0] as number) & 0x80) !== 0) return bytes
  const blocks: Uint8Array[] = []
  /** Lines of the open block; `undefined` between blocks and within the headers of a block. */
  let body: string[] | undefined
  let inHeaders = false
  for (const line of new TextDecoder('latin1')
    .decode(bytes)
    .split('\n')
    .map((line) => line.trim())) {
    if (line.startsWith('-----BEGIN PGP ')) inHeaders = true
    else if (line.startsWith('-----END PGP ')) {
      if (body !== undefined) blocks.push(decodeBase64(body.join('')) ?? EMPTY_BYTES)
      body = undefined
      inHeaders = false
    } else if (inHeaders && line === '') {
      inHeaders = false
      body = []
    } else if (body !== undefined && !line.startsWith('=')) body.push(line)
  }
  return concatBytes(blocks)
}

/** Decodes base64; `undefined` when the text is malformed. */
export function decodeBase64(text: string): Uint8Array | undefined {
  try {
    return Uint8Array.from(atob(text.trim()), (character) => character.charCodeAt(0))
  } catch {
    return undefined
  }
}
