/**
 * Tells the commits of layers apart. The same blob may be a chunk of one image and an ordinary layer of another, but a
 * set of objects must not be merged as files, and files must not be used as a base.
 *
 * Source: ostree-ext, container::unencapsulate (object-set commits), tar/write.rs (layer commits).
 */

import type { Checksum } from '../../bytes.ts'
import { FormatError } from '../../errors.ts'
import type { Commit } from '../../objects/index.ts'
import { type ObjectReader, readCommit, readDirTree } from '../../repo/index.ts'
import type { Descriptor } from '../oci/oci-types.ts'
import { IMPORTER_VERSION, type LayerKind, META_MANIFEST_DIGEST } from './names.ts'

/** Dirmeta of the root of an object-set commit: owner 0:0, mode 0755, no attributes. */
const OBJECT_SET_ROOT = '446a0ef11b7cc167f3b603e585c7eeeeb675faa412d5ec73f62988eb0b6c5488'

/** Returns the kind of layer that a commit was made of. */
export function kindOfCommit({ metadata, timestamp, subject, body, parent, rootMeta }: Commit): LayerKind {
  const bare = metadata.length === 0 && timestamp === 0n && subject === '' && body === '' && parent === undefined
  if (bare && rootMeta === OBJECT_SET_ROOT) return 'chunk'
  const keys = new Set(metadata.map(([key]) => key))
  // A merge commit, which can be encapsulated again, has both keys.
  return keys.has(IMPORTER_VERSION) && !keys.has(META_MANIFEST_DIGEST) ? 'derived' : 'commit'
}

/**
 * Returns whether a commit may have been made of a layer of some kind. A commit that was encapsulated may look like the
 * commit of an object set; its tree tells the two apart.
 */
export async function isOfKind(reader: ObjectReader, commit: Commit, kind: LayerKind): Promise<boolean> {
  const looks = kindOfCommit(commit)
  if (looks === kind) return true
  if (kind !== 'commit' || looks !== 'chunk') return false
  const { files, dirs } = await readDirTree(reader, commit.rootTree)
  return dirs.length > 0 || files.some(({ name, checksum }) => name !== checksum)
}

/**
 * Checks that the commit of a layer can be read as a layer of some kind.
 * @throws {FormatError} when the blob is stored as a layer of another kind, as other programs do for a second image
 * @throws {ObjectNotFoundError} when the commit is missing
 */
export async function requireKind(
  reader: ObjectReader,
  { digest }: Descriptor,
  commit: Checksum,
  kind: LayerKind,
): Promise<void> {
  const stored = await readCommit(reader, commit)
  if (await isOfKind(reader, stored, kind)) return
  throw new FormatError(
    `${commit}.commit`,
    `Layer ${digest} is stored as a ${kindOfCommit(stored)} layer, but the image has it as a ${kind} layer: pull the image again`,
  )
}
