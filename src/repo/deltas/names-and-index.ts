/**
 * Names of static deltas, and lists of them with the checksum of each superblock:
 *
 *     FROM-TO or TO  ->  sha256 of deltas/Ab/REST[-TO]/superblock
 *
 * The summary lists all deltas; an index file in `delta-indexes/` lists those whose target is one commit.
 *
 * Source: ostree-repo-static-delta-core.c, ostree_repo_static_delta_reindex; ostree-core.c,
 * _ostree_get_relative_static_delta_path, _ostree_get_relative_static_delta_index_path.
 */

import type { Checksum } from '../../bytes.ts'
import { InvalidNameError } from '../../errors.ts'
import { bytes, type Vardict, type Variant, vardict, variantOf } from '../../gvariant/index.ts'
import { GHashOrder } from '../../gvariant/internal.ts'
import { checksumToBytes, modifiedBase64, parseModifiedBase64 } from '../../objects/index.ts'
import type { DeltaName } from '../core/interface.ts'
import type { Repo } from '../repo.ts'
import { editConfig, requireRepoFiles } from '../repo.ts'

/** Key of the list, in the metadata of a summary and in an index. */
export const STATIC_DELTAS_KEY = 'ostree.static-deltas'

const INDEXES = 'delta-indexes'
const INDEX_SUFFIX = '.index'

/** Returns the path of a delta's directory, relative to the repository. */
export function deltaPath({ from, to }: DeltaName): string {
  const name = from === undefined ? modifiedBase64(to) : `${modifiedBase64(from)}-${modifiedBase64(to)}`
  return `deltas/${name.slice(0, 2)}/${name.slice(2)}`
}

/** Formats the name of a delta: `FROM-TO`, or `TO` without a source commit. */
export function formatDeltaName({ from, to }: DeltaName): string {
  return from === undefined ? to : `${from}-${to}`
}

/** Returns the path of the index of the deltas that lead to a commit, relative to the repository. */
export function deltaIndexPath(to: Checksum): string {
  const name = modifiedBase64(to)
  return `${INDEXES}/${name.slice(0, 2)}/${name.slice(2)}${INDEX_SUFFIX}`
}

/**
 * Returns the SHA-256 of each delta's superblock by the name of the delta, in the order of libostree's hash table.
 * Empty in stores without deltas.
 * @param deltas which ones; by default all
 */
export async function deltaDigests(repo: Repo, deltas?: readonly DeltaName[]): Promise<Vardict> {
  const listed = deltas ?? (await repo.storage.deltas?.list()) ?? []
  if (listed.length === 0) return []
  const files = requireRepoFiles(repo, 'A list of deltas')
  const table = new GHashOrder<Variant>()
  for (const delta of listed) {
    const superblock = await files.read(`${deltaPath(delta)}/superblock`)
    if (superblock === undefined) continue // deleted since it was listed
    table.set(formatDeltaName(delta), variantOf(bytes, checksumToBytes(repo.platform.sha256(superblock))))
  }
  return [...table]
}

/**
 * Writes the index of each target commit, deletes the indexes of commits that no delta has as target any more, and sets
 * `core.indexed-deltas`.
 * @param only update the index of this commit only
 */
export async function reindexDeltas(repo: Repo, only?: Checksum): Promise<void> {
  if (!repo.config.getBoolean('core', 'indexed-deltas', false)) {
    await editConfig(repo, (config) => config.set('core', 'indexed-deltas', true))
  }
  const byTarget = new Map<Checksum, DeltaName[]>()
  const targets = only === undefined ? await listIndexes(repo) : [only]
  for (const target of targets) byTarget.set(target, [])
  for (const delta of (await repo.storage.deltas?.list()) ?? []) {
    if (only !== undefined && delta.to !== only) continue
    const others = byTarget.get(delta.to)
    if (others === undefined) byTarget.set(delta.to, [delta])
    else others.push(delta)
  }
  if (byTarget.size === 0) return
  const files = requireRepoFiles(repo, 'An index of deltas')
  for (const [target, deltas] of byTarget) {
    const path = deltaIndexPath(target)
    if (deltas.length === 0) await files.delete(path)
    else {
      const digests = await deltaDigests(repo, deltas)
      await files.write(path, vardict.encode([[STATIC_DELTAS_KEY, variantOf(vardict, digests)]]))
    }
  }
}

/** Lists the commits that have an index. Files with other names are ignored. */
export async function listIndexes(repo: Repo): Promise<Checksum[]> {
  const { files } = repo.storage
  const found: Checksum[] = []
  for (const head of (await files?.list(INDEXES)) ?? []) {
    for (const tail of (await files?.list(`${INDEXES}/${head}`)) ?? []) {
      if (!tail.endsWith(INDEX_SUFFIX)) continue
      const target = parseTarget(head + tail.slice(0, -INDEX_SUFFIX.length))
      if (target !== undefined) found.push(target)
    }
  }
  return found
}

function parseTarget(name: string): Checksum | undefined {
  try {
    return parseModifiedBase64(name)
  } catch (error) {
    if (error instanceof InvalidNameError) return undefined
    throw error
  }
}
