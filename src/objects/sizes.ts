/**
 * The commit metadata `ostree.sizes`, which lists the sizes of a commit's objects: `aay`, one element per object,
 * sorted by checksum.
 *
 *   32 bytes checksum │ varuint archived │ varuint unpacked │ 1 byte type
 *
 * A varuint has 7 bits per byte, low bits first; the high bit is set when more bytes follow. Elements of the oldest
 * commits lack the type.
 * Source: ostree-repo-commit.c (write_dir_entry_sizes), ostree-core.c (read_sizes_entry), ostree-varint.c.
 */

import { type Checksum, compareUtf8, toHex, writeHex } from '../bytes.ts'
import { FormatError, NotFoundError } from '../errors.ts'
import { array, bytes, lookup, type Vardict, type Variant, variantOf } from '../gvariant/index.ts'
import type { ObjectType } from './interface.ts'
import { objectTypeFromNumber, objectTypeNumber } from './names.ts'

/** Sizes of one object, in bytes. */
export interface ObjectSize {
  readonly checksum: Checksum
  readonly type: ObjectType
  /** Size of the loose file in an archive repository. */
  readonly archived: number
  /** Size of the object itself. */
  readonly unpacked: number
}

const KEY = 'ostree.sizes'
const Elements = array(bytes)
const CHECKSUM_LENGTH = 32
const LONGEST_VARUINT = 10

/** Encodes the value of the metadata key `ostree.sizes`; sorts the elements. */
export function encodeSizes(sizes: readonly ObjectSize[]): Variant {
  const sorted = sizes.toSorted((a, b) => compareUtf8(a.checksum, b.checksum))
  return variantOf(Elements, sorted.map(encodeSize))
}

function encodeSize({ checksum, type, archived, unpacked }: ObjectSize): Uint8Array {
  const element = new Uint8Array(CHECKSUM_LENGTH + 2 * LONGEST_VARUINT + 1)
  writeHex(checksum, element, 0)
  let at = writeVaruint(element, CHECKSUM_LENGTH, archived)
  at = writeVaruint(element, at, unpacked)
  element[at++] = objectTypeNumber(type)
  return element.subarray(0, at)
}

/** @returns the offset after it */
function writeVaruint(into: Uint8Array, at: number, value: number): number {
  let rest = value
  while (rest >= 0x80) {
    into[at++] = (rest % 0x80) | 0x80
    rest = Math.floor(rest / 0x80)
  }
  into[at++] = rest
  return at
}

/**
 * Decodes the sizes in the metadata of a commit.
 * @throws {NotFoundError} when the metadata has no key `ostree.sizes`
 * @throws {FormatError} when an element is malformed
 */
export function decodeSizes(metadata: Vardict): ObjectSize[] {
  const elements = lookup(metadata, KEY, Elements)
  if (elements === undefined) throw new NotFoundError(KEY, `No metadata key ${KEY} in commit`)
  return elements.map(decodeSize)
}

function decodeSize(element: Uint8Array): ObjectSize {
  if (element.length < CHECKSUM_LENGTH) throw new FormatError(KEY, `Could not read ${KEY} metadata entry`)
  const checksum = toHex(element, 0, CHECKSUM_LENGTH) as Checksum
  const archived = readVaruint(element, CHECKSUM_LENGTH)
  const unpacked = readVaruint(element, archived.end)
  const number = element[unpacked.end]
  const fault = () => new FormatError(KEY, `Unexpected ${KEY} object type ${number}`)
  const type = number === undefined ? 'file' : objectTypeFromNumber(number, fault)
  return { checksum, type, archived: archived.value, unpacked: unpacked.value }
}

function readVaruint(element: Uint8Array, start: number): { value: number; end: number } {
  let value = 0
  for (let i = 0; i < LONGEST_VARUINT; i++) {
    const byte = element[start + i]
    if (byte === undefined) break
    value += (byte & 0x7f) * 2 ** (7 * i)
    if (byte >= 0x80) continue
    // An object of that size cannot exist, so nothing is lost by rejecting what a number cannot hold exactly.
    if (value > Number.MAX_SAFE_INTEGER) throw new FormatError(KEY, `Invalid ${KEY} size of ${value} bytes`)
    return { value, end: start + i + 1 }
  }
  throw new FormatError(KEY, `Unexpected EOF reading ${KEY} varint`)
}
