import { describe, expect, expectTypeOf, test } from 'vitest'
import { encodeUtf8, fromHex, toHex } from '../../src/bytes.ts'
import {
  array,
  bool,
  byte,
  byteString,
  bytes,
  type Codec,
  dict,
  dictEntry,
  f64,
  f64be,
  GVariantTypeError,
  GVariantValueError,
  i16,
  i32,
  i32be,
  i64,
  i64be,
  lookup,
  mapCodec,
  maybe,
  objectPath,
  signature,
  string,
  struct,
  tuple,
  u16,
  u16be,
  u32,
  u32be,
  u64,
  u64be,
  type Value,
  vardict,
  variant,
  variantAs,
  variantOf,
} from '../../src/gvariant/index.ts'

describe('a declared codec', () => {
  const DirMeta = struct({ uid: u32be, gid: u32be, mode: u32be, xattrs: array(tuple(bytes, bytes)) })

  test('a codec has the type string, alignment and fixed size of its values', () => {
    expect(DirMeta).toMatchObject({ type: '(uuua(ayay))', align: 4, fixedSize: undefined })
    expect(tuple(byte, u64)).toMatchObject({ type: '(yt)', align: 8, fixedSize: 16 })
    expect(tuple()).toMatchObject({ type: '()', align: 1, fixedSize: 1 })
    expect(vardict).toMatchObject({ type: 'a{sv}', align: 8, fixedSize: undefined })
  })

  test('the TypeScript type of the values is inferred', () => {
    expectTypeOf<Value<typeof DirMeta>>().toEqualTypeOf<{
      readonly uid: number
      readonly gid: number
      readonly mode: number
      readonly xattrs: readonly (readonly [Uint8Array, Uint8Array])[]
    }>()
    expectTypeOf<Value<ReturnType<typeof maybe<bigint>>>>().toEqualTypeOf<{ readonly just: bigint } | undefined>()
  })

  test('a dirmeta is encoded as big-endian numbers, then the xattrs with their offsets', () => {
    const value = { uid: 0, gid: 1, mode: 0o40755, xattrs: [[encodeUtf8('a\0'), encodeUtf8('b')]] as const }
    const encoded = DirMeta.encode(value)
    expect(toHex(encoded)).toBe(`00000000${'00000001'}${'000041ed'}${'610062'}0204`)
    expect(DirMeta.decode(encoded)).toEqual(value)
  })

  test('a struct refuses names of members that JavaScript would reorder', () => {
    expect(() => struct({ a: byte, 1: byte })).toThrow(GVariantTypeError)
  })

  test('a dictionary refuses keys of a type that is not basic', () => {
    expect(() => dictEntry(array(byte), byte)).toThrow(GVariantTypeError)
    // TypeScript accepts this call, so the error comes at run time.
    expect(() => dict(variant, byte)).toThrow(GVariantTypeError)
  })

  test('a codec nested deeper than 128 levels is refused', () => {
    let deep: Codec<unknown> = byte as Codec<unknown>
    for (let i = 0; i < 128; i++) deep = array(deep) as Codec<unknown>
    expect(() => array(deep)).toThrow(GVariantTypeError)
  })
})

describe('numbers', () => {
  test.each([
    [u16, 0x1234, '3412'],
    [u16be, 0x1234, '1234'],
    [u32, 0x12345678, '78563412'],
    [u32be, 0xfedcba98, 'fedcba98'],
    [i32, -2, 'feffffff'],
    [i32be, -2, 'fffffffe'],
    [i16, -32768, '0080'],
    [f64, 1.5, '000000000000f83f'],
    [f64be, 1.5, '3ff8000000000000'],
  ] as const)('a number is encoded in the byte order of its codec (%#)', (codec, value, hex) => {
    expect(toHex(codec.encode(value))).toBe(hex)
    expect(codec.decode(fromHex(hex))).toBe(value)
  })

  test.each([
    [u64, 1n, '0100000000000000'],
    [u64be, 2n ** 64n - 2n, 'fffffffffffffffe'],
    [i64, -2n, 'feffffffffffffff'],
    [i64be, -(2n ** 63n), '8000000000000000'],
  ] as const)('a number of 64 bits is a bigint (%#)', (codec, value, hex) => {
    expect(toHex(codec.encode(value))).toBe(hex)
    expect(codec.decode(fromHex(hex))).toBe(value)
  })

  test.each([
    [byte, 256],
    [byte, -1],
    [u16, 65536],
    [i16, 32768],
    [u32, -1],
    [u32be, 2 ** 32],
    [i32, 2 ** 31],
    [u32, 1.5],
    [u32, Number.NaN],
    [u32, Number.POSITIVE_INFINITY],
  ] as const)('a number out of range is refused (%#)', (codec, value) => {
    expect(() => codec.encode(value)).toThrow(GVariantValueError)
  })

  test('a number of 64 bits that is out of range or of another JavaScript type is refused', () => {
    expect(() => u64.encode(2n ** 64n)).toThrow(GVariantValueError)
    expect(() => u64be.encode(-1n)).toThrow(GVariantValueError)
    expect(() => i64.encode(2n ** 63n)).toThrow(GVariantValueError)
    // A caller in JavaScript may pass a number.
    expect(() => u64.encode(1 as unknown as bigint)).toThrow("Cannot encode 1 as GVariant 't': wanted a bigint")
    expect(() => u32.encode(1n as unknown as number)).toThrow(GVariantValueError)
  })

  test('a number with a wrong number of bytes is read as zero', () => {
    expect(u32.decode(fromHex('010203'))).toBe(0)
    expect(u64be.decode(fromHex('0102030405060708ff'))).toBe(0n)
    expect(bool.decode(fromHex(''))).toBe(false)
    expect(bool.decode(fromHex('02'))).toBe(true)
  })
})

describe('strings', () => {
  test.each(['', 'a', 'Grüße', '日本', '😀', '\u{10ffff}', '\uffff', '\ud7ff\ue000', 'x'.repeat(1000), '\ufeffbom'])(
    'the string %j is encoded as UTF-8 with a NUL',
    (text) => {
      const encoded = string.encode(text)
      expect(toHex(encoded)).toBe(`${toHex(encodeUtf8(text))}00`)
      expect(string.decode(encoded)).toBe(text)
    },
  )

  test.each(['a\0b', '\0', '\ud800', 'a\udc00', '\ud800a', '\udc00\ud800'])('the string %j is refused', (text) => {
    expect(() => string.encode(text)).toThrow(GVariantValueError)
  })

  test('a string that is not UTF-8 is read as empty: overlong, surrogate, truncated, beyond Unicode', () => {
    for (const hex of ['c080', 'eda080', 'e697', 'f4908080', 'ff', '80', `${'61'.repeat(60)}ff`])
      expect(string.decode(fromHex(`${hex}00`))).toBe('')
  })

  test('an object path or signature that breaks its grammar is refused, and read as `/` or empty', () => {
    for (const path of ['', 'a', '/a/', '//', '/a//b', '/a-b', '/é', '/a\n'])
      expect(() => objectPath.encode(path)).toThrow(GVariantValueError)
    for (const types of ['(', 'a', '{vs}', '{si', 'z', 'a*', '(i', 'm', 'i)'])
      expect(() => signature.encode(types)).toThrow(GVariantValueError)
    expect(objectPath.decode(encodeUtf8('/a/\0'))).toBe('/')
    expect(objectPath.decode(encodeUtf8('/a/b_9\0'))).toBe('/a/b_9')
    expect(signature.decode(encodeUtf8('a{sv}(ii)\0'))).toBe('a{sv}(ii)')
    expect(signature.decode(encodeUtf8('a{s\0'))).toBe('')
  })
})

describe('byte arrays', () => {
  test('a byte array is decoded to a view of the input', () => {
    const input = fromHex('0102030402')
    const [first, second] = tuple(bytes, bytes).decode(input)
    expect([toHex(first), toHex(second)]).toEqual(['0102', '0304'])
    expect(first.buffer).toBe(input.buffer)
  })

  test('a byte string ends with a NUL only in its encoded form', () => {
    expect(toHex(byteString.encode(encodeUtf8('user.k')))).toBe('757365722e6b00')
    expect(byteString.decode(fromHex('757300'))).toEqual(encodeUtf8('us'))
    expect(byteString.decode(fromHex('750073'))).toHaveLength(0)
    expect(byteString.decode(fromHex('75007300'))).toEqual(encodeUtf8('u'))
    expect(byteString.decode(fromHex(''))).toHaveLength(0)
    expect(() => byteString.encode(fromHex('6100'))).toThrow(GVariantValueError)
  })
})

describe('tuples and maybes', () => {
  test('a tuple with a wrong number of members is refused', () => {
    // A caller in JavaScript may pass any array.
    expect(() => tuple(byte, byte).encode([1] as unknown as [number, number])).toThrow(GVariantValueError)
  })

  test('Just Nothing and Nothing have different encodings', () => {
    const codec = maybe(maybe(byte))
    expect(toHex(codec.encode(undefined))).toBe('')
    expect(toHex(codec.encode({ just: undefined }))).toBe('00')
    expect(toHex(codec.encode({ just: { just: 7 } }))).toBe('0700')
    expect(codec.decode(fromHex('00'))).toEqual({ just: undefined })
    expect(codec.decode(fromHex('0700'))).toEqual({ just: { just: 7 } })
    expect(codec.decode(fromHex(''))).toBeUndefined()
  })
})

describe('variants', () => {
  const metadata = [
    ['version', variantOf(string, '42')],
    ['n', variantOf(u32, 5)],
    ['version', variantOf(string, '43')],
  ] as const

  test('a dictionary of variants keeps the order and the duplicates of its keys', () => {
    expect(vardict.decode(vardict.encode(metadata))).toEqual(metadata)
  })

  test('lookup returns the first value with a key and a type', () => {
    expect(lookup(metadata, 'version', string)).toBe('42')
    expect(lookup(metadata, 'n', u32)).toBe(5)
    expect(lookup(metadata, 'n', string)).toBeUndefined()
    expect(lookup(metadata, 'absent', string)).toBeUndefined()
    expect(variantAs(u32, variantOf(i32, 1))).toBeUndefined()
  })

  test('a variant that cannot be read has the type ()', () => {
    for (const hex of ['', '00', '0069', '01000000', '010000000069ff', '0100000000', '01000000007a', '01000069'])
      expect(variant.decode(fromHex(hex))).toEqual({ type: '()', bytes: new Uint8Array(1) })
  })

  test('a variant with an invalid type, or with bytes of another size than its type has, is refused', () => {
    expect(() => variant.encode({ type: 'z', bytes: new Uint8Array(0) })).toThrow(GVariantValueError)
    expect(() => variant.encode({ type: 'u', bytes: new Uint8Array(3) })).toThrow(GVariantValueError)
    expect(() => variant.encode({ type: '', bytes: new Uint8Array(0) })).toThrow(GVariantValueError)
  })
})

test('a mapped codec has the bytes of its inner codec and other values, and may call other codecs', () => {
  const inner = array(string)
  const joined = mapCodec(
    bytes,
    (value) => inner.decode(value).join(),
    (value: string) => inner.encode(value.split(',')),
  )
  const codec = tuple(string, joined, joined)
  expect(codec.type).toBe('(sayay)')
  const value = ['x', 'a,b', 'c'] as const
  expect(codec.decode(codec.encode(value))).toEqual(value)
})

test('an encoded value does not share memory with one that is encoded later', () => {
  const first = string.encode('first')
  const copy = first.slice()
  string.encode('second, and longer')
  expect(first).toEqual(copy)
  expect(first.buffer.byteLength).toBe(first.length)
})
