/**
 * Writes one layer as a tree of its own. The layer is read once, in order, with one chunk and one small file in memory.
 *
 * ```
 * chunks -> TarParser -> LayerFilter -> TarTreeBuilder -> objects
 * ```
 *
 * Source: ostree-ext, tar/write.rs, write_tar.
 */

import { TarFormatError, withContext } from '../../errors.ts'
import { labelTree, type Repo, type SePolicy, type Transaction, type TreeRoot, writeTree } from '../../repo/index.ts'
import { TarTreeBuilder, WHITEOUT_PREFIX } from '../../repo/internal.ts'
import { feed, type TarLimits, TarParser } from '../../tar/index.ts'
import type { Digest } from '../oci/oci-types.ts'
import { HeldFiles } from './held-files.ts'
import type { LostEntries } from './import-result.ts'
import { LayerFilter, type LayerFilterOptions } from './layer-filter.ts'

/** How a layer is imported. */
export interface ImportLayerOptions extends LayerFilterOptions {
  /** Digest of the layer's blob, for messages. */
  readonly layer: Digest
  /** Policy by which every entry is labelled. Default: labels stay as they are. */
  readonly policy?: SePolicy | undefined
  readonly limits?: TarLimits | undefined
  readonly signal?: AbortSignal | undefined
}

/** The tree of a layer. */
export interface ImportedLayer extends TreeRoot {
  /** The number of entries left out, by the name they are counted under (layer-filter.ts). */
  readonly filtered: ReadonlyMap<string, number>
  /** Whether `allowNonusr` may give another tree, because entries were left out. */
  readonly hasLeftOut: boolean
  /** Entries that are lost without being counted in `filtered`. */
  readonly lost: LostEntries | undefined
}

/**
 * Writes the tree of a layer. Whiteout entries are stored as plain files; those made redundant by a file of the same
 * layer may be dropped. Permissions are canonical in a repository of mode bare-user-only.
 * @param chunks the uncompressed tar; a chunk may be reused once the next one is asked for
 * @throws {TarFormatError} when an entry cannot be imported, and what `chunks` throws; the message begins with the layer
 */
export async function importLayer(
  repo: Pick<Repo, 'mode' | 'settings'>,
  tx: Transaction,
  chunks: AsyncIterable<Uint8Array>,
  options: ImportLayerOptions,
): Promise<ImportedLayer> {
  const rules = { autocreateParents: true, whiteoutPrefix: WHITEOUT_PREFIX, lastEntryWins: true }
  const builder = new TarTreeBuilder(repo, tx, rules)
  const files = new HeldFiles(repo, tx, builder)
  const filter = new LayerFilter(builder, { files, ...options })
  const parser = new TarParser(filter, { ...options.limits, allowMissingPadding: true })
  try {
    await feed(parser, chunks, { signal: options.signal, drained: () => builder.drained() })
    const lost = filter.finish()
    const tree = await builder.finish()
    if (options.policy !== undefined) await labelTree(tx, tree, options.policy, options.signal)
    const { filtered, hasLeftOut } = filter
    return { ...(await writeTree(tx, tree)), filtered, hasLeftOut, lost }
  } catch (error) {
    builder.abort()
    files.abort()
    throw withContext(`Parsing layer blob ${options.layer}`, located(error, filter))
  }
}

/** Adds path and offset in the plain tar to an error, unless the message, which is ostree-ext's, names the whole path. */
function located(error: unknown, filter: LayerFilter): unknown {
  if (!(error instanceof TarFormatError)) return error
  const { offset, path } = error.data
  if (path === undefined) return withContext(`at offset ${offset}`, error)
  const explained = filter.explain(path)
  if (explained !== undefined) return withContext(`${explained}: at offset ${offset}`, error)
  return namesPath(error.message, path) ? error : withContext(`${path} at offset ${offset}`, error)
}

/** Returns whether a message has a path that is not a part of a longer one, nor only the last name of one. */
function namesPath(message: string, path: string): boolean {
  if (message.includes(`"${path}"`)) return true
  return path.includes('/') && message.split(/[\s"]+/).includes(path)
}
