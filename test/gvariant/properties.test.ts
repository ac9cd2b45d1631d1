import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { toHex } from '../../src/bytes.ts'
import { codecOf } from '../../src/gvariant/dynamic.ts'
import {
  bigEndian,
  byteswap,
  codecFor,
  isNormal,
  isTypeString,
  normalForm,
  parseVariantText,
  printVariant,
} from '../../src/gvariant/index.ts'
import { typeNode } from '../../src/gvariant/internal.ts'
import { bytesForType, valueOfType, variantType } from '../../src/testing/arbitraries/gvariant.ts'

const typeAndValue = variantType().chain((type) => fc.tuple(fc.constant(type), valueOfType(type)))
const typeAndBytes = variantType().chain((type) => fc.tuple(fc.constant(type), bytesForType(type)))

/** Decodes and encodes. An empty value that counts as normal then has the offsets that the encoder writes. */
function reencoded(type: string, normal: Uint8Array): Uint8Array {
  const codec = codecFor(type)
  return codec.encode(codec.decode(normal))
}

const DENORMAL = /e-(30[89]|31\d|32\d)/

describe('any value of any type', () => {
  test('a value is encoded in normal form and decoded to the same value', () => {
    fc.assert(
      fc.property(typeAndValue, ([type, value]) => {
        expect(isTypeString(type)).toBe(true)
        const codec = codecFor(type)
        const bytes = codec.encode(value)
        expect(codec.decode(bytes)).toEqual(value)
        expect(isNormal(type, bytes)).toBe(true)
        expect(normalForm(type, bytes)).toBe(bytes)
      }),
      { numRuns: 400 },
    )
  })

  test('a value is encoded in big-endian order and decoded to the same value', () => {
    fc.assert(
      fc.property(typeAndValue, ([type, value]) => {
        const codec = bigEndian(codecFor(type))
        const again = codec.decode(codec.encode(value))
        expect(toHex(codecFor(type).encode(again))).toBe(toHex(codecFor(type).encode(value)))
      }),
    )
  })

  test('a value is printed as text that parses to the same value', () => {
    fc.assert(
      fc.property(typeAndValue, ([type, value]) => {
        const bytes = codecFor(type).encode(value)
        const text = printVariant({ type, bytes }, true)
        // The parser refuses doubles too small to be exact, as strtod in C does.
        fc.pre(!DENORMAL.test(text))
        const parsed = parseVariantText(text)
        expect(parsed.type).toBe(type)
        expect(toHex(parsed.bytes)).toBe(toHex(bytes))
        expect(toHex(parseVariantText(printVariant({ type, bytes }, false), type).bytes)).toBe(toHex(bytes))
      }),
      { numRuns: 300 },
    )
  })
})

describe('any bytes as any type', () => {
  test('any bytes decode to the same value as their normal form', () => {
    fc.assert(
      fc.property(typeAndBytes, ([type, bytes]) => {
        const codec = codecFor(type)
        const normal = normalForm(type, bytes)
        expect(isNormal(type, normal)).toBe(true)
        expect(normalForm(type, normal)).toBe(normal)
        expect(isNormal(type, bytes)).toBe(toHex(bytes) === toHex(normal))
        expect(printVariant({ type, bytes: normal }, true)).toBe(printVariant({ type, bytes }, true))
        expect(codec.decode(bytes)).toEqual(codec.decode(normal))
      }),
      { numRuns: 400 },
    )
  })

  test('a declared codec decodes any bytes without computing their normal form', () => {
    fc.assert(
      fc.property(typeAndBytes, ([type, bytes]) => {
        // A JavaScript number may lose the payload of a NaN.
        fc.pre(!type.includes('d'))
        const declared = codecOf(typeNode(type))
        const again = declared.encode(declared.decode(bytes))
        // Codecs leave the bytes inside of variants as they are.
        expect(toHex(normalForm(type, again))).toBe(toHex(reencoded(type, normalForm(type, bytes))))
      }),
      { numRuns: 400 },
    )
  })

  test('a byteswap gives normal form, and a second one the normal form of the input', () => {
    fc.assert(
      fc.property(typeAndBytes, ([type, bytes]) => {
        const copy = bytes.slice()
        const swapped = byteswap(type, bytes)
        expect(bytes).toEqual(copy)
        expect(isNormal(type, swapped)).toBe(true)
        expect(toHex(byteswap(type, swapped))).toBe(toHex(normalForm(type, bytes)))
      }),
    )
  })

  test('bytes decode to the same value at any offset in a larger buffer', () => {
    fc.assert(
      fc.property(typeAndBytes, fc.nat({ max: 9 }), ([type, bytes], before) => {
        const larger = new Uint8Array(bytes.length + before + 3).fill(0xff)
        larger.set(bytes, before)
        const codec = codecFor(type)
        expect(codec.decodeAt(larger, before, before + bytes.length)).toEqual(codec.decode(bytes))
      }),
    )
  })
})

test('any text parses, or fails with an error that has a range and a reason', () => {
  const token = fc.constantFrom(
    ...[
      '1',
      '-1',
      '1.5',
      "'a'",
      "b'x'",
      'true',
      'nothing',
      'just',
      '@ai',
      'byte',
      '[',
      ']',
      '(',
      ')',
      '{',
      '}',
      '<',
      '>',
    ],
    ...[',', ':', ' ', '"', "'", '\\', '@', '%i', 'é'],
  )
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string({ unit: 'binary' }),
        fc.array(token).map((tokens) => tokens.join('')),
      ),
      (text) => {
        try {
          const value = parseVariantText(text)
          expect(isNormal(value.type, value.bytes)).toBe(true)
        } catch (error) {
          expect(error).toMatchObject({ name: 'GVariantTextError', code: 'invalid' })
          expect(String((error as Error).message)).toMatch(/^\d+(-\d+)?(,\d+-\d+)?:./)
        }
      },
    ),
    { numRuns: 500 },
  )
})
