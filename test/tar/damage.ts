/** Damage to archives that the checksum of a header does not reveal. */

import fc from 'fast-check'

/** A byte of an archive, and the value it is set to. */
export interface Damage {
  readonly at: number
  readonly byte: number
}

/**
 * Generates damage to one to three bytes, most often in the number fields of a header.
 * @param skip number of bytes at the start that are not damaged
 */
export function anyDamage(bytes: Uint8Array, skip = 0): fc.Arbitrary<Damage[]> {
  const inBlock = fc.oneof(fc.nat({ max: 511 }), fc.integer({ min: 100, max: 157 }))
  const byte = fc.oneof(fc.nat({ max: 127 }), fc.constantFrom(0x20, 0x30, 0x37, 0x2d))
  const block = fc.integer({ min: skip / 512, max: Math.max(skip, bytes.length - 512) / 512 })
  return fc.array(
    fc.tuple(block, inBlock, byte).map(([block, offset, byte]) => ({ at: block * 512 + offset, byte })),
    { minLength: 1, maxLength: 3 },
  )
}

/**
 * Damages a copy of an archive.
 * @param sealed whether the checksums of everything that looks like a header are corrected afterwards
 */
export function withDamage(bytes: Uint8Array, damage: readonly Damage[], sealed: boolean): Uint8Array {
  const broken = bytes.slice()
  for (const { at, byte } of damage) if (at < broken.length) broken[at] = byte
  if (sealed) for (let at = 0; at + 512 <= broken.length; at += 512) reseal(broken.subarray(at, at + 512))
  return broken
}

function reseal(block: Uint8Array): void {
  if (String.fromCharCode(...block.subarray(257, 262)) !== 'ustar') return
  block.fill(0x20, 148, 156)
  const sum = block.reduce((total, byte) => total + byte, 0)
  block.set(new TextEncoder().encode(`${sum.toString(8).padStart(6, '0')}\0 `), 148)
}
