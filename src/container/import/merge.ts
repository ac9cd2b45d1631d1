/**
 * Writes the commit of a whole image: the trees of base and layers merged, with manifest and config in its metadata.
 *
 * ```
 * metadata   ostree.container.image-config   canonical JSON
 *            ostree.importer.version
 *            ostree.manifest                 canonical JSON
 *            ostree.manifest-digest
 * parent     the base commit, if there is one
 * ```
 *
 * Source: ostree-ext, container::store (write_merge_commit_impl).
 */

import type { Checksum } from '../../bytes.ts'
import { withContext } from '../../errors.ts'
import { string, type Vardict, variantOf } from '../../gvariant/index.ts'
import {
  labelTree,
  MutableTree,
  type RepoMode,
  readCommit,
  type SePolicy,
  type Transaction,
  writeCommit,
  writeTree,
} from '../../repo/index.ts'
import { cleanupRoot } from '../layers/cleanup-root.ts'
import { type FlattenOptions, flatRules, flattenTree } from '../layers/flatten.ts'
import { type OverlayOptions, overlayLayer } from '../layers/overlay.ts'
import { StoredSubtrees } from '../layers/stored-subtrees.ts'
import { canonicalJson } from '../oci/canonical-json.ts'
import type { Digest, ImageConfiguration, ImageManifest } from '../oci/oci-types.ts'
import { IMPORTER_VERSION, META_CONFIG, META_MANIFEST, META_MANIFEST_DIGEST } from '../store/names.ts'
import { treePolicy } from './selinux.ts'

/** What a merge commit is made of. */
export interface MergeInput extends FlattenOptions {
  readonly mode: RepoMode
  readonly base: Checksum | undefined
  /** Commits of the derived layers, lowest first. */
  readonly layers: readonly Checksum[]
  readonly manifest: ImageManifest
  readonly manifestDigest: Digest
  readonly config: ImageConfiguration
  readonly importerVersion: string
  /** Label the merged tree by the SELinux policy in it. */
  readonly label: boolean
  /** Time of the commit, in seconds since the epoch, UTC. */
  readonly timestamp: bigint
}

/** A merge commit. */
export interface MergeResult {
  readonly commit: Checksum
  /** Policy that the tree was labelled by; `undefined` if it was not labelled. */
  readonly policy: SePolicy | undefined
}

/** Writes the merge commit. No ref is set. */
export async function writeMergeCommit(tx: Transaction, input: MergeInput): Promise<MergeResult> {
  const subtrees = new StoredSubtrees(tx, flatRules(tx, input.mode, input), input.signal)
  const tree = await mergeTrees(tx, input.base, input.layers, { signal: input.signal, subtrees })
  await cleanupRoot(tree, tx)
  await flattenTree(tx, input.mode, tree, input, subtrees)
  const policy = input.label ? await treePolicy(tx, tree) : undefined
  if (policy !== undefined) await labelTree(tx, tree, policy, input.signal)
  const commit = await writeCommit(tx, {
    root: await writeTree(tx, tree),
    parent: input.base,
    timestamp: input.timestamp,
    metadata: mergeMetadata(input),
  })
  return { commit, policy }
}

/**
 * Returns the tree that base and layers make together. Nothing is written.
 * @throws {FormatError} when a whiteout of a layer has no name; the message begins with `Checking out layer CHECKSUM`
 */
export async function mergeTrees(
  reader: Transaction,
  base: Checksum | undefined,
  layers: readonly Checksum[],
  options: OverlayOptions = {},
): Promise<MutableTree> {
  const tree = new MutableTree()
  if (base !== undefined) {
    const { rootTree, rootMeta } = await readCommit(reader, base)
    tree.fillEmpty(reader, { tree: rootTree, meta: rootMeta })
  }
  for (const layer of layers) {
    try {
      const { rootTree, rootMeta } = await readCommit(reader, layer)
      await overlayLayer(tree, reader, { tree: rootTree, meta: rootMeta }, options)
    } catch (error) {
      throw withContext(`Checking out layer ${layer}`, error)
    }
  }
  return tree
}

function mergeMetadata({ manifest, manifestDigest, config, importerVersion }: MergeInput): Vardict {
  return [
    [META_CONFIG, variantOf(string, canonicalJson(config))],
    [IMPORTER_VERSION, variantOf(string, importerVersion)],
    [META_MANIFEST, variantOf(string, canonicalJson(manifest))],
    [META_MANIFEST_DIGEST, variantOf(string, manifestDigest)],
  ]
}
