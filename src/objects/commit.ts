/**
 * Commit objects, `(a{sv}aya(say)sstayay)`. Source: ostree-core.h, OSTREE_COMMIT_GVARIANT_FORMAT.
 */

import type { Checksum } from '../bytes.ts'
import { fromHex } from '../bytes.ts'
import { array, byteString, string, struct, u64be, type Value, vardict, variantOf } from '../gvariant/index.ts'
import type { Platform } from '../platform/index.ts'
import { checksum, optionalChecksum } from './checksum-codec.ts'

/** Codec of a commit object. */
export const Commit = struct({
  /** Order and duplicates are kept, as they are part of the hash; a lookup finds the first of equal keys. */
  metadata: vardict,
  /** `undefined`, encoded as an empty array, in the first commit of a history. */
  parent: optionalChecksum,
  /** Always written empty. */
  related: array(struct({ name: string, checksum })),
  subject: string,
  body: string,
  /** Seconds since the epoch, UTC. */
  timestamp: u64be,
  rootTree: checksum,
  rootMeta: checksum,
})
/** Decoded commit object. */
export type Commit = Value<typeof Commit>

/** Computes the `ContentChecksum` of `ostree show`: it depends on the tree only, not on history or metadata. */
export function contentChecksum(platform: Platform, commit: Commit): Checksum {
  return platform.sha256(fromHex(commit.rootTree), fromHex(commit.rootMeta))
}

/** Encodes the tombstone object that replaces a deleted commit: `{'commit': b'<checksum>'}`. */
export function encodeTombstone(commit: Checksum): Uint8Array {
  return vardict.encode([['commit', variantOf(byteString, new TextEncoder().encode(commit))]])
}
