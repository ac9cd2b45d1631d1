import { expect, test } from 'vitest'
import { byteKey } from '../src/bytes.ts'

test('byteKey gives each byte a unit of its own, and ASCII its character', () => {
  const bytes = Uint8Array.from({ length: 256 }, (_, byte) => byte)
  const key = byteKey(bytes)
  expect(key).toHaveLength(256)
  expect(new Set(key).size).toBe(256)
  expect(key.slice(0, 128)).toBe(new TextDecoder().decode(bytes.subarray(0, 128)))
  for (const byte of bytes) expect(byteKey(Uint8Array.of(byte))).toBe(key[byte])
  expect(byteKey(new Uint8Array(1_000_000).fill(0x80))).toHaveLength(1_000_000)
})
