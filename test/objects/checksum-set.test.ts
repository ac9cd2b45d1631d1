/** Sets and lists of checksums as bytes, compared with sets and arrays of strings. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Checksum, concatBytes, fromHex } from '../../src/bytes.ts'
import { ObjectList, type ObjectName, objectTypeFromNumber } from '../../src/objects/index.ts'
import { ChecksumSet } from '../../src/objects/internal.ts'

const anyChecksum = fc.uint8Array({ minLength: 32, maxLength: 32 })
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex') as Checksum

/** Makes `count` checksums, many of which begin or end alike. */
function many(count: number): Uint8Array[] {
  return Array.from({ length: count }, (_, n) => {
    const bytes = new Uint8Array(32)
    new DataView(bytes.buffer).setUint32(n % 2 === 0 ? 0 : 28, Math.floor(n / 2))
    return bytes
  })
}

describe('ChecksumSet', () => {
  test('it has the same members in the same order as a set of strings', () => {
    const few = fc.uniqueArray(anyChecksum, { maxLength: 20, selector: hex })
    const steps = few.chain((pool) =>
      fc.tuple(fc.constant(pool), fc.array(fc.tuple(fc.nat(), fc.boolean(), fc.boolean()), { maxLength: 100 })),
    )
    fc.assert(
      fc.property(steps, ([pool, asked]) => {
        fc.pre(pool.length > 0)
        const set = new ChecksumSet()
        const model = new Set<Checksum>()
        for (const [n, adds, asText] of asked) {
          const bytes = pool[n % pool.length] as Uint8Array
          const checksum = hex(bytes)
          const known = model.has(checksum)
          const padded = concatBytes([Uint8Array.of(7, 7, 7), bytes, bytes])
          if (adds) {
            expect(asText ? set.add(checksum) : set.addAt(padded, 3)).toBe(!known)
            model.add(checksum)
          } else expect(asText ? set.has(checksum) : set.hasAt(padded, 3)).toBe(known)
          expect(set.size).toBe(model.size)
        }
        expect([...set]).toEqual([...model])
      }),
    )
  })

  test('it keeps its members when it grows', () => {
    const checksums = many(20_000)
    const set = new ChecksumSet()
    for (const bytes of checksums) set.addAt(bytes, 0)
    const different = new Set(checksums.map(hex))
    expect(set.size).toBe(different.size)
    expect([...set]).toEqual([...different])
    expect(checksums.every((bytes) => set.hasAt(bytes, 0))).toBe(true)
    expect(set.has('f'.repeat(64) as Checksum)).toBe(false)
  })

  test('members that are added during an iteration are part of it', () => {
    const set = new ChecksumSet()
    set.addAt(new Uint8Array(32), 0)
    let given = 0
    for (const _ of set) if (++given < 1000) set.addAt(many(given + 2).at(-1) as Uint8Array, 0)
    expect(given).toBe(set.size)
  })

  test.each(['', 'ab', 'g'.repeat(64), '0'.repeat(66)])('%j is refused', (text) => {
    expect(() => new ChecksumSet().add(text as Checksum)).toThrow(RangeError)
  })
})

describe('ObjectList', () => {
  const anyName: fc.Arbitrary<ObjectName> = fc
    .tuple(anyChecksum, fc.integer({ min: 1, max: 9 }))
    .map(([bytes, number]) => ({ checksum: hex(bytes), type: objectTypeFromNumber(number) }))

  test('it has the same elements as an array of names, also as a part and after a transfer', () => {
    fc.assert(
      fc.property(fc.array(anyName, { maxLength: 300 }), fc.nat(300), fc.nat(300), (names, a, b) => {
        const list = ObjectList.from(names)
        expect(list.length).toBe(names.length)
        expect([...list]).toEqual(names)
        const [from, to] = [Math.min(a, b, names.length), Math.max(a, b)]
        const part = list.slice(from, to)
        expect([...part]).toEqual(names.slice(from, to))
        // A thread receives the part without the rest of the list.
        const packed = structuredClone(part.packed())
        expect(packed.checksums.buffer.byteLength).toBe(32 * part.length)
        expect([...ObjectList.unpack(packed)]).toEqual(names.slice(from, to))
        const twice = ObjectList.from(names.slice(0, from))
        twice.pushAll(list)
        for (let i = 0; i < part.length; i++) twice.pushOf(part, i)
        expect([...twice]).toEqual([...names.slice(0, from), ...names, ...names.slice(from, to)])
      }),
    )
  })

  test.each(['', 'ab', 'g'.repeat(64), '0'.repeat(66)])('%j is refused, and the list is not changed', (text) => {
    const list = ObjectList.from([{ checksum: 'a'.repeat(64) as Checksum, type: 'commit' }])
    expect(() => list.push({ checksum: text as Checksum, type: 'file' })).toThrow(RangeError)
    expect([...list]).toEqual([{ checksum: 'a'.repeat(64), type: 'commit' }])
  })

  test('an addition to a part does not change the whole list', () => {
    const name = (digit: string): ObjectName => ({ checksum: digit.repeat(64) as Checksum, type: 'file' })
    const list = ObjectList.from([name('a'), name('b'), name('c')])
    const part = list.slice(0, 1)
    part.push(name('d'))
    expect([...part]).toEqual([name('a'), name('d')])
    expect([...list]).toEqual([name('a'), name('b'), name('c')])
    expect(fromHex(list.checksum(1))).toEqual(new Uint8Array(32).fill(0xbb))
  })
})
