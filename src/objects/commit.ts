/**
 * A commit: `(a{sv}aya(say)sstayay)`. Source: ostree-core.h, OSTREE_COMMIT_GVARIANT_FORMAT.
 */

import type { Checksum } from '../bytes.ts'
import { fromHex } from '../bytes.ts'
import { array, byteString, string, struct, u64be, type Value, vardict, variantOf } from '../gvariant/index.ts'
import type { Platform } from '../platform/index.ts'
import { checksum, optionalChecksum } from './checksum-codec.ts'

export const Commit = struct({
  /** Order and duplicates are hashed; lookups find the first. */
  metadata: vardict,
  /** An empty array in the first commit of a history. */
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
export type Commit = Value<typeof Commit>

/** Names what a commit holds, whatever its history and metadata: `ContentChecksum` of `ostree show`. */
export function contentChecksum(platform: Platform, commit: Commit): Checksum {
  return platform.sha256(fromHex(commit.rootTree), fromHex(commit.rootMeta))
}

/** What takes the place of a removed commit: `{'commit': b'<checksum>'}`. */
export function encodeTombstone(commit: Checksum): Uint8Array {
  return vardict.encode([['commit', variantOf(byteString, new TextEncoder().encode(commit))]])
}
