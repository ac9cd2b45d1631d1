import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { encodeUtf8 } from '../../src/bytes.ts'
import { InvalidNameError } from '../../src/errors.ts'
import { KeyFile } from '../../src/keyfile/index.ts'

/** Texts with the characters that mean something in a key file. */
const anyText = fc.string({
  unit: fc.constantFrom(
    'a',
    'b',
    ' ',
    '\t',
    '\r',
    '\n',
    '\0',
    '\v',
    '\f',
    '#',
    '=',
    '[',
    ']',
    ';',
    '\\',
    's',
    'ä',
    '😀',
    '\ud800',
  ),
  maxLength: 6,
})

function readBack(file: KeyFile): KeyFile {
  return KeyFile.parse(new TextDecoder('utf-8', { ignoreBOM: true }).decode(encodeUtf8(file.toString())))
}

describe('what is set in a key file', () => {
  test('is read back, or was refused', () => {
    let kept = 0
    fc.assert(
      fc.property(anyText, anyText, anyText, fc.boolean(), (group, key, value, raw) => {
        const file = KeyFile.parse('[first]\na=b\n')
        try {
          if (raw) file.setRaw(group, key, value)
          else file.set(group, key, value)
        } catch (error) {
          expect(error).toBeInstanceOf(InvalidNameError)
          expect(file.toString()).toBe('[first]\na=b\n')
          return
        }
        kept++
        const read = readBack(file)
        expect(read.getRaw(group, key)).toBe(file.getRaw(group, key))
        if (!raw) expect(read.getString(group, key)).toBe(value)
        expect(read.groups()).toEqual(file.groups())
        expect(read.keys(group)).toEqual(file.keys(group))
      }),
      {
        numRuns: 20_000,
        examples: [
          ['g', '#k', 'v', false],
          ['g', 'k\t', 'v', false],
          ['first', 'Encoding', 'x', false],
        ],
      },
    )
    expect(kept).toBeGreaterThan(100)
  })

  test.each([
    ['a comment', '#key', 'value'],
    ['a tab at the end', 'key\t', 'value'],
    ['half of a surrogate pair', 'key\udc00', 'value'],
    ['half of a surrogate pair in the value', 'key', 'value\ud800'],
    ['another encoding', 'Encoding', 'latin1'],
  ])('is refused with %s', (_, key, value) => {
    const file = KeyFile.parse('')
    expect(() => file.set('group', key, value)).toThrow(InvalidNameError)
    expect(file.toString()).toBe('')
  })

  test('may name another encoding in a group that is not the first', () => {
    const file = KeyFile.parse('[first]\n')
    file.set('second', 'Encoding', 'latin1')
    expect(readBack(file).get('second', 'Encoding')).toBe('latin1')
    file.set('first', 'Encoding', 'utf-8')
    expect(readBack(file).get('first', 'Encoding')).toBe('utf-8')
  })
})
