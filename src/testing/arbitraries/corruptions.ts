/** fast-check generators of damage to any bytes. */

import fc from 'fast-check'
import { concatBytes, encodeUtf8, toHex } from '../../bytes.ts'
import { block, printedAs } from '../printing.ts'

/** Bytes with damage. It prints as what was done to them, one line for each change. */
export interface Corruption {
  readonly bytes: Uint8Array
  /** What was done, in order: `flip bit 3 of byte 17`. Empty if the bytes are shorter than the changes need. */
  readonly changes: readonly string[]
}

/** A change of bytes, with its description; `undefined` if they have no place for it. */
type Change = (bytes: Uint8Array) => readonly [bytes: Uint8Array, how: string] | undefined

/** Any number: the place is taken modulo the number of places. */
const anyPlace = fc.nat({ max: 0x7fff_ffff })

const flip = fc.tuple(anyPlace, fc.nat({ max: 7 })).map(
  ([place, bit]): Change =>
    (bytes) => {
      if (bytes.length === 0) return undefined
      const at = place % bytes.length
      const changed = new Uint8Array(bytes)
      changed[at] = (changed[at] as number) ^ (1 << bit)
      return [changed, `flip bit ${bit} of byte ${at}`]
    },
)

const cut = anyPlace.map(
  (place): Change =>
    (bytes) => {
      if (bytes.length === 0) return undefined
      const length = place % bytes.length
      return [new Uint8Array(bytes.subarray(0, length)), `cut to ${length} of ${bytes.length} bytes`]
    },
)

/** Copies a part to another place, where it replaces as many bytes or is inserted. */
const splice = fc.tuple(anyPlace, anyPlace, fc.integer({ min: 1, max: 600 }), fc.boolean()).map(
  ([source, target, size, insert]): Change =>
    (bytes) => {
      if (bytes.length === 0) return undefined
      const from = source % bytes.length
      const part = bytes.subarray(from, from + size)
      const at = target % (bytes.length + 1)
      const rest = bytes.subarray(insert ? at : Math.min(bytes.length, at + part.length))
      const how = `${insert ? 'insert' : 'put'} ${part.length} bytes from byte ${from} at byte ${at}`
      return [concatBytes([bytes.subarray(0, at), part, rest]), how]
    },
)

/** Replaces a number in text, with as many digits: sizes in tar headers, PAX records, manifests and key files. */
const lieAboutNumber = fc.tuple(anyPlace, fc.constantFrom('0', '1', '7', '9')).map(([place, digit]): Change => {
  return (bytes) => replaceRun(bytes, place, /(?<![0-9a-f])[0-9]{1,20}(?![0-9a-f])/g, (run) => digit.repeat(run.length))
})

/** Sets a four-byte number, in either byte order: lengths in headers, framing offsets. */
const lieAboutWord = fc.tuple(anyPlace, fc.constantFrom(0, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff), fc.boolean()).map(
  ([place, value, little]): Change =>
    (bytes) => {
      if (bytes.length < 4) return undefined
      const at = place % (bytes.length - 3)
      const changed = new Uint8Array(bytes)
      new DataView(changed.buffer).setUint32(at, value, little)
      return [changed, `write 0x${toHex(changed.subarray(at, at + 4))} at byte ${at}`]
    },
)

/** Changes the first digit of a checksum in text. */
const lieAboutDigest = anyPlace.map((place): Change => {
  return (bytes) => replaceRun(bytes, place, /[0-9a-f]{64}/g, (run) => (run.startsWith('0') ? '1' : '0') + run.slice(1))
})

function replaceRun(
  bytes: Uint8Array,
  place: number,
  pattern: RegExp,
  replace: (run: string) => string,
): readonly [Uint8Array, string] | undefined {
  const text = Array.from(bytes, (byte) => String.fromCharCode(byte)).join('')
  const runs = [...text.matchAll(pattern)]
  const run = runs[place % runs.length]
  if (run === undefined) return undefined
  const other = replace(run[0])
  const changed = new Uint8Array(bytes)
  changed.set(encodeUtf8(other), run.index)
  return [changed, `${run[0]} becomes ${other} at byte ${run.index}`]
}

const anyChange: fc.Arbitrary<Change> = fc.oneof(flip, cut, splice, lieAboutNumber, lieAboutWord, lieAboutDigest)

/**
 * Generates damage to bytes: bits that flip, ends that are cut off, parts that are copied elsewhere, and lies about numbers
 * and checksums. Shrinks to one change near the start. The result may equal `bytes`.
 * @param bytes any archive, object, delta, manifest or key file. They are not changed
 * @param maxChanges default 3
 */
export function anyCorruption(bytes: Uint8Array, maxChanges = 3): fc.Arbitrary<Corruption> {
  return fc.array(anyChange, { minLength: 1, maxLength: maxChanges }).map((list) => {
    let damaged = new Uint8Array(bytes)
    const changes: string[] = []
    for (const change of list) {
      const result = change(damaged)
      if (result === undefined) continue
      damaged = new Uint8Array(result[0])
      changes.push(result[1])
    }
    return printedAs({ bytes: damaged, changes }, () => (changes.length === 0 ? 'no change' : block(changes)))
  })
}
