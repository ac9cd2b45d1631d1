import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseDigest } from '../../../src/container/oci/digest.ts'
import { refForBlobDigest, refForImage } from '../../../src/container/store/names.ts'
import {
  escapeRef,
  prefixEscapeRef,
  unescapeRef,
  unprefixUnescapeRef,
} from '../../../src/container/store/ref-escape.ts'
import { InvalidNameError } from '../../../src/errors.ts'
import { validateRefName } from '../../../src/repo/index.ts'
import { goldenJson } from '../../support/golden.ts'

interface Escapes {
  escape: { input: string; escaped: string; valid_ostree_rev: boolean }[]
  errors: { input: string; error: string }[]
  unescape: { input: string; output?: string; error?: string }[]
  prefix: { prefix: string; input: string; ref: string }[]
}

const golden = goldenJson<Escapes>('container/refescape.json')
const isRefName = (name: string): boolean => {
  try {
    validateRefName(name)
    return true
  } catch {
    return false
  }
}

describe('ref escaping', () => {
  test.each(golden.escape)(
    'the name $input is escaped as in ostree-ext, and unescaped again (cases B1, B2)',
    ({ input, escaped, valid_ostree_rev }) => {
      expect(escapeRef(input)).toBe(escaped)
      expect(unescapeRef(escaped)).toBe(input)
      expect(isRefName(escaped)).toBe(valid_ostree_rev)
    },
  )

  test.each(golden.errors)('the name "$input" is rejected with "$error"', ({ input, error }) => {
    expect(() => escapeRef(input)).toThrow(new InvalidNameError(input, error))
  })

  test.each(golden.unescape.filter(({ output }) => output !== undefined))(
    'the ref $input is unescaped',
    ({ input, output }) => {
      expect(unescapeRef(input)).toBe(output)
    },
  )

  test.each(golden.unescape.filter(({ error }) => error !== undefined))(
    'the ref $input cannot be unescaped',
    ({ input }) => {
      expect(() => unescapeRef(input)).toThrow(InvalidNameError)
    },
  )

  test.each(golden.prefix)('the name $input below $prefix is the ref $ref', ({ prefix, input, ref }) => {
    expect(prefixEscapeRef(prefix, input)).toBe(ref)
    expect(unprefixUnescapeRef(prefix, ref)).toBe(input)
  })

  test('unescaping is the inverse of escaping (case B4)', () => {
    const anyText = fc.string({ unit: 'binary', minLength: 1 }).filter((text) => !text.includes('\0'))
    fc.assert(
      fc.property(anyText, (text) => {
        expect(unescapeRef(escapeRef(text))).toBe(text)
      }),
    )
  })

  test('any ref is unescaped or rejected with a typed error', () => {
    const anyRef = fc
      .array(fc.constantFrom('_', 'a', '/', '-', '.', '2F', 'D800', '110000', '😀'))
      .map((p) => p.join(''))
    fc.assert(
      fc.property(anyRef, (ref) => {
        try {
          unescapeRef(ref)
        } catch (error) {
          expect(error).toBeInstanceOf(InvalidNameError)
        }
      }),
    )
  })

  test.each(['_D800_', '_110000_', '_-1_', '_+2F_', '_ 2F_', '_000000002F_'])('%s is rejected as an escape', (ref) => {
    expect(() => unescapeRef(ref)).toThrow(InvalidNameError)
  })

  test('a name with half a surrogate pair is rejected', () => {
    expect(() => escapeRef('a\ud800')).toThrow(InvalidNameError)
  })

  test('a ref outside the prefix is rejected', () => {
    expect(() => unprefixUnescapeRef('ostree/container/image', 'ostree/container/imagex/a')).toThrow(
      'ref does not match expected prefix ostree/container/imagex/a/: ostree/container/image',
    )
  })
})

describe('names of refs', () => {
  const hex = '2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae'

  test('the ref of a layer is its escaped digest (case B3)', () => {
    expect(refForBlobDigest(parseDigest(`sha256:${hex}`))).toBe(`ostree/container/blob/sha256_3A_${hex}`)
  })

  test('the ref of an image is its escaped reference', () => {
    expect(refForImage({ transport: 'registry', name: 'quay.io/exampleos/blah:latest' })).toBe(
      'ostree/container/image/docker_3A__2F__2F_quay_2E_io/exampleos/blah_3A_latest',
    )
  })
})
