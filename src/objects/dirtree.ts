/**
 * Entries of a directory: `(a(say)a(sayay))`, files first, then directories with the checksums of their dirtree and
 * dirmeta. Each list is sorted by name in byte order. Source: ostree-core.h, OSTREE_TREE_GVARIANT_FORMAT.
 */

import type { Checksum } from '../bytes.ts'
import { array, string, struct, type Value } from '../gvariant/index.ts'
import { checksum } from './checksum-codec.ts'

/** Codec of a dirtree. `encode` keeps the order of its input; the caller sorts. */
export const DirTree = struct({
  files: array(struct({ name: string, checksum })),
  dirs: array(struct({ name: string, tree: checksum, meta: checksum })),
})
/** Decoded dirtree. */
export type DirTree = Value<typeof DirTree>

/** Checksum of the empty dirtree, which is one zero byte. */
export const EMPTY_TREE = '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d' as Checksum
