/**
 * Reads the superblock of a static delta, and checks what it says of itself. Its format: format.ts.
 *
 * Source: ostree-repo-static-delta-core.c, ostree_repo_static_delta_execute_offline_with_signature,
 * _ostree_delta_get_endianness; ostree-repo-pull.c, process_one_static_delta.
 */

import { type Checksum, toHex } from '../../bytes.ts'
import { ChecksumMismatchError, FormatError, withContext } from '../../errors.ts'
import { byte, type Codec, isNormal, lookup, makeCodec, tuple, type Vardict, vardict } from '../../gvariant/index.ts'
import {
  Commit,
  type MetaType,
  type ObjectName,
  objectTypeFromNumber,
  objectTypeNumber,
  parseChecksum,
  validateCommit,
} from '../../objects/index.ts'
import { checksum } from '../../objects/internal.ts'
import type { Platform } from '../../platform/index.ts'
import type { DeltaName } from '../core/interface.ts'
import {
  type ByteOrder,
  DELTA_ENDIANNESS,
  DeltaPart,
  NAME_SIZE,
  SIGNED_MAGIC,
  SignedSuperblock,
  superblockOf,
} from './format.ts'
import { deltaPath } from './names-and-index.ts'

/** What a superblock says of one part. */
export interface DeltaPartInfo {
  /** Number of the part, from 0; also the name of its file beside the superblock. */
  readonly index: number
  /** Path of the part in the repository that the delta comes from: `deltas/Ab/REST/0`. */
  readonly path: string
  /** SHA-256 of the part. */
  readonly checksum: Checksum
  /** Size of the part in bytes. */
  readonly size: bigint
  /** Bytes of the objects: of metadata the whole object, of regular files the content. */
  readonly unpacked: bigint
  /** Number of objects that the part creates. */
  readonly count: number
  /** Yields the names of the objects, in the order in which the part creates them. */
  objects(): Iterable<DeltaObjectName>
  /** The part itself, if it is in the superblock. */
  readonly inline: Uint8Array | undefined
}

/** The name of an object that a part creates. */
export type DeltaObjectName = ObjectName & { readonly type: MetaType | 'file' }

/** A file that is not in the parts, and has to be fetched by itself. */
export interface DeltaFallbackInfo {
  readonly name: ObjectName
  /** Bytes that the object takes in the repository that generated the delta. */
  readonly size: bigint
  /** Bytes of content. */
  readonly unpacked: bigint
}

/** A superblock whose structure and commit have been checked, but not its signatures. */
export interface DeltaSuperblock extends DeltaName {
  /** Signatures by engine, `ostree.sign.ENGINE`, if the superblock has them. */
  readonly signatures: Vardict | undefined
  /** The bytes that the signatures cover. */
  readonly signedBytes: Uint8Array
  readonly byteOrder: ByteOrder
  /** How the byte order is known: declared, guessed from the sizes of the parts, or not at all (little-endian then). */
  readonly byteOrderFrom: 'declared' | 'heuristic' | 'invalid'
  /** When the delta was generated, in seconds since the epoch. */
  readonly timestamp: bigint
  readonly metadata: Vardict
  /** Number of deltas that have to be applied before; always 0. */
  readonly parents: number
  /** The object of the target commit, which has the checksum `to`. */
  readonly commit: Uint8Array
  /** Detached metadata of the target commit, such as its signatures; `undefined` if the delta has none. */
  readonly detachedMetadata: Uint8Array | undefined
  readonly parts: readonly DeltaPartInfo[]
  readonly fallbacks: readonly DeltaFallbackInfo[]
}

const WHAT = 'static delta superblock'
const CHECKSUM_SIZE = 32

/**
 * Reads a superblock, with or without signatures. Byte arrays in the result are views of `bytes`.
 * @throws {FormatError} when it is malformed
 * @throws {ChecksumMismatchError} when the commit in it does not have the checksum of the target
 */
export function readSuperblock(bytes: Uint8Array, platform: Platform): DeltaSuperblock {
  const signed = readSigned(bytes)
  const plain = signed?.superblock ?? bytes
  const host = superblockOf('little')
  if (!isNormal(host.type, plain)) {
    checked(Outline.decode(plain)[3])
    throw new FormatError(WHAT, 'Invalid static delta superblock: not in normal form')
  }
  let found = host.decode(plain)
  const { byteOrder, from: byteOrderFrom } = byteOrderOf(found)
  if (byteOrder === 'big') found = superblockOf('big').decode(plain)
  const { metadata, timestamp, commit } = found
  const to = checked(found.to)
  const from = found.from === undefined ? undefined : checked(found.from)
  const actual = platform.sha256(commit)
  if (actual !== to) throw new ChecksumMismatchError('commit', to, actual)
  try {
    validateCommit(commit)
  } catch (error) {
    throw withContext(`${to}.commit`, error)
  }
  const path = deltaPath({ from, to })
  const inlined = new Map<string, Uint8Array>()
  for (const [key, { type, bytes: value }] of metadata) {
    if (type === DeltaPart.type && key.startsWith(`${path}/`) && !inlined.has(key)) inlined.set(key, value)
  }
  const detached = metadata.find(([key]) => key === `${path}/commitmeta`)?.[1]
  return {
    from,
    to,
    signatures: signed?.signatures,
    signedBytes: plain,
    byteOrder,
    byteOrderFrom,
    timestamp,
    metadata,
    parents: Math.floor(found.recurse.length / (2 * CHECKSUM_SIZE)),
    commit,
    detachedMetadata: detached?.type === vardict.type ? detached.bytes : undefined,
    parts: found.parts.map(({ version, checksum: sum, size, unpacked, objects }, index) => {
      if (version > 0) throw new FormatError(WHAT, `Delta part has too new version ${version}`)
      if (objects.length % NAME_SIZE !== 0) {
        throw new FormatError(WHAT, `Invalid checksum array length ${objects.length} of static delta part ${index}`)
      }
      return {
        index,
        path: `${path}/${index}`,
        checksum: checked(sum),
        size,
        unpacked,
        count: objects.length / NAME_SIZE,
        objects: () => namesIn(objects),
        inline: inlined.get(`${path}/${index}`),
      }
    }),
    fallbacks: found.fallbacks.map(({ type, checksum: sum, size, unpacked }) => ({
      name: { type: objectTypeFromNumber(type), checksum: checked(sum) },
      size,
      unpacked,
    })),
  }
}

/** Reads nothing but the target of a superblock that may be anything: lists of malformed bytes may have very many members. */
const Outline = tuple(
  raw('a{sv}'),
  raw('t'),
  raw('ay'),
  checksum,
  raw(Commit.type),
  raw('ay'),
  raw('a(uayttay)'),
  raw('a(yaytt)'),
)

function raw(type: string): Codec<Uint8Array> {
  return makeCodec(
    type,
    (writer, value) => writer.append(value),
    (bytes, start, end) => bytes.subarray(start, end),
  )
}

/** Unwraps a superblock with signatures. `undefined` if it does not begin with their magic number. */
function readSigned(bytes: Uint8Array): { superblock: Uint8Array; signatures: Vardict } | undefined {
  if (bytes.length < 8) return undefined
  if (new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0) !== SIGNED_MAGIC) return undefined
  if (!isNormal(SignedSuperblock.type, bytes)) {
    throw new FormatError(WHAT, 'Invalid signed static delta superblock: not in normal form')
  }
  return SignedSuperblock.decode(bytes)
}

/** A checksum of a superblock, which decodes to hex of any length. */
function checked(sum: Checksum): Checksum {
  if (sum.length !== 64) throw new FormatError(WHAT, `Invalid checksum of length ${sum.length / 2} expected 32`)
  return parseChecksum(sum)
}

function* namesIn(objects: Uint8Array): Generator<DeltaObjectName, void, undefined> {
  for (let at = 0; at < objects.length; at += NAME_SIZE) {
    const type = objectTypeFromNumber(objects[at] as number)
    if (type !== 'file' && type !== 'dirtree' && type !== 'dirmeta' && type !== 'commit') {
      throw new FormatError(WHAT, `A static delta cannot create an object of type ${objectTypeNumber(type)} (${type})`)
    }
    yield { type, checksum: toHex(objects, at + 1, at + NAME_SIZE) as Checksum }
  }
}

/** Ratio of a part's size to that of its objects above which the numbers must be in the other byte order. */
const LARGEST_RATIO = 1.2
/** Average size of an object, in bytes, above which the numbers must be in the other byte order. */
const LARGEST_AVERAGE = 0xffff_ffffn

/** @param host the superblock, decoded as little-endian */
function byteOrderOf(host: {
  readonly metadata: Vardict
  readonly parts: readonly { readonly size: bigint; readonly unpacked: bigint; readonly objects: Uint8Array }[]
}): { byteOrder: ByteOrder; from: DeltaSuperblock['byteOrderFrom'] } {
  const letter = lookup(host.metadata, DELTA_ENDIANNESS, byte)
  if (letter === 'l'.charCodeAt(0)) return { byteOrder: 'little', from: 'declared' }
  if (letter === 'B'.charCodeAt(0)) return { byteOrder: 'big', from: 'declared' }
  if (letter !== undefined) return { byteOrder: 'little', from: 'invalid' }
  let total = 0n
  let count = 0n
  // As in ostree, the average is that of the compressed sizes.
  for (const { size, unpacked, objects } of host.parts) {
    if (size > unpacked && Number(size) / Number(unpacked) > LARGEST_RATIO)
      return { byteOrder: 'big', from: 'heuristic' }
    total += size
    count += BigInt(Math.floor(objects.length / NAME_SIZE))
  }
  if (count > 0n && total / count > LARGEST_AVERAGE) return { byteOrder: 'big', from: 'heuristic' }
  return { byteOrder: 'little', from: 'invalid' }
}
