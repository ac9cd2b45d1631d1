import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { byteKey, encodeUtf8, escapeUtf8, hasEscapedBytes, unescapeUtf8 } from '../src/bytes.ts'

test('byteKey gives each byte a unit of its own, and ASCII its character', () => {
  const bytes = Uint8Array.from({ length: 256 }, (_, byte) => byte)
  const key = byteKey(bytes)
  expect(key).toHaveLength(256)
  expect(new Set(key).size).toBe(256)
  expect(key.slice(0, 128)).toBe(new TextDecoder().decode(bytes.subarray(0, 128)))
  for (const byte of bytes) expect(byteKey(Uint8Array.of(byte))).toBe(key[byte])
  expect(byteKey(new Uint8Array(1_000_000).fill(0x80))).toHaveLength(1_000_000)
})

describe('escaped bytes', () => {
  test('all bytes are encoded as they were', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        expect(unescapeUtf8(escapeUtf8(bytes))).toEqual(bytes)
      }),
    )
  })

  test('what is not UTF-8 becomes lone surrogates', () => {
    expect(escapeUtf8(encodeUtf8('é😀'))).toBe('é😀')
    expect(escapeUtf8(Uint8Array.of(0x61, 0xff, 0xc3, 0xa9, 0xf0, 0x9f, 0x98, 0x80, 0xc3))).toBe('a\udcffé😀\udcc3')
    expect(hasEscapedBytes('😀\ufffd')).toBe(false)
    expect(hasEscapedBytes('a\udcff')).toBe(true)
  })
})
