import { describe, expect, test } from 'vitest'
import { fromHex, toHex } from '../../src/bytes.ts'
import {
  byteswap,
  GVariantTextError,
  isNormal,
  normalForm,
  parseVariantText,
  printVariant,
} from '../../src/gvariant/index.ts'
import { goldenJson } from '../support/golden.ts'

interface TextVector {
  readonly text: string
  readonly type: string
  readonly print: string
  readonly print_types: string
  readonly le_hex: string
  readonly be_hex: string
  readonly error?: string
}

const vectors = goldenJson<TextVector[]>('core/gvariant-text.json')

function textError(text: string, type?: string): string {
  try {
    parseVariantText(text, type)
  } catch (error) {
    if (error instanceof GVariantTextError) return error.message
    throw error
  }
  throw new Error(`parsed: ${text}`)
}

describe('text that GLib accepts', () => {
  const good = vectors.filter((vector) => vector.error === undefined)

  test.each(good)('the text parses to the bytes of GLib: $text', ({ text, type, le_hex }) => {
    const value = parseVariantText(text)
    expect(value.type).toBe(type)
    expect(toHex(value.bytes)).toBe(le_hex)
    expect(isNormal(type, value.bytes)).toBe(true)
  })

  test.each(good)(
    'the bytes are printed as GLib prints them, with types and without: $text',
    ({ type, le_hex, print, print_types }) => {
      const value = { type, bytes: fromHex(le_hex) }
      expect(printVariant(value, false)).toBe(print)
      expect(printVariant(value, true)).toBe(print_types)
    },
  )

  test.each(good)(
    'a byteswap gives the bytes of a big-endian machine, and a second one the bytes again: $text',
    ({ type, le_hex, be_hex }) => {
      expect(toHex(byteswap(type, fromHex(le_hex)))).toBe(be_hex)
      expect(toHex(byteswap(type, fromHex(be_hex)))).toBe(le_hex)
    },
  )

  test.each(good)(
    'text that was printed with types parses to the same bytes: $text',
    ({ type, le_hex, print_types }) => {
      const value = parseVariantText(print_types)
      expect(value.type).toBe(type)
      expect(toHex(value.bytes)).toBe(le_hex)
    },
  )

  test.each(good)(
    'text that was printed without types parses to the same bytes with the type given: $text',
    ({ type, le_hex, print }) => {
      expect(toHex(parseVariantText(print, type).bytes)).toBe(le_hex)
    },
  )
})

describe('text that GLib refuses', () => {
  test.each(vectors.filter((vector) => vector.error !== undefined))(
    'the text $text is refused with the error $error',
    ({ text, error }) => {
      expect(textError(text)).toBe(error)
    },
  )
})

describe('metadata on the command line of `ostree commit`', () => {
  interface MetadataVector {
    readonly key: string
    readonly input: string
    readonly plain: string
    readonly B: string
  }

  test.each(goldenJson<MetadataVector[]>('core/metadata-text.json'))(
    'the value $input is printed as `ostree show` prints it',
    (vector) => {
      const value = parseVariantText(vector.input)
      const swapped = { type: value.type, bytes: byteswap(value.type, value.bytes) }
      expect(`${printVariant(value, true)}\n`).toBe(vector.B)
      expect(`${printVariant(swapped, true)}\n`).toBe(vector.plain)
    },
  )
})

describe('bytes that are not in normal form', () => {
  interface BytesVector {
    readonly type: string
    readonly hex: string
    readonly is_normal: boolean
    readonly print: string
    readonly normal_hex: string
  }

  test.each(goldenJson<BytesVector[]>('core/gvariant-nonnormal.json'))(
    '$hex as $type has the normal form and text of GLib',
    (vector) => {
      const bytes = fromHex(vector.hex)
      expect(isNormal(vector.type, bytes)).toBe(vector.is_normal)
      expect(printVariant({ type: vector.type, bytes }, true)).toBe(vector.print)
      expect(toHex(normalForm(vector.type, bytes))).toBe(vector.normal_hex)
    },
  )
})
