/**
 * One layer as a tree of its own: read once, in order, holding a chunk and a small file at a time.
 *
 * ```
 * chunks -> TarParser -> LayerFilter -> TarTreeBuilder -> objects
 * ```
 *
 * Source: ostree-ext, tar/write.rs, write_tar.
 */

import { TarFormatError, withContext } from '../../errors.ts'
import { labelTree, type Repo, type SePolicy, type Transaction, type TreeRoot, writeTree } from '../../repo/index.ts'
import { TarTreeBuilder } from '../../repo/internal.ts'
import { feed, type TarLimits, TarParser } from '../../tar/index.ts'
import { WHITEOUT_PREFIX } from '../layers/overlay.ts'
import type { Digest } from '../oci/oci-types.ts'
import { HeldFiles } from './held-files.ts'
import { LayerFilter, type LayerFilterOptions } from './layer-filter.ts'

export interface ImportLayerOptions extends LayerFilterOptions {
  /** The layer's blob, for messages. */
  readonly layer: Digest
  /** Gives every entry its label. */
  readonly policy?: SePolicy | undefined
  readonly limits?: TarLimits | undefined
  readonly signal?: AbortSignal | undefined
}

export interface ImportedLayer extends TreeRoot {
  /** Entries left out, by the name they are counted under (layer-filter.ts). */
  readonly filtered: ReadonlyMap<string, number>
}

/**
 * Writes the tree of a layer, whiteouts as the files they are; of those that a file makes needless, some may be missing.
 * A repository in mode bare-user-only gets canonical permissions.
 * @param chunks the uncompressed tar; each may be reused once the next is asked for
 * @throws {TarFormatError} on what cannot be taken in, and whatever `chunks` throw, with the layer in front
 */
export async function importLayer(
  repo: Repo,
  tx: Transaction,
  chunks: AsyncIterable<Uint8Array>,
  options: ImportLayerOptions,
): Promise<ImportedLayer> {
  const files = new HeldFiles(repo, tx)
  const builder = new TarTreeBuilder(repo, files, { autocreateParents: true, whiteoutPrefix: WHITEOUT_PREFIX })
  const filter = new LayerFilter(builder, { files, ...options })
  const parser = new TarParser(filter, options.limits)
  try {
    await feed(parser, chunks, { signal: options.signal, drained: () => builder.drained() })
    const tree = await builder.finish()
    if (options.policy !== undefined) await labelTree(tx, tree, options.policy, options.signal)
    return { ...(await writeTree(tx, tree)), filtered: filter.filtered }
  } catch (error) {
    builder.abort()
    files.abort()
    throw withContext(`Parsing layer blob ${options.layer}`, located(error))
  }
}

/** Says where in the plain tar the fault is. Of entries that cannot be taken in, ostree-ext's own words name the path. */
function located(error: unknown): unknown {
  if (!(error instanceof TarFormatError) || error.cause !== undefined) return error
  const { offset, path } = error.data
  if (path === undefined) return withContext(`at offset ${offset}`, error)
  return error.message.includes(path) ? error : withContext(`${path} at offset ${offset}`, error)
}
