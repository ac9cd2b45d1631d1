import { describe, expect, test } from 'vitest'
import { concatBytes, encodeUtf8, toHex } from '../../src/bytes.ts'
import { LimitError } from '../../src/errors.ts'
import { offsetWidth, offsetWidthFor, readOffset, writeOffset } from '../../src/gvariant/framing.ts'
import {
  array,
  byteswap,
  codecFor,
  GVariantTypeError,
  isNormal,
  isObjectPath,
  isTypeString,
  normalForm,
  printVariant,
  string,
  tuple,
  variant,
} from '../../src/gvariant/index.ts'

describe('offsets', () => {
  test('an offset has the smallest width that the size of the container allows', () => {
    expect([0, 1, 0xff, 0x100, 0xffff, 0x10000, 0xffff_ffff, 0x1_0000_0000].map(offsetWidth)).toEqual([
      0, 1, 1, 2, 2, 4, 4, 8,
    ])
  })

  test('the offsets themselves count towards the size of the container', () => {
    expect(offsetWidthFor(0xfe, 1)).toBe(1)
    expect(offsetWidthFor(0xff, 1)).toBe(2)
    expect(offsetWidthFor(0xffff - 2, 1)).toBe(2)
    expect(offsetWidthFor(0xffff - 1, 1)).toBe(4)
    expect(offsetWidthFor(0xffff_ffff - 4, 1)).toBe(4)
    expect(offsetWidthFor(0xffff_ffff - 3, 1)).toBe(8)
  })

  test.each([1, 2, 4, 8] as const)('an offset of %i bytes is little-endian', (width) => {
    const largest = width === 8 ? 0x1f_ffff_ffff_ffff : 2 ** (8 * width) - 1
    for (const offset of [0, 1, 0x7f, 0x80, largest]) {
      const bytes = new Uint8Array(width + 1)
      writeOffset(bytes, 1, width, offset)
      expect(readOffset(bytes, 1, width)).toBe(offset)
    }
    const one = new Uint8Array(width)
    writeOffset(one, 0, width, 1)
    expect(one[0]).toBe(1)
  })

  test.each([0xfb, 0xfc, 0xfd, 0xfe, 0xff, 0x100, 0xfffa, 0xfffb, 0xfffc, 0xfffd, 0xfffe, 0xffff, 0x10000, 0x10001])(
    'a container with a body of %i bytes has offsets of the right width',
    (size) => {
      const text = 'x'.repeat(size - 1)
      const inArray = array(string).encode([text])
      const width = offsetWidthFor(size, 1)
      expect(inArray).toHaveLength(size + width)
      expect(array(string).decode(inArray)).toEqual([text])
      expect(isNormal('as', inArray)).toBe(true)
      const pair = tuple(string, string)
      const inTuple = pair.encode([text.slice(1), ''])
      expect(inTuple).toHaveLength(size + width)
      expect(pair.decode(inTuple)).toEqual([text.slice(1), ''])
      expect(isNormal('(ss)', inTuple)).toBe(true)
    },
  )

  test('a container with wider offsets than necessary is not in normal form', () => {
    // The offset of four bytes makes the container longer than 0xffff bytes, so four bytes are read. Two would be enough.
    const body = new Uint8Array(0xffff - 2).fill(0x78)
    body[body.length - 1] = 0
    const wide = concatBytes([body, new Uint8Array(4)])
    new DataView(wide.buffer).setUint32(body.length, body.length, true)
    expect(array(string).decode(wide)).toEqual(['x'.repeat(body.length - 1)])
    expect(isNormal('as', wide)).toBe(false)
    expect(normalForm('as', wide)).toHaveLength(body.length + 2)
  })
})

/** Encodes `levels` nested variants around `()`. */
function nested(levels: number): Uint8Array {
  return concatBytes([variant.encode({ type: '()', bytes: new Uint8Array(1) }), encodeUtf8('\0v'.repeat(levels - 1))])
}

describe('hostile input', () => {
  test('variants nested deeper than 128 levels are read as ()', () => {
    expect(isNormal('v', nested(127))).toBe(true)
    expect(isNormal('v', nested(200))).toBe(false)
    const bomb = nested(1_000_000)
    expect(isNormal('v', bomb)).toBe(false)
    expect(normalForm('v', bomb).length).toBeLessThan(300)
    expect(byteswap('v', bomb).length).toBeLessThan(300)
    expect(printVariant({ type: 'v', bytes: bomb }, true)).toBe(`${'<'.repeat(128)}()${'>'.repeat(128)}`)
    expect(variant.decode(bomb).type).toBe('v')
  })

  test('a type string that is nested too deeply or too long is refused', () => {
    expect(isTypeString(`${'a'.repeat(128)}y`)).toBe(true)
    expect(isTypeString(`${'a'.repeat(129)}y`)).toBe(false)
    expect(isTypeString('a'.repeat(1_000_000))).toBe(false)
    expect(isTypeString(`(${'y'.repeat(65_534)})`)).toBe(true)
    expect(isTypeString(`(${'y'.repeat(65_535)})`)).toBe(false)
    expect(() => isNormal('(', new Uint8Array(0))).toThrow(GVariantTypeError)
    expect(() => codecFor('')).toThrow(GVariantTypeError)
    expect(() => normalForm('*', new Uint8Array(0))).toThrow(GVariantTypeError)
    const long = concatBytes([new Uint8Array(1), encodeUtf8(`(${'y'.repeat(1_000_000)})`)])
    expect(variant.decode(long).type).toBe('()')
  })

  test('an object path of 20 MB is accepted, unless an element is empty', () => {
    const long = '/a'.repeat(10_000_000)
    expect(isObjectPath(long)).toBe(true)
    for (const wrong of [`${long}/`, `/${long}`, `${long}\n`, `${long}/-`, '', 'a', '//', '/\n']) {
      expect(isObjectPath(wrong)).toBe(false)
    }
    for (const right of ['/', '/a', '/a/_9']) expect(isObjectPath(right)).toBe(true)
  })

  test('an array of empty tuples has as many elements as bytes', () => {
    expect(codecFor('a()').decode(new Uint8Array(1000))).toHaveLength(1000)
    expect(toHex(normalForm('a()', Uint8Array.of(1, 0)))).toBe('0000')
  })

  // An element has 2000 members of fixed size, and each byte of the offset table claims one more element.
  const wide = `a(s${'t'.repeat(2000)})`
  const claims = new Uint8Array(60_000)

  test('bytes that claim more default values than the limit of memory allows are refused', () => {
    expect(isNormal(wide, claims)).toBe(false)
    expect(() => normalForm(wide, claims)).toThrow(LimitError)
    expect(() => byteswap(wide, claims)).toThrow(LimitError)
    expect(() => printVariant({ type: wide, bytes: claims }, true)).toThrow(LimitError)
    expect(() => codecFor(wide).decode(claims)).toThrow(LimitError)
  })

  test('a hundred thousand empty tuples of twenty thousand arrays are checked in less than 10 s', () => {
    const type = `a(${'at'.repeat(20_000)})`
    const bytes = new Uint8Array(500_000)
    const started = performance.now()
    // GLib accepts an empty tuple of arrays as normal, although it would write their offsets.
    expect(isNormal(type, bytes)).toBe(true)
    expect(byteswap(type, bytes)).toHaveLength(bytes.length)
    expect(() => codecFor(type).decode(bytes)).toThrow(LimitError)
    expect(performance.now() - started).toBeLessThan(10_000)
  })

  test('4000 members that all claim the same megabyte are checked in less than 10 s', () => {
    const members = 4000
    const body = new Uint8Array(1_000_000).fill(0xff)
    // The first member claims to end beyond the tuple, then every second one claims the whole body.
    const table = new Uint8Array(members * 4)
    const view = new DataView(table.buffer)
    for (let i = 0; i < members; i++)
      view.setUint32((members - 1 - i) * 4, i === 0 ? 0xffff_ffff : i % 2 === 0 ? body.length : 0, true)
    const type = `(${'s'.repeat(members + 1)})`
    const bytes = concatBytes([body, table])
    const started = performance.now()
    expect(isNormal(type, bytes)).toBe(false)
    expect(() => normalForm(type, bytes)).toThrow(LimitError)
    expect(() => printVariant({ type, bytes }, false)).toThrow(LimitError)
    expect(performance.now() - started).toBeLessThan(10_000)
  })
})
