/**
 * SELinux labels of images: layers are labelled by the policy of the base, what is merged by its own policy, and then the
 * layers as well.
 *
 * ```
 * layer   → policy of base or sepolicyCommit, /usr/etc/selinux → layer commit
 * merge   → policy of the merged tree, /etc/selinux else /usr/etc/selinux → merge commit
 *           and by the same policy each layer commit anew
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

/** Whether objects of this repository can have labels. */
export function holdsLabels({ mode, settings }: Pick<Repo, 'mode' | 'settings'>): boolean {
  return mode !== 'bare-user-only' && !settings.disableXattrs
}

/** The policy layers on that commit are labelled by. @throws as `readSePolicy` */
export async function layerPolicy(reader: ObjectReader, commit: Checksum): Promise<SePolicy | undefined> {
  return findSePolicyOfCommit(reader, commit)
}

/** The policy in a tree that is not written yet; that directory of it is. @throws as `readSePolicy` */
export async function treePolicy(tx: Transaction, root: MutableTree): Promise<SePolicy | undefined> {
  for (const path of ['etc/selinux', 'usr/etc/selinux']) {
    let tree: MutableTree | undefined = root
    for (const name of path.split('/')) tree = (await tree?.load())?.dirs.get(name)
    if (tree !== undefined) return readSePolicy(tx, await writeTree(tx, await tree.load()), `/${path}`)
  }
  return undefined
}

/**
 * The commit of a layer with the labels of another policy.
 * @returns the same when nothing changes
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
