import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { concatBytes, encodeUtf8, fromHex, toHex } from '../../src/bytes.ts'
import {
  array,
  bytes as byteArray,
  byteswap,
  codecFor,
  GVariantTextError,
  isNormal,
  normalForm,
  parseVariantText,
  printVariant,
  string,
  tuple,
  type Variant,
} from '../../src/gvariant/index.ts'
import { goldenJson } from '../support/golden.ts'

/** What GLib 2.74 made of random types, bytes and texts; how, is told in test/golden/README.md. */
interface Vectors {
  readonly bytes: readonly {
    readonly type: string
    readonly hex: string
    readonly normal: boolean
    readonly print: string
    readonly printTypes: string
    /** Left out where it is `hex`. */
    readonly normalForm?: string
    /** Left out where it is the normal form. */
    readonly swapped?: string
  }[]
  readonly texts: readonly {
    readonly text: string
    readonly as?: string
    readonly type?: string
    readonly hex?: string
    readonly error?: string
  }[]
  /** `sha256` is of the type, the bytes in hex and the text with types, a line feed between. */
  readonly deepTexts: readonly {
    readonly open: string
    readonly close: string
    readonly levels: number
    readonly inner: string
    readonly sha256?: string
    readonly error?: string
  }[]
  /** A value in so many variants; `normalForm` and `print` (with types) by their sha256. */
  readonly nestedVariants: readonly {
    readonly type: string
    readonly hex: string
    readonly levels: number
    readonly normal: boolean
    readonly normalForm: string
    readonly print: string
  }[]
  /** Values whose first member takes `body` bytes. */
  readonly wide: readonly {
    readonly type: string
    readonly body: number
    readonly strings: number
    readonly sha256: string
  }[]
}

const vectors = goldenJson<Vectors>('gvariant-glib.json')

function sha256(data: Uint8Array | string): string {
  return createHash('sha256').update(data).digest('hex')
}

function parsed(text: string, type?: string): Variant | string {
  try {
    return parseVariantText(text, type)
  } catch (error) {
    if (error instanceof GVariantTextError) return error.message
    throw error
  }
}

describe('as GLib does', () => {
  test.each(vectors.bytes)('reads $hex as $type', (vector) => {
    const bytes = fromHex(vector.hex)
    const normal = vector.normalForm ?? vector.hex
    expect(isNormal(vector.type, bytes)).toBe(vector.normal)
    expect(toHex(normalForm(vector.type, bytes))).toBe(normal)
    expect(toHex(byteswap(vector.type, bytes))).toBe(vector.swapped ?? normal)
    expect(printVariant({ type: vector.type, bytes }, false)).toBe(vector.print)
    expect(printVariant({ type: vector.type, bytes }, true)).toBe(vector.printTypes)
  })

  test.each(vectors.texts)('parses $text', ({ text, as, type, hex, error }) => {
    const value = parsed(text, as)
    expect(typeof value === 'string' ? { error: value } : { type: value.type, hex: toHex(value.bytes) }).toEqual(
      error === undefined ? { type, hex } : { error },
    )
  })

  test.each(vectors.deepTexts)('parses $levels levels of $open around $inner', (vector) => {
    const value = parsed(vector.open.repeat(vector.levels) + vector.inner + vector.close.repeat(vector.levels))
    if (typeof value === 'string') expect(value).toBe(vector.error)
    else expect(sha256(`${value.type}\n${toHex(value.bytes)}\n${printVariant(value, true)}`)).toBe(vector.sha256)
  })

  test.each(vectors.nestedVariants)('reads $type in $levels variants', (vector) => {
    const bytes = concatBytes([
      fromHex(vector.hex),
      encodeUtf8(`\0${vector.type}`),
      encodeUtf8('\0v'.repeat(vector.levels - 1)),
    ])
    expect(isNormal('v', bytes)).toBe(vector.normal)
    expect(sha256(normalForm('v', bytes))).toBe(vector.normalForm)
    expect(sha256(printVariant({ type: 'v', bytes }, true))).toBe(vector.print)
  })

  test.each(vectors.wide)(
    'writes $type of $strings with $body bytes first',
    ({ type, body, strings, sha256: wanted }) => {
      const first = 'x'.repeat(body - 1)
      const values: Record<string, Uint8Array> = {
        as: array(string).encode(strings === 1 ? [first] : [first, '']),
        '(ss)': tuple(string, string).encode([first, '']),
        '(sss)': tuple(string, string, string).encode([first, '', 'y']),
        aay: array(byteArray).encode([new Uint8Array(body).fill(1), Uint8Array.of(2)]),
      }
      const written = values[type] ?? new Uint8Array(0)
      expect(sha256(written)).toBe(wanted)
      expect(toHex(codecFor(type).encode(codecFor(type).decode(written)))).toBe(toHex(written))
    },
  )
})
