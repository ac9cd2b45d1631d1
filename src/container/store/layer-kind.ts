/**
 * Tells the commits of layers apart. The same blob may be a chunk of one image and an ordinary layer of another, but a
 * set of objects must not be merged as files, and files must not be used as a base.
 *
 * Source: ostree-ext, container::unencapsulate (object-set commits), tar/write.rs (layer commits).
 */

import type { Checksum } from '../../bytes.ts'
import type { Commit } from '../../objects/index.ts'
import type { Repo } from '../../repo/index.ts'
import { readRef } from '../../repo/internal.ts'
import type { Descriptor, DiffId, ImageConfiguration, ImageManifest } from '../oci/oci-types.ts'
import { IMPORTER_VERSION, refForLayer } from './names.ts'
import type { ManifestLayerState } from './query.ts'

/**
 * What a layer holds: `commit` an OSTree commit with its metadata, `chunk` more files of that commit, `derived`
 * ordinary files on top of it.
 */
export type LayerKind = 'commit' | 'chunk' | 'derived'

/** Returns the kind of layer that a commit was made of. */
export function kindOfCommit({ metadata, timestamp, subject }: Commit): LayerKind {
  if (metadata.length === 0 && timestamp === 0n && subject === '') return 'chunk'
  return metadata.length === 1 && metadata[0]?.[0] === IMPORTER_VERSION ? 'derived' : 'commit'
}

/** The refs of stored layers, by the digest of their uncompressed content. */
export type RefsByDiffid = ReadonlyMap<DiffId, string>

/** Adds the refs of an image's layers to a map. A diff id that is in the map keeps its ref. */
export function noteDiffids(into: Map<DiffId, string>, manifest: ImageManifest, config: ImageConfiguration): void {
  for (const [index, layer] of manifest.layers.entries()) {
    const diffid = config.rootfs.diff_ids[index]
    if (diffid !== undefined && !into.has(diffid)) into.set(diffid, refForLayer(layer))
  }
}

/** Finds the commit of a layer: behind its own ref, or behind that of the same content compressed in another way. */
export async function findLayer(
  repo: Repo,
  layer: Descriptor,
  kind: LayerKind,
  diffid: DiffId | undefined,
  known: RefsByDiffid,
): Promise<ManifestLayerState> {
  const ref = refForLayer(layer)
  for (const candidate of [ref, diffid === undefined ? undefined : known.get(diffid)]) {
    const commit = candidate === undefined ? undefined : await readRef(repo.refs, `heads/${candidate}`)
    if (commit !== undefined && (await isOfKind(repo, commit, kind))) return { layer, ostreeRef: ref, commit }
  }
  return { layer, ostreeRef: ref, commit: undefined }
}

async function isOfKind(repo: Repo, commit: Checksum, kind: LayerKind): Promise<boolean> {
  // A ref whose commit is missing does not count: the layer is fetched again.
  if (!(await repo.objects.has({ checksum: commit, type: 'commit' }))) return false
  return kindOfCommit(await repo.readCommit(commit)) === kind
}
