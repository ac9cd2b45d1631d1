/**
 * Labels images for SELinux: layers by the policy of the base, the merged tree by its own policy, and then the layers
 * again by that.
 *
 * ```
 * layer   → policy of base or sepolicyCommit, /usr/etc/selinux → layer commit
 * merge   → policy of the merged tree, /etc/selinux else /usr/etc/selinux → merge commit
 *           and each layer commit again, by the same policy
 * ```
 *
 * Source: ostree-ext, container::store (write_merge_commit_impl), tar/write.rs (write_tar).
 */

import type { Checksum } from '../../bytes.ts'
import {
  findSePolicyOfCommit,
  labelTree,
  MutableTree,
  type ObjectReader,
  type Repo,
  readCommit,
  readSePolicy,
  type SePolicy,
  type Transaction,
  writeCommit,
  writeTree,
} from '../../repo/index.ts'
import { type FlattenOptions, flattenTree } from '../layers/flatten.ts'

/** Reads the policy that labels the layers on a base commit. @throws as `readSePolicy` */
export async function layerPolicy(reader: ObjectReader, commit: Checksum): Promise<SePolicy | undefined> {
  return findSePolicyOfCommit(reader, commit)
}

/** Reads the policy in a tree that is not written yet, and writes its directory. @throws as `readSePolicy` */
export async function treePolicy(tx: Transaction, root: MutableTree): Promise<SePolicy | undefined> {
  for (const path of ['etc/selinux', 'usr/etc/selinux']) {
    let tree: MutableTree | undefined = root
    for (const name of path.split('/')) tree = (await tree?.load())?.dirs.get(name)
    if (tree !== undefined) return readSePolicy(tx, await writeTree(tx, await tree.load()), `/${path}`)
  }
  return undefined
}

/**
 * Writes the commit of a layer again, with the labels of another policy.
 * @returns its checksum, which is the same when no label changes
 */
export async function relabelLayer(
  tx: Transaction,
  { mode }: Pick<Repo, 'mode'>,
  commit: Checksum,
  policy: SePolicy,
  options: FlattenOptions,
): Promise<Checksum> {
  const { rootTree, rootMeta, metadata, timestamp } = await readCommit(tx, commit)
  const tree = MutableTree.from(tx, { tree: rootTree, meta: rootMeta })
  await flattenTree(tx, mode, tree, options)
  await labelTree(tx, tree, policy, options.signal)
  return writeCommit(tx, { root: await writeTree(tx, tree), timestamp, metadata })
}
