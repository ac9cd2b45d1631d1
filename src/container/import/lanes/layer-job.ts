/**
 * The work on one layer, from its blob to its objects, which any thread can do:
 *
 *     blob ─ digest ─ decompress ─ diff id ─ tar ─ objects ─▶ transaction
 */

import type { Checksum } from '../../../bytes.ts'
import type { Platform } from '../../../platform/index.ts'
import type { Repo, SePolicy, Transaction } from '../../../repo/index.ts'
import type { TarLimits } from '../../../tar/index.ts'
import type { Descriptor, DiffId } from '../../oci/oci-types.ts'
import { importObjectSet } from '../../ostree-tar/ostree-tar.ts'
import { openLayer } from '../../transport/layer-stream.ts'
import { type ImportedLayer, importLayer } from '../import-layer.ts'

/** What to do with a layer; plain values, which can be sent to a thread. */
export interface LayerJob {
  /** `chunk`: a set of files of a commit. `derived`: a tree. */
  readonly kind: 'chunk' | 'derived'
  readonly layer: Descriptor
  readonly diffId: DiffId | undefined
  /** Maximum size of the plain tar, in bytes. */
  readonly maxBytes: number | undefined
  readonly limits: TarLimits | undefined
  /** For a derived layer. */
  readonly rules: { readonly allowNonusr: boolean; readonly retainVar: boolean } | undefined
}

/** The result of the work on a layer. */
export type LayerJobResult =
  | { readonly kind: 'chunk'; readonly objects: Set<Checksum> }
  | { readonly kind: 'derived'; readonly imported: ImportedLayer }

/** Where the work on a layer is done, and what it reports. */
export interface LayerJobContext {
  readonly repo: Pick<Repo, 'mode' | 'settings'>
  readonly platform: Platform
  readonly tx: Transaction
  readonly signal: AbortSignal | undefined
  /** Labels the tree of a derived layer. */
  readonly policy?: SePolicy | undefined
  /** Called after each chunk with the number of compressed bytes received so far. */
  readonly onBytes: (received: number) => void
}

/**
 * Stores the objects of a layer.
 * @param blob called once; its bytes are verified
 * @throws as `openLayer`, `importObjectSet` and `importLayer`
 */
export function runLayerJob(
  job: LayerJob,
  blob: () => AsyncIterable<Uint8Array>,
  context: LayerJobContext,
): Promise<LayerJobResult> {
  return storeLayer(job, openJob(job, blob, context), context)
}

/** Returns the plain tar of a layer, as `openLayer`. */
export function openJob(
  { layer, diffId, maxBytes }: LayerJob,
  blob: () => AsyncIterable<Uint8Array>,
  { platform, signal, onBytes }: Pick<LayerJobContext, 'platform' | 'signal' | 'onBytes'>,
): AsyncIterable<Uint8Array> {
  return openLayer({ blob }, layer, { platform, diffId, maxBytes, signal, onBytes })
}

/**
 * Stores the objects of a layer's plain tar.
 * @throws what `tar` throws; as `importObjectSet` and `importLayer`
 */
export async function storeLayer(
  { kind, layer, limits, rules }: LayerJob,
  tar: AsyncIterable<Uint8Array>,
  { repo, platform, tx, signal, policy }: Omit<LayerJobContext, 'onBytes'>,
): Promise<LayerJobResult> {
  const common = { layer: layer.digest, limits, signal }
  if (kind === 'chunk') return { kind, objects: await importObjectSet({ platform }, tx, tar, common) }
  return { kind, imported: await importLayer(repo, tx, tar, { ...common, ...rules, policy }) }
}
