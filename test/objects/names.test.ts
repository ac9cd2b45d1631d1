import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Checksum } from '../../src/bytes.ts'
import { FormatError, InvalidNameError } from '../../src/errors.ts'
import {
  checksumFromBytes,
  checksumToBytes,
  formatObjectName,
  isChecksum,
  isCollectionId,
  isMetaObject,
  isObjectType,
  loosePath,
  modifiedBase64,
  type ObjectType,
  objectTypeFromNumber,
  objectTypeNumber,
  parseChecksum,
  parseLoosePath,
  parseModifiedBase64,
  parseObjectName,
  validateCollectionId,
} from '../../src/objects/index.ts'
import { anyChecksum } from '../../src/testing/arbitraries/objects.ts'

const checksum = '446a0ef11b7cc167f3b603e585c7eeeeb675faa412d5ec73f62988eb0b6c5488' as Checksum
const TYPES: ObjectType[] = [
  'file',
  'dirtree',
  'dirmeta',
  'commit',
  'tombstone-commit',
  'commitmeta',
  'payload-link',
  'file-xattrs',
  'file-xattrs-link',
]
const anyType = fc.constantFrom(...TYPES)

describe('checksums', () => {
  test('a checksum has 64 digits of lower-case hex', () => {
    expect(parseChecksum(checksum)).toBe(checksum)
    expect(isChecksum(checksum)).toBe(true)
  })

  test.each([
    ['', 'Invalid rev '],
    ['abc', 'Invalid rev abc'],
    [`${checksum}0`, new RegExp(`^Invalid rev ${checksum}$`)],
    [`${checksum}\n`, new RegExp(`^Invalid rev ${checksum}$`)],
    [`a${'é'.repeat(40)}`, new RegExp(`^Invalid rev a${'é'.repeat(31)}\ufffd$`)],
    [checksum.toUpperCase(), `Invalid character '65' in rev '${checksum.toUpperCase()}'`],
    [`g${checksum.slice(1)}`, `Invalid character '103' in rev 'g${checksum.slice(1)}'`],
    [`é${checksum.slice(2)}`, `Invalid character '-61' in rev 'é${checksum.slice(2)}'`],
  ])('%j is refused with the message of ostree', (text, message) => {
    expect(isChecksum(text)).toBe(false)
    expect(() => parseChecksum(text)).toThrow(InvalidNameError)
    expect(() => parseChecksum(text)).toThrow(message)
  })

  test('a checksum is converted to 32 bytes and back', () => {
    fc.assert(
      fc.property(anyChecksum, (sum) => {
        expect(checksumFromBytes(checksumToBytes(sum))).toBe(sum)
      }),
    )
    expect(() => checksumFromBytes(new Uint8Array(31))).toThrow('Invalid checksum of length 31 expected 32')
    expect(() => checksumFromBytes(new Uint8Array(33))).toThrow(FormatError)
  })

  test('a checksum is converted to the base64 of file names of deltas and back', () => {
    fc.assert(
      fc.property(anyChecksum, (sum) => {
        const text = modifiedBase64(sum)
        expect(text).toMatch(/^[A-Za-z0-9+_]{43}$/)
        expect(text).toBe(Buffer.from(sum, 'hex').toString('base64').slice(0, 43).replaceAll('/', '_'))
        expect(parseModifiedBase64(text)).toBe(sum)
      }),
    )
    for (const text of ['', 'a', 'A'.repeat(42), 'A'.repeat(44), `${'A'.repeat(42)}/`, `${'A'.repeat(42)}B`]) {
      expect(() => parseModifiedBase64(text)).toThrow(InvalidNameError)
    }
  })
})

describe('object types', () => {
  test('object types have the numbers from 1 to 9', () => {
    expect(TYPES.map(objectTypeNumber)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9])
    expect(TYPES.map((_, i) => objectTypeFromNumber(i + 1))).toEqual(TYPES)
    for (const number of [-1, 0, 10, 1.5]) expect(() => objectTypeFromNumber(number)).toThrow('Invalid object type')
  })

  test('the types 2 to 6 are metadata', () => {
    expect(TYPES.filter(isMetaObject)).toEqual(['dirtree', 'dirmeta', 'commit', 'tombstone-commit', 'commitmeta'])
  })

  test('isObjectType accepts only the names of types', () => {
    expect(TYPES.every(isObjectType)).toBe(true)
    for (const text of ['', 'undefined', 'filez', 'File']) expect(isObjectType(text)).toBe(false)
  })
})

describe('object names', () => {
  test('a name is parsed as it was formatted', () => {
    fc.assert(
      fc.property(anyChecksum, anyType, (sum, type) => {
        const name = { checksum: sum, type }
        expect(parseObjectName(formatObjectName(name))).toEqual(name)
      }),
    )
  })

  test.each(['', 'x', checksum, `${checksum}.`, `${checksum}.filez`, `${checksum.slice(1)}.file`, '.file'])(
    'the name %j is refused',
    (text) => {
      expect(() => parseObjectName(text)).toThrow(InvalidNameError)
    },
  )

  test('only the path of a content object has the suffix `.filez` in an archive repository', () => {
    const rest = `objects/44/${checksum.slice(2)}`
    expect(loosePath({ checksum, type: 'dirmeta' }, true)).toBe(`${rest}.dirmeta`)
    expect(loosePath({ checksum, type: 'file' }, true)).toBe(`${rest}.filez`)
    expect(loosePath({ checksum, type: 'file' }, false)).toBe(`${rest}.file`)
    expect(loosePath({ checksum, type: 'commitmeta' }, true)).toBe(`${rest}.commitmeta`)
  })

  test('a loose path is parsed to the name of its object', () => {
    fc.assert(
      fc.property(anyChecksum, anyType, fc.boolean(), (sum, type, archive) => {
        fc.pre(type === 'file' || isMetaObject(type) || !archive)
        const path = loosePath({ checksum: sum, type }, archive).slice('objects/'.length)
        expect(parseLoosePath(path)).toEqual({ checksum: sum, type, compressed: archive && type === 'file' })
      }),
    )
  })

  test.each(['', 'ab', 'ab/cd.file', `44/${checksum.slice(2)}`, `44/${checksum.slice(2)}.tmp`, `44/${checksum}.file`])(
    'the path %j is not that of an object',
    (path) => {
      expect(parseLoosePath(path)).toBeUndefined()
    },
  )
})

describe('collection ids', () => {
  test.each(['org.example', 'a.b', '_a._1', 'org.example.Collection_1', `a.${'b'.repeat(253)}`])(
    '%s is valid',
    (id) => {
      expect(isCollectionId(id)).toBe(true)
      validateCollectionId(id)
    },
  )

  test.each([
    '',
    'a',
    'org.',
    '.org',
    'org..example',
    'org.1example',
    '1org.example',
    'org.ex-ample',
    'org.é',
    'a.b\n',
  ])('%j is refused', (id) => {
    expect(() => validateCollectionId(id)).toThrow(`Invalid collection ID ${id}`)
  })

  test('an id of 256 characters is refused', () => {
    expect(isCollectionId(`a.${'b'.repeat(254)}`)).toBe(false)
  })
})
