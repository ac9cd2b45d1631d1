/** GVariant: values of any type, their text form, type strings. */
import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import { concatBytes, decodeUtf8, encodeUtf8 } from '../../../src/bytes.ts'
import { codecFor, isNormal, normalForm, parseVariantText, printVariant, variant } from '../../../src/gvariant/index.ts'
import { anyVariant } from '../../../src/testing/index.ts'
import { goldenJson } from '../../support/golden.ts'
import { type FuzzTarget, ofText, requireEqual, requireRoundTrip, rule, texts } from '../target.ts'

const variantTexts = goldenJson<{ text: string; type?: string; le_hex?: string }[]>('core/gvariant-text.json')
const glib = goldenJson<{ bytes: { type: string; hex: string }[]; texts: { text: string }[] }>('gvariant-glib.json')
const typed = (type: string, hex: string): Uint8Array =>
  concatBytes([encodeUtf8(`${type}\0`), new Uint8Array(Buffer.from(hex, 'hex'))])

export const GVARIANT_TARGETS: readonly FuzzTarget[] = [
  {
    // A type string, a NUL, and the bytes of a value.
    name: 'gvariant of any type',
    share: 20,
    seeds: [
      ...variantTexts.flatMap(({ type, le_hex }) => (type && le_hex ? typed(type, le_hex) : [])),
      ...glib.bytes.map(({ type, hex }) => typed(type, hex)),
    ],
    run(input) {
      const end = input.indexOf(0)
      const type = decodeUtf8(input.subarray(0, Math.max(0, end))) ?? '?'
      const bytes = input.slice(end + 1)
      const value = codecFor(type).decode(bytes)
      const normal = normalForm(type, bytes)
      rule(isNormal(type, normal), 'the normal form is not normal')
      requireEqual(normalForm(type, normal), normal, 'the normal form of the normal form')
      requireRoundTrip(codecFor(type), value)
      rule(isDeepStrictEqual(codecFor(type).decode(normal), value), 'the normal form has another value')
      printVariant({ type, bytes }, true)
    },
  },
  {
    name: 'gvariant in a variant',
    share: 4,
    seeds: fc.sample(anyVariant(3), { numRuns: 40, seed: 1 }).map((value) => variant.encode(value)),
    run(input) {
      const text = printVariant(variant.decode(input), true)
      const again = printVariant(parseVariantText(text), true)
      rule(text === again, `${text} was read as ${again}`)
    },
  },
  {
    name: 'gvariant text',
    share: 6,
    seeds: texts(...variantTexts.map(({ text }) => text), ...glib.texts.map(({ text }) => text)),
    run: ofText((text) => {
      const value = parseVariantText(text)
      rule(isNormal(value.type, value.bytes), 'the value of a text is not in normal form')
      const printed = printVariant(value, true)
      const again = parseVariantText(printed)
      rule(again.type === value.type, `${printed} is of type ${again.type}, not ${value.type}`)
      rule(printVariant(again, true) === printed, `${printed} is read as ${printVariant(again, true)}`)
    }),
  },
  {
    // A type string, a space, and a text.
    name: 'gvariant text of a type',
    share: 4,
    seeds: texts(...variantTexts.map(({ text, type }) => `${type} ${text}`)),
    run: ofText((text) => {
      const space = text.indexOf(' ')
      const type = text.slice(0, Math.max(0, space))
      const value = parseVariantText(text.slice(space + 1), type)
      rule(value.type === type, `type ${value.type}`)
      requireEqual(codecFor(type).encode(codecFor(type).decode(value.bytes)), value.bytes, 'the encoded value')
    }),
  },
]
