import { describe, expect, test } from 'vitest'
import { encodeUtf8 } from '../../src/bytes.ts'
import { VerityHasher, verityDigest } from '../../src/composefs/index.ts'
import { xxh32 } from '../../src/composefs/xxh32.ts'
import { nodePlatform } from '../../src/platform/node.ts'
import { portablePlatform } from '../../src/platform/portable.ts'

/** Content and its digest by `fsverity digest`. */
const VERITY: readonly (readonly [title: string, content: Uint8Array, digest: string])[] = [
  ['nothing', new Uint8Array(0), '3d248ca542a24fc62d1c43b916eae5016878e2533c88238480b26128a1f1af95'],
  ['one byte', encodeUtf8('a'), 'bce75948b9e7510293f8f2720412af9697c1479281323f3f220623fb8e94b557'],
  ['a whole block', encodeUtf8('a'.repeat(4096)), 'a2a808ddaced77f0b6b3068f47b14b5a1fb3fc43674993ab11b8e7e6f2d089e2'],
  [
    'a block and a byte',
    encodeUtf8('a'.repeat(4097)),
    '18b155c0b6e054f3f7d22488ed15340e74dc161ce2d123e13eb685c3ce565f70',
  ],
  ['a mebibyte of zeros', new Uint8Array(1 << 20), 'feb19a23e72cb1b8f935d668a09ecaad0bf7c5b9cdfa6dbba7c88a9998ed2b87'],
]

describe.each([nodePlatform, portablePlatform])('fs-verity digests on the platform $name', (platform) => {
  test.each(VERITY)('of %s', async (_, content, digest) => {
    expect(await verityDigest(platform, content)).toBe(digest)
  })

  test('do not depend on how the content is cut into chunks', () => {
    // 129 blocks need two levels of hashes, 128 exactly one.
    for (const size of [128 * 4096, 129 * 4096, 128 * 4096 + 1]) {
      const content = Uint8Array.from({ length: size }, (_, i) => i * 31 + (i >> 9))
      const whole = new VerityHasher(platform)
      whole.update(content)
      const digest = whole.digest()
      for (const step of [1000, 4096, 10_007]) {
        const hasher = new VerityHasher(platform)
        for (let at = 0; at < size; at += step) hasher.update(content.subarray(at, at + step))
        expect([size, step, hasher.digest()]).toEqual([size, step, digest])
      }
    }
  })
})

test.each([
  ['', 0x02cc5d05],
  ['a', 0x550d7456],
  ['abc', 0x32d153ff],
  ['Nobody inspects the spammish repetition', 0xe2293b2f],
])('the 32-bit xxHash of "%s"', (text, hash) => {
  expect(xxh32(encodeUtf8(text), 0)).toBe(hash)
})

test.each([
  ['selinux', 6, 11],
  ['overlay.opaque', 4, 20],
  ['overlay.metacopy', 4, 31],
  ['overlay.redirect', 4, 17],
])('the filter of attribute names has a bit of its own for %s', (suffix, index, bit) => {
  expect(xxh32(encodeUtf8(suffix), 0x25bbe08f + index) & 31).toBe(bit)
})
