/**
 * A static delta: what leads from one commit (or nothing) to another, in a few files.
 *
 *     superblock     (a{sv} t ay ay (a{sv}aya(say)sstayay) ay a(uayttay) a(yaytt))
 *     0, 1, …        the parts, (yay): how it is compressed, and compressed a(uuu) aa(ayay) ay ay
 *
 * A part makes objects by the operations that are its last member; what they speak of stands in the three before it:
 * owners and modes, sets of xattrs, and the bytes themselves. The numbers of the headers are in the byte order that the
 * metadata names, all others are big-endian.
 *
 * Source: ostree-repo-static-delta-private.h.
 */

import {
  array,
  byte,
  bytes,
  type Codec,
  struct,
  u32,
  u32be,
  u64,
  u64be,
  type Value,
  vardict,
} from '../../gvariant/index.ts'
import { Commit, checksum, optionalChecksum, Xattrs } from '../../objects/index.ts'

/** Key of the metadata: `l` or `B`, as a byte. */
export const DELTA_ENDIANNESS = 'ostree.endianness'

export type ByteOrder = 'little' | 'big'

const partHeader = (int: Codec<number>, long: Codec<bigint>) =>
  struct({
    /** Always 0. */
    version: int,
    /** SHA-256 of the file. */
    checksum,
    /** Bytes of the file. */
    size: long,
    /** Bytes of the objects: of metadata all, of files their content. */
    unpacked: long,
    /** 33 bytes each: number of the type, checksum. */
    objects: bytes,
  })
export type DeltaPartHeader = Value<ReturnType<typeof partHeader>>

const fallback = (long: Codec<bigint>) =>
  struct({
    /** Number of the type. */
    type: byte,
    checksum,
    /** Bytes in the repository that made the delta. */
    size: long,
    unpacked: long,
  })
export type DeltaFallback = Value<ReturnType<typeof fallback>>

const superblock = (int: Codec<number>, long: Codec<bigint>) =>
  struct({
    metadata: vardict,
    /** When it was made. Seconds since the epoch. */
    timestamp: u64be,
    from: optionalChecksum,
    to: checksum,
    commit: Commit,
    /** Always empty. */
    recurse: bytes,
    parts: array(partHeader(int, long)),
    /** Files that are fetched by themselves. */
    fallbacks: array(fallback(long)),
  })
export type Superblock = Value<ReturnType<typeof superblock>>

/** @param order of the headers; it has to be noted in the metadata */
export function superblockOf(order: ByteOrder): Codec<Superblock> {
  return order === 'little' ? superblock(u32, u64) : superblock(u32be, u64be)
}

/** How a part is compressed, and that. */
export const DeltaPart = struct({ compression: byte, payload: bytes })
export const UNCOMPRESSED = 0

export const DeltaPayload = struct({
  modes: array(struct({ uid: u32be, gid: u32be, mode: u32be })),
  xattrs: array(Xattrs),
  blob: bytes,
  operations: bytes,
})
export type DeltaPayload = Value<typeof DeltaPayload>

/** Makes an object whole, out of the blob. */
export const OPEN_SPLICE_AND_CLOSE = 'S'.charCodeAt(0)

/** LEB128. @param value below 2^53 */
export function pushVaruint(to: number[], value: number): void {
  let rest = value
  while (rest >= 0x80) {
    to.push((rest % 0x80) | 0x80)
    rest = Math.floor(rest / 0x80)
  }
  to.push(rest)
}
