import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Checksum, concatBytes, fromHex } from '../../../src/bytes.ts'
import { GHashOrder, stringHash } from '../../../src/gvariant/internal.ts'
import {
  formatObjectName,
  type ObjectName,
  objectTypeFromNumber,
  objectTypeNumber,
  parseObjectName,
} from '../../../src/objects/index.ts'
import { ObjectTable } from '../../../src/repo/reach/object-table.ts'

/** Creates a hash table of names as libostree does: it hashes the text of the checksum and the number of the type. */
function createModel(): GHashOrder<ObjectName> {
  return new GHashOrder<ObjectName>([], (key) => {
    const { checksum, type } = parseObjectName(key)
    return (stringHash(checksum) + objectTypeNumber(type)) >>> 0
  })
}

const anyName: fc.Arbitrary<ObjectName> = fc
  .tuple(fc.uint8Array({ minLength: 32, maxLength: 32 }), fc.integer({ min: 1, max: 7 }))
  .map(([bytes, number]) => ({
    checksum: Buffer.from(bytes).toString('hex') as Checksum,
    type: objectTypeFromNumber(number),
  }))

describe('ObjectTable', () => {
  test('objects are listed in the order of the hash table of libostree', () => {
    fc.assert(
      fc.property(fc.array(anyName, { maxLength: 400 }), fc.infiniteStream(fc.boolean()), (names, asBytes) => {
        const table = new ObjectTable()
        const model = createModel()
        for (const name of [...names, ...names.slice(0, 50)]) {
          const key = formatObjectName(name)
          const known = model.has(key)
          expect(table.has(name)).toBe(known)
          const bytes = concatBytes([Uint8Array.of(9), fromHex(name.checksum)])
          const added = asBytes.next().value ? table.addAt(objectTypeNumber(name.type), bytes, 1) : table.add(name)
          expect(added).toBe(!known)
          model.set(key, name)
          expect(table.size).toBe(model.size)
        }
        expect([...table.list()]).toEqual([...model].map(([, name]) => name))
      }),
    )
  })

  test('objects of several types with the same checksum are different', () => {
    const checksum = 'ab'.repeat(32) as Checksum
    const table = new ObjectTable()
    expect(table.add({ checksum, type: 'file' })).toBe(true)
    expect(table.has({ checksum, type: 'dirtree' })).toBe(false)
    expect(table.add({ checksum, type: 'dirtree' })).toBe(true)
    expect(table.size).toBe(2)
  })

  test('the order is that of libostree also when the table grows', () => {
    const table = new ObjectTable()
    const model = createModel()
    for (let n = 0; n < 5000; n++) {
      const name: ObjectName = { checksum: n.toString(16).padStart(64, '0') as Checksum, type: 'file' }
      table.add(name)
      model.set(formatObjectName(name), name)
    }
    expect([...table.list()]).toEqual([...model].map(([, name]) => name))
  })
})
