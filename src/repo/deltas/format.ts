/**
 * The GVariant formats of a static delta: a few files that hold the difference between two commits, or a whole commit.
 *
 *     superblock     (a{sv} t ay ay (a{sv}aya(say)sstayay) ay a(uayttay) a(yaytt))
 *     0, 1, …        parts, (yay): type of compression, and the compressed payload (a(uuu) aa(ayay) ay ay)
 *
 * The members of a payload are: owners and modes, sets of xattrs, bytes, and operations, which create objects from the
 * first three. Numbers in the part headers and fallbacks are in the byte order that the metadata names; all others are
 * big-endian.
 *
 * Source: ostree-repo-static-delta-private.h.
 */

import {
  array,
  byte,
  bytes,
  type Codec,
  makeCodec,
  struct,
  u32,
  u32be,
  u64,
  u64be,
  type Value,
  vardict,
} from '../../gvariant/index.ts'
import { Commit, Xattrs } from '../../objects/index.ts'
import { checksum, optionalChecksum } from '../../objects/internal.ts'

/** Metadata key of the byte order. The value is one byte, `l` or `B`. */
export const DELTA_ENDIANNESS = 'ostree.endianness'

/** Byte order of the numbers in part headers and fallbacks. */
export type ByteOrder = 'little' | 'big'

const partHeader = (int: Codec<number>, long: Codec<bigint>) =>
  struct({
    /** Always 0. */
    version: int,
    /** SHA-256 of the part. */
    checksum,
    /** Size of the part in bytes. */
    size: long,
    /** Total size in bytes of the objects: of metadata the whole object, of files the content. */
    unpacked: long,
    /** The objects the part creates, 33 bytes each: type number, checksum. */
    objects: bytes,
  })
export type DeltaPartHeader = Value<ReturnType<typeof partHeader>>

const fallback = (long: Codec<bigint>) =>
  struct({
    /** Object type number, as in `objectTypeNumber`. */
    type: byte,
    checksum,
    /** Bytes the object takes in the repository that generated the delta. */
    size: long,
    /** Bytes of content. */
    unpacked: long,
  })
export type DeltaFallback = Value<ReturnType<typeof fallback>>

/** A commit as the bytes of its object. They are as a member of the superblock what they are in the object. */
const commitBytes: Codec<Uint8Array> = makeCodec(
  Commit.type,
  (writer, value) => writer.append(value),
  (bytes, start, end) => bytes.subarray(start, end),
)

const superblock = (int: Codec<number>, long: Codec<bigint>) =>
  struct({
    metadata: vardict,
    /** When the delta was generated, in seconds since the epoch. */
    timestamp: u64be,
    from: optionalChecksum,
    to: checksum,
    /** The object of the target commit. */
    commit: commitBytes,
    /** Always empty. */
    recurse: bytes,
    parts: array(partHeader(int, long)),
    /** Objects that are not in the parts and have to be fetched one by one. */
    fallbacks: array(fallback(long)),
  })
export type Superblock = Value<ReturnType<typeof superblock>>

/** Returns the codec of a superblock. @param order byte order of the headers, which the metadata has to name too */
export function superblockOf(order: ByteOrder): Codec<Superblock> {
  return order === 'little' ? superblock(u32, u64) : superblock(u32be, u64be)
}

/** First eight bytes of a superblock that is wrapped with signatures: `OSTSGNDT`. */
export const SIGNED_MAGIC = 0x4f53_5453_474e_4454n

/** A superblock with signatures over exactly its bytes: `ostree.sign.ENGINE` of type `aay` for each engine. */
export const SignedSuperblock = struct({ magic: u64be, superblock: bytes, signatures: vardict })

/** A part: type of compression, and the compressed payload. */
export const DeltaPart = struct({ compression: byte, payload: bytes })
/** Types of compression. */
export const UNCOMPRESSED = 0
export const XZ = 'x'.charCodeAt(0)

/** The uncompressed payload of a part. */
export const DeltaPayload = struct({
  modes: array(struct({ uid: u32be, gid: u32be, mode: u32be })),
  xattrs: array(Xattrs),
  blob: bytes,
  operations: bytes,
})

/** Bytes of a name in the list of a part's objects: the number of the type, and the checksum. */
export const NAME_SIZE = 33

/** The name of an operation of a part. */
export type DeltaOperation =
  | 'openSpliceAndClose'
  | 'open'
  | 'write'
  | 'setReadSource'
  | 'unsetReadSource'
  | 'close'
  | 'bspatch'

/** The operations of a part, by their letter. A number behind it is unsigned LEB128 of at most 64 bits. */
export const OPERATIONS: Readonly<Record<DeltaOperation, number>> = {
  /** Metadata: length and offset in the blob. File: mode, xattrs, length and offset. Creates the whole object. */
  openSpliceAndClose: 'S'.charCodeAt(0),
  /** Mode, xattrs, size of the content. Begins a regular file. */
  open: 'o'.charCodeAt(0),
  /** Length and offset in the source, which is the blob unless another was set. Appends to the file. */
  write: 'w'.charCodeAt(0),
  /** Offset in the blob of the checksum of a stored file, whose content becomes the source. */
  setReadSource: 'r'.charCodeAt(0),
  /** Makes the blob the source again. */
  unsetReadSource: 'R'.charCodeAt(0),
  /** Completes the file. */
  close: 'c'.charCodeAt(0),
  /** Offset and length in the blob of a bsdiff patch. Appends the patched source, which is the whole file. */
  bspatch: 'B'.charCodeAt(0),
}

/** Appends a number as unsigned LEB128. @param value a non-negative integer below 2^53 */
export function pushVaruint(to: number[], value: number): void {
  let rest = value
  while (rest >= 0x80) {
    to.push((rest % 0x80) | 0x80)
    rest = Math.floor(rest / 0x80)
  }
  to.push(rest)
}
