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

/** Results of GLib 2.74 for random types, bytes and texts. test/golden/README.md tells how they were made. */
interface Vectors {
  readonly bytes: readonly {
    readonly type: string
    readonly hex: string
    readonly normal: boolean
    readonly print: string
    readonly printTypes: string
    /** Absent if it equals `hex`. */
    readonly normalForm?: string
    /** Absent if it equals the normal form. */
    readonly swapped?: string
  }[]
  readonly texts: readonly {
    readonly text: string
    readonly as?: string
    readonly type?: string
    readonly hex?: string
    readonly error?: string
  }[]
  /** `sha256` hashes the type, the bytes in hex and the text with types, with a line feed between them. */
  readonly deepTexts: readonly {
    readonly open: string
    readonly close: string
    readonly levels: number
    readonly inner: string
    readonly sha256?: string
    readonly error?: string
  }[]
  /** A value in `levels` nested variants. `normalForm` and `print` (with types) are the SHA-256 of the result. */
  readonly nestedVariants: readonly {
    readonly type: string
    readonly hex: string
    readonly levels: number
    readonly normal: boolean
    readonly normalForm: string
    readonly print: string
  }[]
  /** Values whose first member has `body` bytes. */
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

describe('GVariant compared with GLib', () => {
  test.each(vectors.bytes)('the bytes $hex are read as $type like in GLib', (vector) => {
    const bytes = fromHex(vector.hex)
    const normal = vector.normalForm ?? vector.hex
    expect(isNormal(vector.type, bytes)).toBe(vector.normal)
    expect(toHex(normalForm(vector.type, bytes))).toBe(normal)
    expect(toHex(byteswap(vector.type, bytes))).toBe(vector.swapped ?? normal)
    expect(printVariant({ type: vector.type, bytes }, false)).toBe(vector.print)
    expect(printVariant({ type: vector.type, bytes }, true)).toBe(vector.printTypes)
  })

  test.each(vectors.texts)('the text $text is parsed like in GLib', ({ text, as, type, hex, error }) => {
    const value = parsed(text, as)
    expect(typeof value === 'string' ? { error: value } : { type: value.type, hex: toHex(value.bytes) }).toEqual(
      error === undefined ? { type, hex } : { error },
    )
  })

  test.each(vectors.deepTexts)('$levels levels of $open around $inner are parsed like in GLib', (vector) => {
    const value = parsed(vector.open.repeat(vector.levels) + vector.inner + vector.close.repeat(vector.levels))
    if (typeof value === 'string') expect(value).toBe(vector.error)
    else expect(sha256(`${value.type}\n${toHex(value.bytes)}\n${printVariant(value, true)}`)).toBe(vector.sha256)
  })

  test.each(vectors.nestedVariants)('a $type in $levels variants is read like in GLib', (vector) => {
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
    'a $type of $strings whose first member has $body bytes is written like in GLib',
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
