/** Tests of the tables of objects in a layer and of links that wait for them, beside maps and arrays. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Checksum } from '../../../src/bytes.ts'
import { EarlyLinks } from '../../../src/container/layers/early-links.ts'
import { IS_LINKED, IS_OBJECT, ObjectTable } from '../../../src/container/layers/object-table.ts'

const digit = fc.constantFrom(...'0123456789abcdef')
const name = fc.oneof(
  fc
    .array(digit, { minLength: 64, maxLength: 64 })
    .map((hex) => `objects/${hex.slice(0, 2).join('')}/${hex.slice(2).join('')}.file`),
  fc.string(),
  fc.constantFrom(
    `objects/AA/${'0'.repeat(62)}.file`,
    `objects/aa/${'0'.repeat(62)}.filf`,
    `objects/aa0${'0'.repeat(62)}.file`,
  ),
)

test('every name has one number, and keeps what was set for it', () => {
  fc.assert(
    fc.property(fc.array(name, { maxLength: 2000, minLength: 1, size: 'max' }), (names) => {
      const table = new ObjectTable()
      const expected = new Map<string, number>()
      for (const each of names) {
        if (!expected.has(each)) expected.set(each, expected.size)
        expect(table.add(each)).toBe(expected.get(each))
      }
      expect(table.count).toBe(expected.size)
      for (const [each, id] of expected) {
        table.setObject(id, { uid: id, gid: 2 ** 40 + id, mode: 0o644, mtime: -id, size: 5 }, false)
        table.setChecksum(id, id.toString(16).padStart(64, 'f') as Checksum)
        table.setLast(id, id + 7)
        expect(table.find(each)).toBe(id)
      }
      for (const [each, id] of expected) {
        expect(table.nameOf(id)).toBe(each)
        expect(table.factsOf(id)).toEqual({
          uid: id,
          gid: 2 ** 40 + id,
          mode: 0o644,
          mtime: id === 0 ? -0 : -id,
          size: 5,
        })
        expect(table.checksumOf(id)).toBe(id.toString(16).padStart(64, 'f'))
        expect(table.lastOf(id)).toBe(id + 7)
      }
    }),
    { numRuns: 20 },
  )
})

test('ten thousand names are found after the table has grown', () => {
  const table = new ObjectTable()
  const nameOf = (n: number) => `objects/0a/${n.toString(16).padStart(62, '0')}.file`
  for (let n = 0; n < 10_000; n++) table.add(nameOf(n))
  for (let n = 0; n < 10_000; n++) expect(table.find(nameOf(n))).toBe(n)
  expect(table.find(nameOf(10_000))).toBeUndefined()
})

test('an object that is replaced while its content is written does not get the checksum of the first one', async () => {
  const table = new ObjectTable()
  const facts = { uid: 0, gid: 0, mode: 0o644, mtime: 1, size: 1 }
  const sum = (digit: string) => digit.repeat(64) as Checksum
  const id = table.add('objects/x')
  table.setObject(id, facts, true)
  table.setChecksum(id, Promise.resolve(sum('1')))
  table.mark(id, IS_LINKED)
  table.setObject(id, facts, true)
  expect(table.is(id, IS_LINKED)).toBe(false)
  expect(table.is(id, IS_OBJECT)).toBe(true)
  await undefined
  expect(table.checksumOf(id)).toBeUndefined()
  table.setChecksum(id, Promise.resolve(sum('2')))
  expect(table.checksumOf(id)).toBeInstanceOf(Promise)
  await undefined
  expect(table.checksumOf(id)).toBe(sum('2'))
})

test('links that wait are in the order in which they came, with paths of any length', () => {
  const links = new EarlyLinks()
  const last = [0, 0, 0]
  const expected: [length: number, offset: number][][] = [[], [], []]
  for (let n = 0; n < 1000; n++) {
    const ring = (n * 7) % 3
    const length = n === 500 ? 100_000 : n % 300
    last[ring] = links.add({ path: new Uint8Array(length).fill(n), offset: n * 2 ** 33 }, last[ring] as number)
    expected[ring]?.push([length, n])
  }
  for (const ring of [0, 1, 2]) {
    const found = [...links.inRing(last[ring] as number)]
    expect(found.map(({ path, offset }) => [path.length, offset / 2 ** 33])).toEqual(expected[ring])
    for (const { path, offset } of found) expect(path.every((byte) => byte === (offset / 2 ** 33) % 256)).toBe(true)
    expect(links.firstOf(last[ring] as number)).toEqual(found[0])
  }
})
