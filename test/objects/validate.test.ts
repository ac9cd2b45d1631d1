import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Checksum, concatBytes, encodeUtf8 } from '../../src/bytes.ts'
import { FormatError } from '../../src/errors.ts'
import { isNormal, vardict } from '../../src/gvariant/index.ts'
import {
  Commit,
  DirMeta,
  DirTree,
  validateBareUserOnlyMode,
  validateCommit,
  validateDirMeta,
  validateDirTree,
  validateFileHeader,
  validateFileMode,
  validateFilename,
  validateMeta,
  validateObjectTypeNumber,
  validateXattrs,
  type Xattrs,
} from '../../src/objects/index.ts'
import {
  anyBrokenCommit,
  anyBrokenDirMeta,
  anyBrokenDirTree,
  anyBrokenFileHeader,
  anyBrokenXattrs,
  anyDamage,
  anyFileHeader,
  anyFilename,
  anyMetaObject,
  anyUnsortedXattrs,
  anyXattrs,
} from '../../src/testing/arbitraries/objects.ts'

const codecs = { commit: Commit, dirtree: DirTree, dirmeta: DirMeta }

describe('validation of valid objects', () => {
  test('metadata, file headers, names and xattrs are accepted', () => {
    fc.assert(fc.property(anyMetaObject, ({ type, bytes }) => validateMeta(type, bytes)))
    fc.assert(fc.property(anyFileHeader, (header) => validateFileHeader(header, 'sorted')))
    fc.assert(fc.property(anyFilename, (name) => validateFilename(name)))
    fc.assert(fc.property(anyXattrs, (xattrs) => validateXattrs(xattrs)))
  })

  test('detached metadata may be any dictionary', () => {
    for (const type of ['commitmeta', 'tombstone-commit'] as const) {
      validateMeta(type, new Uint8Array(0))
      validateMeta(type, vardict.encode([['k', { type: 's', bytes: encodeUtf8('v\0') }]]))
      expect(() => validateMeta(type, Uint8Array.of(1))).toThrow('Not normal form')
    }
  })
})

describe('validation of invalid objects', () => {
  test('a dirtree that breaks a rule is refused with the message of the rule', () => {
    fc.assert(
      fc.property(anyBrokenDirTree, ({ value, message }) => {
        expect(() => validateDirTree(DirTree.encode(value))).toThrow(message)
      }),
    )
  })

  test('a dirmeta that breaks a rule is refused with the message of the rule', () => {
    fc.assert(
      fc.property(anyBrokenDirMeta, ({ value, message }) => {
        expect(() => validateDirMeta(DirMeta.encode(value))).toThrow(message)
      }),
    )
  })

  test('a commit that breaks a rule is refused with the message of the rule', () => {
    fc.assert(
      fc.property(anyBrokenCommit, ({ value, message }) => {
        expect(() => validateCommit(Commit.encode(value))).toThrow(message)
      }),
    )
  })

  test('a file header that breaks a rule is refused with the message of the rule', () => {
    fc.assert(
      fc.property(anyBrokenFileHeader, ({ value, message }) => {
        expect(() => validateFileHeader(value)).toThrow(message)
      }),
    )
  })

  test('xattrs that break a rule are refused with the message of the rule, sorted or not', () => {
    fc.assert(
      fc.property(anyBrokenXattrs, ({ value, message }) => {
        expect(() => validateXattrs(value, 'sorted')).toThrow(message)
        expect(() => validateXattrs(value, 'any')).toThrow(message)
        const middle = value.length >> 1
        const turned = [...value.slice(middle), ...value.slice(0, middle)]
        expect(() => validateXattrs(turned, 'any')).toThrow(FormatError)
      }),
    )
  })

  test('damaged bytes are refused with a FormatError, or in normal form and valid', () => {
    fc.assert(
      fc.property(
        anyMetaObject.chain(({ type, bytes }) => anyDamage(bytes).map((damaged) => ({ type, damaged }))),
        ({ type, damaged }) => {
          const normal = isNormal(codecs[type].type, damaged)
          try {
            validateMeta(type, damaged)
            expect(normal).toBe(true)
          } catch (error) {
            expect(error).toBeInstanceOf(FormatError)
            if (!normal) expect(error).toMatchObject({ message: 'Not normal form', data: { what: type } })
          }
        },
      ),
      { numRuns: 300 },
    )
  })
})

describe('validation of xattrs', () => {
  const xattrs: Xattrs = [
    [encodeUtf8('user.z'), encodeUtf8('1')],
    [encodeUtf8('user.a'), encodeUtf8('2')],
  ]

  test('unsorted xattrs are refused only if `sorted` is asked for, as by newer versions of ostree', () => {
    expect(() => validateXattrs(xattrs)).toThrow('Incorrectly sorted xattr name (prev=user.z, cur=user.a), index=1')
    const bytes = DirMeta.encode({ uid: 0, gid: 0, mode: 0o40755, xattrs })
    expect(() => validateDirMeta(bytes, 'sorted')).toThrow('Incorrectly sorted xattr name')
    validateDirMeta(bytes)
    fc.assert(fc.property(anyUnsortedXattrs, (any) => validateXattrs(any, 'any')))
  })

  test('names of 300 KB are compared in any order', () => {
    const long = new Uint8Array(300_000).fill(0x80)
    const other = Uint8Array.of(0x81, 0)
    validateXattrs(
      [
        [long, other],
        [other, other],
      ],
      'any',
    )
    expect(() =>
      validateXattrs(
        [
          [long, other],
          [other, other],
          [long.slice(), other],
        ],
        'any',
      ),
    ).toThrow('Duplicate xattr name, index=2')
  })

  test('a name without the NUL that ends it is refused', () => {
    const bytes = DirMeta.encode({ uid: 0, gid: 0, mode: 0o40755, xattrs: [[encodeUtf8('x'), encodeUtf8('1')]] })
    // mode │ 'x' NUL '1' │ end of the name │ end of the attribute
    const unended = concatBytes([bytes.subarray(0, 13), Uint8Array.of(0x79), bytes.subarray(14)])
    expect(() => validateDirMeta(unended)).toThrow('Invalid xattr name (empty or missing NUL) index=0')
  })
})

describe('filenames', () => {
  test('a name that cannot be encoded in UTF-8 is refused', () => {
    expect(() => validateFilename('a\ud800')).toThrow('Invalid UTF-8 in filename a\ud800')
  })

  test('names of three dots, spaces or newlines are accepted', () => {
    for (const name of ['...', ' ', '\n', '.a', 'a.', '..a']) validateFilename(name)
  })
})

describe('modes', () => {
  test.each([0o100644, 0o104755, 0o107777, 0o120777, 0o100000])('the mode %o is that of a file', (mode) =>
    validateFileMode(mode),
  )

  test.each([
    [0o40755, 'Invalid file metadata mode 16877; not a valid file type'],
    [0o644, 'Invalid file metadata mode 420; not a valid file type'],
    [0o60644, 'Invalid file metadata mode 24996; not a valid file type'],
    [0x1_81a4, 'Invalid mode 98724; invalid bits in mode'],
    [0xffff_81a4, 'Invalid mode 4294934948; invalid bits in mode'],
  ])('the mode %o is refused', (mode, message) => {
    expect(() => validateFileMode(mode)).toThrow(message)
  })

  test('a mode that mode bare-user-only cannot store is refused', () => {
    const checksum = 'ab'.repeat(32) as Checksum
    for (const mode of [0o100644, 0o100775, 0o100000, 0o120777]) validateBareUserOnlyMode(checksum, mode)
    for (const [mode, bits] of [
      [0o104755, '04000'],
      [0o100646, '00002'],
      [0o101755, '01000'],
    ] as const) {
      expect(() => validateBareUserOnlyMode(checksum, mode)).toThrow(
        `Content object ${checksum}: invalid mode 0${mode.toString(8)} with bits ${bits}`,
      )
    }
  })
})

test('a number of an object type from a remote must be from 1 to 4', () => {
  for (const number of [1, 2, 3, 4]) validateObjectTypeNumber(number)
  for (const number of [0, 5, 9, 255]) {
    expect(() => validateObjectTypeNumber(number)).toThrow(`Invalid object type '${number}'`)
  }
})
