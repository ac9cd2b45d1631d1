/** The table of the files of a directory behaves like a map, and gives the bytes of a dirtree. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Checksum } from '../../../../src/bytes.ts'
import { encodeDirTree } from '../../../../src/objects/internal.ts'
import { FilePages, FileTable } from '../../../../src/repo/core/tables/file-table.ts'

const sum = (n: number) => n.toString(16).padStart(64, '0') as Checksum
const anyName = fc.oneof(
  fc.stringMatching(/^[a-c]{1,2}$/),
  fc.string({ unit: 'grapheme', minLength: 1, maxLength: 4 }).filter((name) => !/[/\0]/.test(name)),
  fc.constantFrom('x'.repeat(127), 'x'.repeat(128), 'x'.repeat(129), 'é'.repeat(40_000), '\ufeff', '\ufffd'),
)
const anyStep = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({ kind: fc.constant('set'), name: anyName, value: fc.integer({ min: 0, max: 9 }) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('delete'), name: anyName, value: fc.constant(0) }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('pending'), name: anyName, value: fc.integer({ min: 0, max: 9 }) }),
  },
)
const noDirs = new Map<string, never>()
const never = () => {
  throw new Error('there are no directories')
}

describe('FileTable', () => {
  test('two tables that share pages behave like maps', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.constantFrom(0, 1), anyStep), { maxLength: 80 }), (steps) => {
        const pages = new FilePages()
        const tables = [new FileTable(pages), new FileTable(pages)] as const
        const models = [new Map<string, Checksum>(), new Map<string, Checksum>()] as const
        for (const [which, { kind, name, value }] of steps) {
          const [table, model] = [tables[which], models[which]] as [FileTable, Map<string, Checksum>]
          const checksum = kind === 'pending' ? (`pending ${value}` as Checksum) : sum(value)
          if (kind === 'delete') expect(table.delete(name)).toBe(model.delete(name))
          else {
            expect(table.hasChecksum(name, checksum)).toBe(model.has(name) ? model.get(name) === checksum : undefined)
            table.set(name, checksum)
            model.set(name, checksum)
          }
          expect(table.has(name)).toBe(model.has(name))
        }
        for (const [i, model] of models.entries()) {
          const table = tables[i] as FileTable
          expect(table.size).toBe(model.size)
          expect([...table]).toEqual([...model])
          expect([...table.keys()]).toEqual([...model.keys()])
          expect([...table.values()]).toEqual([...model.values()])
          for (const [name, checksum] of model) expect(table.get(name)).toBe(checksum)
          const isKnown = [...model.values()].every((value) => /^[0-9a-f]{64}$/.test(value))
          if (isKnown) expect(encodeDirTree(table, noDirs, never)).toEqual(encodeDirTree(model, noDirs, never))
          else expect(() => encodeDirTree(table, noDirs, never)).toThrow('not a checksum: pending')
        }
      }),
    )
  })

  test('a hundred thousand files, with removed ones, are found and encoded', () => {
    const table = new FileTable(new FilePages())
    const model = new Map<string, Checksum>()
    for (let i = 0; i < 100_000; i++) {
      const name = `file ${(i * 7919) % 100_003}`
      table.set(name, sum(i))
      model.set(name, sum(i))
      if (i % 3 === 0) {
        table.delete(name)
        model.delete(name)
      }
    }
    expect(table.size).toBe(model.size)
    for (const [name, checksum] of model) if (table.get(name) !== checksum) expect.fail(`${name} is lost`)
    expect(Buffer.compare(encodeDirTree(table, noDirs, never), encodeDirTree(model, noDirs, never))).toBe(0)
  })

  test('a name with a lone surrogate is not found, not even as U+FFFD', () => {
    const table = new FileTable(new FilePages())
    table.set('\ufffd', sum(1))
    expect([table.has('\ud800'), table.get('\ud800'), table.delete('\ud800')]).toEqual([false, undefined, false])
    expect(table.get('\ufffd')).toBe(sum(1))
  })
})
