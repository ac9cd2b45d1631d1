/**
 * Static deltas by name, with the checksum of their first file:
 *
 *     FROM-TO or TO  ->  sha256 of deltas/Ab/REST[-TO]/superblock
 *
 * A summary lists all of them, an index in `delta-indexes/` those that lead to one commit.
 *
 * Source: ostree-repo-static-delta-core.c, ostree_repo_static_delta_reindex; ostree-core.c,
 * _ostree_get_relative_static_delta_path, _ostree_get_relative_static_delta_index_path.
 */

import type { Checksum } from '../../bytes.ts'
import { InvalidNameError } from '../../errors.ts'
import { bytes, GHashOrder, type Vardict, type Variant, vardict, variantOf } from '../../gvariant/index.ts'
import { checksumToBytes, modifiedBase64, parseModifiedBase64 } from '../../objects/index.ts'
import type { DeltaName } from '../core/interface.ts'
import type { Repo } from '../repo.ts'
import { editConfig, filesOf } from '../repo.ts'

/** Key of the list, in a summary as in an index. */
export const STATIC_DELTAS = 'ostree.static-deltas'

const INDEXES = 'delta-indexes'
const INDEX_SUFFIX = '.index'

/** Of its directory, below the repository. */
export function deltaPath({ from, to }: DeltaName): string {
  const name = from === undefined ? modifiedBase64(to) : `${modifiedBase64(from)}-${modifiedBase64(to)}`
  return `deltas/${name.slice(0, 2)}/${name.slice(2)}`
}

/** `FROM-TO`, or `TO` where it starts from nothing. */
export function formatDeltaName({ from, to }: DeltaName): string {
  return from === undefined ? to : `${from}-${to}`
}

function indexPath(to: Checksum): string {
  const name = modifiedBase64(to)
  return `${INDEXES}/${name.slice(0, 2)}/${name.slice(2)}${INDEX_SUFFIX}`
}

/** Entries in the order of libostree's table. Empty in stores that keep no deltas. */
export async function deltaDigests(repo: Repo, deltas?: readonly DeltaName[]): Promise<Vardict> {
  const listed = deltas ?? (await repo.storage.deltas?.list()) ?? []
  if (listed.length === 0) return []
  const files = filesOf(repo, 'A list of deltas')
  const table = new GHashOrder<Variant>()
  for (const delta of listed) {
    const superblock = await files.read(`${deltaPath(delta)}/superblock`)
    if (superblock === undefined) continue // deleted meanwhile
    table.set(formatDeltaName(delta), variantOf(bytes, checksumToBytes(repo.platform.sha256(superblock))))
  }
  return [...table]
}

/**
 * Writes the index of every commit deltas lead to, or of one, removes what no delta leads to any more, and notes in the
 * configuration that there are indexes.
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
  const files = filesOf(repo, 'An index of deltas')
  for (const [target, deltas] of byTarget) {
    const path = indexPath(target)
    if (deltas.length === 0) await files.delete(path)
    else {
      const digests = await deltaDigests(repo, deltas)
      await files.write(path, vardict.encode([[STATIC_DELTAS, variantOf(vardict, digests)]]))
    }
  }
}

/** The commits that have an index. What has another name is none. */
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
