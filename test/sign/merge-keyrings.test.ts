import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { concatBytes, EMPTY_BYTES, encodeUtf8 } from '../../src/bytes.ts'
import { mergeKeyRings } from '../../src/sign/index.ts'
import { splitPackets } from '../../src/sign/packets.ts'
import { goldenJson } from '../support/golden.ts'

const { keyrings } = goldenJson<{ keyrings: Record<string, string> }>('sign/gpg-results.json')
const all = new Uint8Array(Buffer.from(keyrings['all'] as string, 'base64'))

/** Splits a keyring into one for each key. */
function keysOf(ring: Uint8Array): Uint8Array[] {
  const keys: Uint8Array[][] = []
  for (const { tag, bytes } of splitPackets(ring).packets) {
    if (tag === 6) keys.push([])
    keys.at(-1)?.push(bytes)
  }
  return keys.map((parts) => concatBytes(parts))
}

const armored = (bytes: Uint8Array): Uint8Array =>
  encodeUtf8(
    `-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n${Buffer.from(bytes).toString('base64')}\n-----END PGP PUBLIC KEY BLOCK-----\n`,
  )

describe('keyrings', () => {
  const keys = keysOf(all)
  const { ring, added, found } = mergeKeyRings(EMPTY_BYTES, [all])

  test('a new keyring has each key once', () => {
    expect(keys.length).toBeGreaterThan(3)
    expect({ added, found }).toEqual({ added: found, found: keysOf(ring).length })
    expect(mergeKeyRings(EMPTY_BYTES, [all, armored(all), ...keys])).toEqual({ ring, added, found })
  })

  test('keys that the keyring has already are not added again', () => {
    expect(mergeKeyRings(ring, [armored(all)])).toEqual({ ring, added: 0, found })
  })

  test('keys in any order and grouping give the same set', () => {
    fc.assert(
      fc.property(fc.shuffledSubarray(keys, { minLength: 1 }), fc.array(fc.boolean()), (subset, armor) => {
        let merged: Uint8Array = EMPTY_BYTES
        let count = 0
        for (const [i, key] of subset.entries()) {
          const result = mergeKeyRings(merged, [armor[i] === true ? armored(key) : key])
          merged = result.ring
          count += result.added
        }
        const once = mergeKeyRings(EMPTY_BYTES, subset)
        expect(count).toBe(once.added)
        expect(keysOf(merged).map(String).sort()).toEqual(keysOf(once.ring).map(String).sort())
      }),
    )
  })

  test('signatures that a known key does not have are added to it', () => {
    const [key] = keysOf(ring) as [Uint8Array]
    const { packets } = splitPackets(key)
    const short = concatBytes(packets.slice(0, 3).map(({ bytes }) => bytes))
    expect(mergeKeyRings(short, [key])).toEqual({ ring: key, added: 0, found: 1 })
  })

  test('damaged data never throws, and a keyring loses nothing by it', () => {
    fc.assert(
      fc.property(fc.nat(all.length - 1), fc.nat(255), fc.nat(all.length), (at, value, end) => {
        const damaged = all.slice(0, end)
        damaged[at] = value
        const merged = mergeKeyRings(ring, [damaged]).ring
        const kept = new Set(splitPackets(merged).packets.map(({ bytes }) => String(bytes)))
        for (const { bytes } of splitPackets(ring).packets) expect(kept.has(String(bytes))).toBe(true)
      }),
      { numRuns: 20 },
    )
  })
})
