/**
 * Builds the metadata dictionary of a commit. The order of its entries affects the checksum, so it is that of ostree:
 *
 *   entries added by the caller, entries kept from the parent, `ostree.ref-binding`, `ostree.collection-binding`;
 *   if the commit is bootable, all of these with `ostree.bootable` and `ostree.linux` in the order of GLib's hash table;
 *   finally `ostree.sizes`
 *
 * Source: ot-builtin-commit.c, fill_bindings and parse_keyvalue_strings; ostree-repo-commit.c,
 * ostree_commit_metadata_for_bootable and add_size_index_to_metadata.
 */

import { compareUtf8 } from '../../bytes.ts'
import { NotFoundError, PathNotFoundError } from '../../errors.ts'
import { array, bool, string, type Vardict, variantOf } from '../../gvariant/index.ts'
import { GHashOrder } from '../../gvariant/internal.ts'
import type { MutableTree } from '../core/tree.ts'

/** Key of commit metadata: the refs that the commit is bound to, `as`. */
export const REF_BINDING_KEY = 'ostree.ref-binding'
/** Key of commit metadata: the collection of the refs that the commit is bound to, `s`. */
export const COLLECTION_BINDING_KEY = 'ostree.collection-binding'
/** Key of commit metadata, and label of an image: the tree has a kernel to boot, `b`. */
export const BOOTABLE_KEY = 'ostree.bootable'
/** Key of commit metadata: release of the kernel in the tree, `s`. */
export const LINUX_KEY = 'ostree.linux'
/** Key of commit metadata: sizes of all objects of the commit, `aay`. */
export const SIZES_KEY = 'ostree.sizes'

/**
 * Returns the entries with the given keys, in the order of `keys`.
 * @param commit the commit that has the metadata, for the error
 * @throws {NotFoundError} `Missing metadata key '…' from commit '…'` when a key is missing
 */
export function keepMetadata(metadata: Vardict, keys: readonly string[], commit: string): Vardict {
  return keys.map((key) => {
    const kept = metadata.find(([name]) => name === key)
    if (kept === undefined) throw new NotFoundError(key, `Missing metadata key '${key}' from commit '${commit}'`)
    return kept
  })
}

/** Appends the bindings of a commit to refs and to a collection, unless `metadata` has a collection binding already. */
export function withBindings(metadata: Vardict, refs: readonly string[], collectionId: string | undefined): Vardict {
  const bound: Vardict = [...metadata, [REF_BINDING_KEY, variantOf(array(string), refs.toSorted(compareUtf8))]]
  if (collectionId === undefined || metadata.some(([key]) => key === COLLECTION_BINDING_KEY)) return bound
  return [...bound, [COLLECTION_BINDING_KEY, variantOf(string, collectionId)]]
}

/**
 * Adds `ostree.bootable` and the release of the kernel in the tree.
 * @throws {PathNotFoundError} when the tree has no directory `usr/lib/modules`
 * @throws {NotFoundError} when it has no kernel there, or several
 */
export async function withBootable(metadata: Vardict, tree: MutableTree): Promise<Vardict> {
  const release = await findKernel(tree)
  const table = new GHashOrder(metadata)
  table.set(BOOTABLE_KEY, variantOf(bool, true))
  table.set(LINUX_KEY, variantOf(string, release))
  return [...table]
}

const MODULES = ['usr', 'lib', 'modules'] as const

/** Finds the only release with a file `usr/lib/modules/RELEASE/vmlinuz`. */
async function findKernel(root: MutableTree): Promise<string> {
  let modules = await root.load()
  let path = ''
  for (const name of MODULES) {
    path += `/${name}`
    const child = modules.dirs.get(name)
    if (child === undefined) throw new PathNotFoundError(path)
    modules = await child.load()
  }
  const releases: string[] = []
  for (const [release, directory] of modules.dirs) {
    if ((await directory.load()).files.has('vmlinuz')) releases.push(release)
  }
  const [first, second] = releases
  if (first === undefined) throw new NotFoundError('vmlinuz', 'No kernel found in /usr/lib/modules')
  if (second !== undefined) throw new NotFoundError('vmlinuz', 'Multiple kernels found in /usr/lib/modules')
  return first
}
