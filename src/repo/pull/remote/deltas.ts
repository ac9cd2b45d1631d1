/**
 * Fetches commits by static deltas: the superblock, which has the commit, and the parts, which have its objects. What a
 * delta does not bring is left to the walk.
 *
 *     delta-indexes/Ab/REST.index      which deltas lead to a commit
 *     deltas/Ab/REST[-TO]/superblock   commit, its detached metadata, and what the parts hold
 *     deltas/Ab/REST[-TO]/0, 1, …      parts
 *
 * Source: ostree-repo-pull.c, process_one_static_delta, on_superblock_fetched.
 */

import type { Checksum } from '../../../bytes.ts'
import { FormatError, UsageError } from '../../../errors.ts'
import { MAX_METADATA_SIZE } from '../../../objects/index.ts'
import type { Transaction } from '../../core/interface.ts'
import { applyDeltaPart, hasObjectsOfPart } from '../../deltas/apply/apply-part.ts'
import { deltaIndexPath, deltaPath, formatDeltaName } from '../../deltas/names-and-index.ts'
import { type DeltaPartInfo, type DeltaSuperblock, readSuperblock } from '../../deltas/superblock.ts'
import type { FetchBase } from '../../fetch/base.ts'
import type { Body } from '../../fetch/body.ts'
import { type Fetcher, isAbsent } from '../../fetch/fetcher.ts'
import type { Repo } from '../../repo.ts'
import type { DeltaSizes } from '../options.ts'
import { type ChosenDelta, chooseDelta, type DeltaList, readDeltaIndex } from './delta-choice.ts'
import type { WantedRemoteCommit } from './refs.ts'

/** How deltas are found and checked. */
export interface RemoteDeltasOptions {
  readonly repo: Repo
  readonly fetcher: Fetcher
  readonly bases: readonly FetchBase[]
  /** Whether the remote has an index for each commit. */
  readonly indexed: boolean
  /** The list in the summary. */
  readonly listed: DeltaList | undefined
  /** Fail where there is no delta. */
  readonly required: boolean
  readonly signal: AbortSignal | undefined
  /** Returns the commit to which the ref points now. */
  current(wanted: WantedRemoteCommit): Promise<Checksum | undefined>
  /** Verifies the signatures of a superblock, if they are required. */
  verifySuperblock(delta: DeltaSuperblock): Promise<void>
  /** Verifies the signatures of a commit. */
  verifyCommit(commit: Checksum, bytes: Uint8Array, attached: Uint8Array | undefined): Promise<void>
  /** Called after each file. */
  onProgress(): void
}

/** A commit that a delta brings. */
export interface CommitByDelta {
  readonly wanted: WantedRemoteCommit
  readonly delta: DeltaSuperblock
  /** Parts of which some object is not stored yet. */
  readonly parts: readonly DeltaPartInfo[]
}

export class RemoteDeltas {
  readonly counts = { metadata: 0, parts: 0, totalParts: 0 }
  readonly #options: RemoteDeltasOptions

  /** @throws {UsageError} when deltas are required and the remote has no list of them */
  constructor(options: RemoteDeltasOptions) {
    this.#options = options
    if (options.required && !options.indexed && options.listed === undefined) {
      throw new UsageError('Fetch configured to require static deltas, but no summary deltas or delta index found')
    }
  }

  /**
   * Fetches the superblock for a commit and verifies it.
   * @returns `undefined` when there is no delta for it, or the commit is complete
   * @throws {UsageError} when deltas are required and there is none
   * @throws {FormatError} when the superblock is malformed, or is not the one that is listed
   * @throws {DeniedError} when a required signature is missing or not good
   */
  async begin(wanted: WantedRemoteCommit, tx: Transaction): Promise<CommitByDelta | undefined> {
    const { repo, required, listed, indexed } = this.#options
    const { commit, ref } = wanted
    const current = await this.#options.current(wanted)
    const list = indexed ? await this.#index(commit) : listed
    const chosen = await chooseDelta(commit, list, { repo, required, ref, current })
    if (chosen === undefined) return undefined
    const bytes = await this.#superblock(chosen)
    if (bytes === undefined) return undefined
    const delta = readSuperblock(bytes, repo.platform)
    if (delta.to !== commit || delta.from !== chosen.from) {
      const name = formatDeltaName(delta)
      throw new FormatError('static delta superblock', `Superblock of ${formatDeltaName(chosen)} is that of ${name}`)
    }
    await this.#options.verifySuperblock(delta)
    // Only the signatures in the superblock count here, as in ostree: the parts are not fetched for an unsigned commit.
    await this.#options.verifyCommit(commit, delta.commit, delta.detachedMetadata)
    const parts: DeltaPartInfo[] = []
    for (const part of delta.parts) if (!(await hasObjectsOfPart(tx, part))) parts.push(part)
    this.counts.totalParts += parts.length
    return { wanted, delta, parts }
  }

  async #index(commit: Checksum): Promise<DeltaList> {
    const { fetcher, bases, onProgress } = this.#options
    const path = deltaIndexPath(commit)
    const bytes = await fetcher.readIfExists({ bases, path, limit: MAX_METADATA_SIZE })
    // As in ostree, indexes and superblocks count as metadata, even if they do not exist.
    this.counts.metadata++
    onProgress()
    return bytes === undefined ? [] : readDeltaIndex(bytes)
  }

  async #superblock(chosen: ChosenDelta): Promise<Uint8Array | undefined> {
    const { fetcher, bases, repo, onProgress } = this.#options
    const request = { bases, path: `${deltaPath(chosen)}/superblock`, limit: MAX_METADATA_SIZE }
    try {
      const bytes = await fetcher.read(request)
      if (chosen.digest !== undefined && repo.platform.sha256(bytes) !== chosen.digest) {
        throw new FormatError('static delta superblock', `Invalid checksum for static delta ${formatDeltaName(chosen)}`)
      }
      return bytes
    } catch (error) {
      // A delta that nothing lists is only tried.
      if (chosen.digest === undefined && isAbsent(error)) return undefined
      throw error
    } finally {
      this.counts.metadata++
      onProgress()
    }
  }

  /** Stores the commit, marked as partial, and the objects of the parts. @throws as `applyDeltaPart` */
  async apply({ wanted, delta, parts }: CommitByDelta, tx: Transaction): Promise<void> {
    const { commit } = wanted
    if (delta.detachedMetadata !== undefined) await tx.writeAttached('commitmeta', commit, delta.detachedMetadata)
    tx.setCommitState(commit, 'partial')
    await tx.writeMeta('commit', delta.commit, commit)
    for (const part of parts) await this.#part(delta, part, tx)
  }

  async #part(delta: DeltaSuperblock, part: DeltaPartInfo, tx: Transaction): Promise<void> {
    const { repo, fetcher, bases, signal, onProgress } = this.#options
    if (part.inline !== undefined) await applyDeltaPart(repo, tx, delta, part, undefined, { signal })
    else {
      const request = { bases, path: `${deltaPath(delta)}/${part.index}`, limit: Number(part.size) }
      const limit = delta.byteOrderFrom === 'declared' ? request : { ...request, limit: undefined }
      await fetcher.fetch(limit, (body) => applyDeltaPart(repo, tx, delta, part, chunksOf(body), { signal }))
    }
    this.counts.parts++
    onProgress()
    const pending = tx.drained()
    if (pending !== undefined) await pending
  }
}

async function* chunksOf(body: Body): AsyncGenerator<Uint8Array, void, undefined> {
  for (let chunk = await body.next(); chunk !== undefined; chunk = await body.next()) yield chunk
}

/** Adds up what deltas would fetch. */
export function sizesOf(deltas: readonly CommitByDelta[]): DeltaSizes {
  let count = 0
  let size = 0n
  let unpacked = 0n
  for (const { delta, parts } of deltas) {
    count += parts.length
    for (const each of [...parts, ...delta.fallbacks]) {
      size += each.size
      unpacked += each.unpacked
    }
  }
  return { parts: count, size, unpacked }
}
