/** Patches and matches between two files, made and applied. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Checksum, concatBytes, readAll, streamOf, toHex } from '../../../src/bytes.ts'
import { nodePlatform } from '../../../src/platform/node.ts'
import { accessTo, BufferedAccess } from '../../../src/repo/core/scratch.ts'
import { bspatch } from '../../../src/repo/deltas/apply/bspatch.ts'
import { Operations } from '../../../src/repo/deltas/apply/operations.ts'
import { DeltaPayload } from '../../../src/repo/deltas/apply/payload.ts'
import { bsdiff } from '../../../src/repo/deltas/compile/bsdiff.ts'
import { chunkLength, divide, findMatches } from '../../../src/repo/deltas/compile/rollsum.ts'
import { suffixArray } from '../../../src/repo/deltas/compile/suffix-array.ts'
import { readSuperblock } from '../../../src/repo/index.ts'
import { openRepo } from '../../../src/repo/local.ts'
import { temporaryFolder } from '../../support/temporary.ts'
import { fileOf, goldenDeltas, unpackDeltaRepo } from './golden.ts'

/** Bytes with few different letters, so that much of them repeats. */
const letters = (most: number) =>
  fc.integer({ min: 1, max: 5 }).chain((top) => fc.uint8Array({ max: top, maxLength: most }))

function apply(old: Uint8Array, patch: Uint8Array, size: number): Uint8Array {
  const pieces = bspatch(
    new BufferedAccess(accessTo(old)),
    new BufferedAccess(accessTo(patch)),
    { start: 0, end: patch.length },
    size,
  )
  return concatBytes(Array.from(pieces, (piece) => piece.slice()))
}

describe('suffixArray', () => {
  test('it is the order of all suffixes', () => {
    fc.assert(
      fc.property(fc.oneof(letters(300), fc.uint8Array({ maxLength: 300 })), (bytes) => {
        const naive = Array.from({ length: bytes.length + 1 }, (_, i) => i).sort((a, b) =>
          Buffer.compare(bytes.subarray(a), bytes.subarray(b)),
        )
        expect(Array.from(suffixArray(bytes))).toEqual(naive)
      }),
      { numRuns: 500 },
    )
  })
})

describe('bsdiff', () => {
  test('bspatch gives the new file', () => {
    fc.assert(
      fc.property(letters(400), letters(400), fc.array(fc.nat({ max: 399 }), { maxLength: 6 }), (old, other, cuts) => {
        // The new file has pieces of both, in another order.
        const pieces = cuts.map((cut, i) => (i % 3 === 2 ? other : old).subarray(cut, cut + 100))
        const now = concatBytes([other.subarray(0, 20), ...pieces])
        const patch = bsdiff(old, now)
        expect(toHex(apply(old, patch, now.length))).toBe(toHex(now))
      }),
      { numRuns: 500 },
    )
  })

  test('of an empty file, to an empty file, and of a file to itself', () => {
    const bytes = new TextEncoder().encode('some bytes')
    expect(bsdiff(bytes, new Uint8Array())).toHaveLength(0)
    expect(apply(new Uint8Array(), bsdiff(new Uint8Array(), bytes), bytes.length)).toEqual(bytes)
    const patch = bsdiff(bytes, bytes)
    expect(patch.subarray(24)).toEqual(new Uint8Array(bytes.length))
    expect(apply(bytes, patch, bytes.length)).toEqual(bytes)
  })

  test('the patches are those that ostree made', async () => {
    const repo = await openRepo(unpackDeltaRepo(temporaryFolder()))
    const [golden] = goldenDeltas.deltas
    if (golden === undefined) throw new Error('no delta')
    const delta = readSuperblock(fileOf(golden, 'superblock'), nodePlatform)
    const part = delta.parts[0]
    const bytes = await readAll(nodePlatform.decompress('xz', streamOf(fileOf(golden, '0').subarray(1))))
    const payload = new DeltaPayload(accessTo(bytes))
    const operations = new Operations(new BufferedAccess(accessTo(bytes)), payload.operations)
    const content = async (checksum: Checksum) => readAll((await repo.objects.readFile(checksum)).body)
    const names = part?.objects()[Symbol.iterator]()
    let name: { readonly type: string; readonly checksum: Checksum } | undefined
    let source = '' as Checksum
    let compared = 0
    for (let letter = operations.next(); letter !== undefined; letter = operations.next()) {
      const operation = String.fromCharCode(letter)
      if (operation === 'S' || operation === 'o') name = names?.next().value
      const count = { S: name?.type === 'file' ? 4 : 2, o: 3, w: 2, r: 1, R: 0, c: 0, B: 2 }[operation] as number
      const numbers = Array.from({ length: count }, () => Number(operations.number()))
      const at = payload.blob.start + (numbers[0] ?? 0)
      if (operation === 'r') source = toHex(bytes.subarray(at, at + 32)) as Checksum
      if (operation !== 'B' || name === undefined) continue
      const theirs = bytes.subarray(at, at + (numbers[1] as number))
      expect(toHex(bsdiff(await content(source), await content(name.checksum)))).toBe(toHex(theirs))
      compared++
    }
    expect(compared).toBe(2)
    await repo.close()
  })
})

describe('rollsum', () => {
  const noise = (seed: number, size: number) => {
    let state = seed
    return Uint8Array.from({ length: size }, () => {
      state = (Math.imul(state, 1103515245) + 12345) >>> 0
      return state >>> 16
    })
  }

  test('chunks do not depend on how the file is cut into pieces, and have at most 32 KiB', async () => {
    const bytes = concatBytes([noise(1, 100_000), new Uint8Array(70_000), noise(2, 5)])
    async function* pieces(size: number) {
      for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
    }
    const whole = await divide(bytes, nodePlatform)
    expect(whole.chunks.reduce((sum, { length }) => sum + length, 0)).toBe(bytes.length)
    expect(Math.max(...whole.chunks.map(({ length }) => length))).toBe(32768)
    for (const size of [1000, 32768, 65537]) expect(await divide(pieces(size), nodePlatform)).toEqual(whole)
    expect(chunkLength(new Uint8Array(0))).toBe(0)
  })

  test('what is behind an insertion matches again', async () => {
    const old = noise(7, 200_000)
    const now = concatBytes([old.subarray(0, 100_000), noise(8, 100), old.subarray(100_000)])
    const { matches, total, size } = findMatches(await divide(old, nodePlatform), await divide(now, nodePlatform))
    expect(matches.length).toBeGreaterThan(total * 0.8)
    expect(size).toBe(matches.reduce((sum, { length }) => sum + length, 0))
    for (const { to, from, length } of matches) {
      expect(Buffer.compare(now.subarray(to, to + length), old.subarray(from, from + length))).toBe(0)
    }
  })

  test('files that begin differently do not match, as in ostree', async () => {
    const old = noise(7, 100_000)
    const now = concatBytes([Uint8Array.of(1), old])
    expect(findMatches(await divide(old, nodePlatform), await divide(now, nodePlatform)).matches).toEqual([])
  })
})
