/** Changes of bytes, from a seed: the same seed gives the same changes. */
import { concatBytes, encodeUtf8 } from '../../src/bytes.ts'

/** Returns numbers from 0 to below 1. */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}

/** Numbers at which programs fail: signs, ends of ranges, lengths that are one too large. */
const EDGES = [0, 1, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xffffffff]
const MOST_CHANGES = 4
/** Most bytes of an input. */
const MOST_BYTES = 1 << 16

/**
 * Returns a changed copy of an input: bits flipped, bytes replaced, removed, repeated or inserted, numbers replaced by
 * edges of ranges or longer ones, parts swapped, the end cut off, or a part of another input put in.
 */
export function mutate(input: Uint8Array, others: readonly Uint8Array[], random: () => number): Uint8Array {
  const below = (count: number): number => Math.floor(random() * count)
  let bytes = input
  for (let changes = 1 + below(MOST_CHANGES); changes > 0; changes--) {
    const at = below(bytes.length + 1)
    const length = random() < 0.5 ? 1 + below(4) : below(1 + Math.min(bytes.length - at, 64))
    switch (below(11)) {
      case 0:
        bytes = with_(bytes, at, (copy) => {
          copy[at] = (copy[at] as number) ^ (1 << below(8))
        })
        break
      case 1:
        bytes = with_(bytes, at, (copy) => {
          copy[at] = below(256)
        })
        break
      case 2:
        bytes = spliced(bytes, at, length, new Uint8Array(0))
        break
      case 3:
        bytes = spliced(bytes, at, 0, bytes.slice(at, at + length))
        break
      case 4:
        bytes = spliced(
          bytes,
          at,
          0,
          Uint8Array.from({ length: length }, () => below(256)),
        )
        break
      case 5: {
        const width = [1, 2, 4, 8][below(4)] as number
        const edge = EDGES[below(EDGES.length)] as number
        const little = random() < 0.5
        bytes = with_(bytes, at, (copy) => {
          for (let i = 0; i < width && at + i < copy.length; i++) {
            const shift = little ? i : width - 1 - i
            copy[at + i] = shift < 4 ? (edge >>> (8 * shift)) & 0xff : 0
          }
        })
        break
      }
      case 6:
        // Framing offsets of GVariant are at the end.
        bytes = with_(bytes, bytes.length - 1 - below(Math.min(8, bytes.length)), (copy, last) => {
          copy[last] = (copy[last] as number) + (random() < 0.5 ? 1 : -1)
        })
        break
      case 7:
        bytes = withOtherNumber(bytes, below)
        break
      case 8: {
        // Two parts change places.
        const [first = 0, second = 0, third = 0] = [at, below(bytes.length + 1), below(bytes.length + 1)].sort(
          (a, b) => a - b,
        )
        bytes = concatBytes([
          bytes.subarray(0, first),
          bytes.subarray(second, third),
          bytes.subarray(first, second),
          bytes.subarray(third),
        ])
        break
      }
      case 9:
        bytes = bytes.slice(0, at)
        break
      default: {
        const other = others[below(others.length)] ?? bytes
        const from = below(other.length + 1)
        bytes = spliced(bytes, at, random() < 0.5 ? length : bytes.length, other.slice(from, from + below(256)))
      }
    }
  }
  return bytes.length > MOST_BYTES ? bytes.slice(0, MOST_BYTES) : bytes
}

/** Decimal and octal numbers that are signs, ends of ranges, or longer than any number. */
const NUMBERS = [
  '0',
  '-1',
  '1',
  '8',
  '0x10',
  '1e9',
  '2147483648',
  '4294967296',
  '9007199254740993',
  '18446744073709551616',
  '9'.repeat(40),
]

/** Replaces a run of digits in a text. In half of the cases the length stays, as in headers of fixed size. */
function withOtherNumber(bytes: Uint8Array, below: (count: number) => number): Uint8Array {
  const runs = [
    ...Buffer.from(bytes)
      .toString('latin1')
      .matchAll(/[0-9]+/g),
  ]
  const run = runs[below(runs.length)]
  if (run === undefined) return bytes
  const [digits] = run
  const other = NUMBERS[below(NUMBERS.length)] as string
  const text = below(2) === 0 ? other : '0179'.charAt(below(4)).repeat(digits.length)
  return spliced(bytes, run.index, digits.length, encodeUtf8(text))
}

function with_(bytes: Uint8Array, at: number, change: (copy: Uint8Array, at: number) => void): Uint8Array {
  const copy = bytes.slice()
  if (at >= 0 && at < copy.length) change(copy, at)
  return copy
}

function spliced(bytes: Uint8Array, at: number, removed: number, inserted: Uint8Array): Uint8Array {
  const rest = bytes.subarray(Math.min(bytes.length, at + removed))
  const joined = new Uint8Array(at + inserted.length + rest.length)
  joined.set(bytes.subarray(0, at))
  joined.set(inserted, at)
  joined.set(rest, at + inserted.length)
  return joined
}

/** Values that a document may have in place of what is expected. */
const VALUES: readonly unknown[] = [
  null,
  true,
  0,
  -1,
  1.5,
  1e308,
  2 ** 53,
  '',
  'x',
  '\0',
  '\ud800',
  'é'.repeat(300),
  [],
  {},
  [[]],
  [null],
  { '': null },
  '__proto__',
]

/** Returns a JSON document with one value, key or item changed; the input if it is not one. */
export function mutateJson(input: Uint8Array, random: () => number): Uint8Array {
  const below = (count: number): number => Math.floor(random() * count)
  const value = (): unknown => VALUES[below(VALUES.length)]
  let left = 0
  const change = (node: unknown): unknown => {
    if (left-- === 0) return value()
    if (Array.isArray(node)) {
      const items = node.map(change)
      return left-- === 0 ? [...items, ...items, value()] : items
    }
    if (typeof node !== 'object' || node === null) return node
    const members = Object.entries(node).flatMap(([key, member]) => {
      if (left-- === 0) return []
      return [[left-- === 0 ? key.toUpperCase() : key, change(member)] as const]
    })
    return Object.fromEntries(left-- === 0 ? [...members, [String(value()), value()]] : members)
  }
  try {
    const document: unknown = JSON.parse(new TextDecoder().decode(input))
    left = below(1 + new TextDecoder().decode(input).split(/[,{[:]/).length * 2)
    return encodeUtf8(JSON.stringify(change(document)) ?? 'null')
  } catch {
    return input
  }
}
