/**
 * What a commit behind a layer ref is. The same blob may be a chunk of one image and an ordinary layer of another; a set
 * of objects must not be merged as files, nor files be taken for a base.
 *
 * Source: ostree-ext, container::unencapsulate (object-set commits), tar/write.rs (layer commits).
 */

import type { Checksum } from '../../bytes.ts'
import { NotFoundError, ObjectNotFoundError } from '../../errors.ts'
import type { Commit, ObjectName } from '../../objects/index.ts'
import { type ObjectReader, type Repo, readCommit, readDirTree } from '../../repo/index.ts'
import { readRef } from '../../repo/internal.ts'
import type { Descriptor, DiffId, ImageConfiguration, ImageManifest } from '../oci/oci-types.ts'
import { IMPORTER_VERSION, refForLayer } from './names.ts'
import type { ManifestLayerState } from './query.ts'

/**
 * What a layer holds: `commit` an OSTree commit with its metadata, `chunk` more files of that commit, `derived` ordinary
 * files on top of it.
 */
export type LayerKind = 'commit' | 'chunk' | 'derived'

export function kindOfCommit({ metadata, timestamp, subject }: Commit): LayerKind {
  if (metadata.length === 0 && timestamp === 0n && subject === '') return 'chunk'
  return metadata.length === 1 && metadata[0]?.[0] === IMPORTER_VERSION ? 'derived' : 'commit'
}

/** Stored layers of one uncompressed content, whatever they were compressed with. */
export type RefsByDiffid = ReadonlyMap<DiffId, string>

/** Notes under which refs the layers of an image are stored; the first of a diff id stays. */
export function noteDiffids(into: Map<DiffId, string>, manifest: ImageManifest, config: ImageConfiguration): void {
  for (const [index, layer] of manifest.layers.entries()) {
    const diffid = config.rootfs.diff_ids[index]
    if (diffid !== undefined && !into.has(diffid)) into.set(diffid, refForLayer(layer))
  }
}

/** The layer as stored, behind its own ref or behind that of the same content compressed otherwise. */
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
  // A ref whose commit is gone is as good as no ref: the layer is read again.
  if (!(await repo.objects.has({ checksum: commit, type: 'commit' }))) return false
  return kindOfCommit(await repo.readCommit(commit)) === kind
}

/**
 * Every object that the commit needs is there: an image could name objects that none of its layers holds.
 * @throws {NotFoundError} naming the first that is missing
 */
export async function requireComplete(reader: ObjectReader, commit: Checksum): Promise<void> {
  const { rootTree, rootMeta } = await readCommit(reader, commit)
  const seen = new Set<Checksum>([rootTree, rootMeta])
  const waiting = [rootTree]
  await requireObject(reader, commit, { checksum: rootMeta, type: 'dirmeta' })
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    await requireObject(reader, commit, { checksum: next, type: 'dirtree' })
    const { files, dirs } = await readDirTree(reader, next)
    for (const { checksum } of files) {
      if (seen.has(checksum)) continue
      seen.add(checksum)
      await requireObject(reader, commit, { checksum, type: 'file' })
    }
    for (const { tree, meta } of dirs) {
      if (!seen.has(meta)) await requireObject(reader, commit, { checksum: meta, type: 'dirmeta' })
      seen.add(meta)
      if (!seen.has(tree)) waiting.push(tree)
      seen.add(tree)
    }
  }
}

async function requireObject(reader: ObjectReader, commit: Checksum, name: ObjectName): Promise<void> {
  const answer = reader.has(name)
  if (answer instanceof Promise ? await answer : answer) return
  const cause = new ObjectNotFoundError(`${name.checksum}.${name.type}`)
  const message = `Commit ${commit} needs ${name.type} object ${name.checksum}, which no layer of the image holds`
  throw new NotFoundError(`${name.checksum}.${name.type}`, message, { cause })
}
