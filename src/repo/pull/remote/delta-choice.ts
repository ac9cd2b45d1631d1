/**
 * Chooses the static delta by which a commit is fetched.
 *
 * ```
 * known deltas to the commit               chosen
 * from commits that are here, complete     the one from the newest of these
 * from nothing                             that one, unless the ref existed before
 * others, or none                          none: objects are fetched one by one
 * unknown, as there is no list             the one from the ref's current commit is tried
 * ```
 *
 * Source: ostree-repo-pull.c, get_best_static_delta_start_for, initiate_request.
 */

import type { Checksum } from '../../../bytes.ts'
import { FormatError, UsageError } from '../../../errors.ts'
import { bytes as byteArray, isNormal, lookup, type Vardict, vardict, variantAs } from '../../../gvariant/index.ts'
import { checksumFromBytes } from '../../../objects/index.ts'
import type { DeltaName } from '../../core/interface.ts'
import { parseDeltaName } from '../../deltas/delete.ts'
import { STATIC_DELTAS_KEY } from '../../deltas/names-and-index.ts'
import type { CollectionRef } from '../../fsck/bindings.ts'
import type { Repo } from '../../repo.ts'

/** A delta to use. */
export interface ChosenDelta extends DeltaName {
  /** SHA-256 of the superblock; `undefined` when there is no list of deltas. */
  readonly digest: Checksum | undefined
}

/** Digests of superblocks, by delta. */
export type DeltaList = readonly (ChosenDelta & { readonly digest: Checksum })[]

/**
 * Reads a list of deltas in the metadata of a summary, or in an index.
 * @returns `undefined` when it has none
 * @throws {FormatError} or {InvalidNameError} when it is malformed
 */
export function readDeltaList(metadata: Vardict): DeltaList | undefined {
  const list = lookup(metadata, STATIC_DELTAS_KEY, vardict)
  return list?.map(([name, value]) => {
    const digest = variantAs(byteArray, value)
    if (digest?.length !== 32) throw new FormatError('static deltas', `Invalid checksum for static delta ${name}`)
    return { ...parseDeltaName(name), digest: checksumFromBytes(digest) }
  })
}

/** Decodes an index of deltas. @throws {FormatError} or {InvalidNameError} when it is malformed */
export function readDeltaIndex(bytes: Uint8Array): DeltaList {
  if (!isNormal(vardict.type, bytes)) throw new FormatError('delta index', 'delta index: Not normal form')
  return readDeltaList(vardict.decode(bytes)) ?? []
}

/** What a choice depends on. */
export interface DeltaChoiceOptions {
  readonly repo: Repo
  /** Fail unless there is a delta. */
  readonly required: boolean
  /** The ref by which the commit is wanted. */
  readonly ref: CollectionRef | undefined
  /** The commit to which that ref points now. */
  readonly current: Checksum | undefined
}

/**
 * Chooses among known deltas.
 * @param list `undefined` when nothing is known about the deltas of the remote
 * @returns `undefined` when objects are to be fetched one by one, or none at all
 * @throws {UsageError} `Static deltas required, but none found for …`
 */
export async function chooseDelta(
  to: Checksum,
  list: DeltaList | undefined,
  { repo, required, ref, current }: DeltaChoiceOptions,
): Promise<ChosenDelta | undefined> {
  if (await isComplete(repo, to)) return undefined
  if (list === undefined) {
    const from = current !== undefined && (await isComplete(repo, current)) ? current : undefined
    return from === to ? undefined : { from, to, digest: undefined }
  }
  let best: ChosenDelta | undefined
  let newest = -1n
  let scratch: ChosenDelta | undefined
  for (const delta of list) {
    if (delta.to !== to) continue
    if (delta.from === undefined) scratch = delta
    else if (await isComplete(repo, delta.from)) {
      const { timestamp } = await repo.readCommit(delta.from)
      if (timestamp <= newest) continue
      newest = timestamp
      best = delta
    }
  }
  if (best !== undefined) return best
  if (scratch !== undefined && (required || current === undefined)) return scratch
  if (!required) return undefined
  throw new UsageError(`Static deltas required, but none found for ${ref?.name ?? ''} to ${to}`)
}

/** Tells whether a commit is stored with all its objects. */
export async function isComplete(repo: Repo, commit: Checksum): Promise<boolean> {
  if (!(await repo.objects.has({ checksum: commit, type: 'commit' }))) return false
  return (await repo.commitState(commit)) === 'complete'
}
