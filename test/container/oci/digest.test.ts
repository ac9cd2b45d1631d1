import { describe, expect, test } from 'vitest'
import type { Checksum } from '../../../src/bytes.ts'
import { digestChecksum, digestOf, isDigest, parseDigest } from '../../../src/container/oci/digest.ts'
import { InvalidNameError, UnsupportedError } from '../../../src/errors.ts'

const HEX = 'ab'.repeat(32)

describe('digests', () => {
  test.each([
    `sha256:${HEX}`,
    `sha512:${'0'.repeat(128)}`,
    'multihash+base58:QmRZxt2b1FVZPNqd8hsiykDL3TdBDeTSPX9Kv46HmX4Gx8',
  ])('%s is a valid digest', (text) => {
    expect(parseDigest(text)).toBe(text)
    expect(isDigest(text)).toBe(true)
  })

  test.each([
    ['', "missing ':' in digest"],
    [HEX, "missing ':' in digest"],
    [':x', 'Empty algorithm component'],
    ['a++b:x', 'Empty algorithm component'],
    ['SHA256:x', 'Invalid algorithm component: SHA256'],
    ['sha256:', 'Empty algorithm value'],
    ['x:a/b', 'Invalid encoded value a/b'],
    ['sha256:ab', 'Invalid digest length 2 expected 64'],
    [`sha256:${HEX}a`, 'Invalid digest length 65 expected 64'],
    [`sha256:${HEX.toUpperCase()}`, `Invalid non-hexadecimal character in digest: ${HEX.toUpperCase()}`],
    [`sha256:${HEX}\n`, `Invalid encoded value ${HEX}\n`],
    ['sha256:../../etc/passwd', 'Invalid encoded value ../../etc/passwd'],
  ])('%j is rejected as a digest', (text, error) => {
    expect(() => parseDigest(text)).toThrow(new InvalidNameError(text, error))
    expect(isDigest(text)).toBe(false)
  })

  test('the error about a digest of a megabyte does not quote it', () => {
    expect(() => parseDigest(`x:${'a'.repeat(1e6)}`)).toThrow('Invalid digest: too long')
  })

  test('a checksum converts to a digest and back, while other algorithms are unsupported', () => {
    expect(digestChecksum(digestOf(HEX as Checksum))).toBe(HEX)
    expect(() => digestChecksum(parseDigest(`sha512:${HEX}${HEX}`))).toThrow(UnsupportedError)
  })
})
