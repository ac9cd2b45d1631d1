/** `LooseNames`, which reads names of objects without allocating strings, compared with `parseLoosePath`. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Checksum } from '../../../../src/bytes.ts'
import { ObjectList, type ObjectName, objectTypeFromNumber, parseLoosePath } from '../../../../src/objects/index.ts'
import { LooseNames } from '../../../../src/repo/stores/fs/loose/loose-names.ts'

const DIGITS = `${'123456789abcdef'.repeat(4)}a0`
const SUFFIXES = [
  'file',
  'filez',
  ...Array.from({ length: 9 }, (_, n) => objectTypeFromNumber(n + 1)),
  'tmp',
  'FILE',
  '',
]

function read(names: LooseNames, head: string, file: string): ObjectName[] {
  const list = ObjectList.empty()
  names.read(head, file, list)
  return [...list]
}

describe('LooseNames', () => {
  test('a file name is read like by parseLoosePath', () => {
    const change = fc.option(fc.tuple(fc.nat(70), fc.constantFrom('G', 'A', '/', '.', '', '\u0130', '\u{1f600}', '0')))
    const anyType = fc.option(fc.integer({ min: 1, max: 9 }).map((number) => objectTypeFromNumber(number)))
    const digits = fc.stringMatching(/^[0-9a-f]{62}$/)
    fc.assert(
      fc.property(
        fc.constantFrom('00', 'a7', 'ff'),
        fc.oneof(digits, fc.constant(DIGITS)),
        fc.constantFrom(...SUFFIXES),
        change,
        fc.boolean(),
        anyType,
        (head, digits, suffix, changed, archive, type) => {
          const whole = `${digits}.${suffix}`
          const file = changed === null ? whole : whole.slice(0, changed[0]) + changed[1] + whole.slice(changed[0] + 1)
          const parsed = parseLoosePath(`${head}/${file}`)
          const isContent = parsed?.type === 'file'
          const wanted = parsed && parsed.compressed === (archive && isContent) && (type ?? parsed.type) === parsed.type
          const expected = wanted ? [{ checksum: parsed.checksum, type: parsed.type }] : []
          expect(read(new LooseNames(archive, type ?? undefined), head, file)).toEqual(expected)
        },
      ),
      { numRuns: 1000 },
    )
  })

  test('a file name does not affect the next one', () => {
    const names = new LooseNames(false)
    const list = ObjectList.empty()
    names.read('ab', `${DIGITS}.file`, list)
    names.read('cd', `${'g'.repeat(62)}.file`, list)
    names.read('ef', `${'0'.repeat(62)}.dirtree`, list)
    expect([...list]).toEqual([
      { checksum: `ab${DIGITS}` as Checksum, type: 'file' },
      { checksum: `ef${'0'.repeat(62)}` as Checksum, type: 'dirtree' },
    ])
  })
})
