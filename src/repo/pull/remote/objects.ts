/**
 * Fetches single objects of a remote and stores them in a transaction. Each is verified against its checksum before it
 * is stored, and metadata is checked to be well-formed.
 *
 *     objects/AB/REST.commit, .commitmeta, .dirtree, .dirmeta, .filez
 *
 * Source: ostree-repo-pull.c, meta_fetch_on_complete, content_fetch_on_complete.
 */

import type { Checksum } from '../../../bytes.ts'
import { ChecksumMismatchError, FormatError, withContext } from '../../../errors.ts'
import {
  checksumMeta,
  formatObjectName,
  MAX_METADATA_SIZE,
  type MetaType,
  type ObjectName,
  validateMeta,
} from '../../../objects/index.ts'
import type { Transaction } from '../../core/interface.ts'
import { isMissing } from '../../core/verify-object.ts'
import type { FetchBase } from '../../fetch/base.ts'
import { type Fetcher, isAbsent } from '../../fetch/fetcher.ts'
import type { Repo } from '../../repo.ts'
import { ObjectImporter } from '../objects.ts'
import { storeFilez } from './filez.ts'

/** Where objects come from and go to. */
export interface RemoteObjectsOptions {
  readonly repo: Repo
  readonly tx: Transaction
  readonly fetcher: Fetcher
  readonly bases: readonly FetchBase[]
  /** Bases of all objects but those attached to commits. */
  readonly contentBases: readonly FetchBase[]
  readonly localCaches: readonly Repo[]
  readonly bareUserOnly: boolean
  /** Store files that are fetched without verifying their checksums. */
  readonly trusted: boolean
}

/** A commit in a local cache. */
export interface LocalCommit {
  readonly bytes: Uint8Array
  readonly attached: Uint8Array | undefined
}

/** Fetches objects. */
export class RemoteObjects {
  readonly counts = { metadata: 0, content: 0, importedMetadata: 0, importedContent: 0 }
  readonly #options: RemoteObjectsOptions
  readonly #caches: readonly (readonly [Repo, ObjectImporter])[]

  constructor(options: RemoteObjectsOptions) {
    const { repo, tx, localCaches, bareUserOnly } = options
    this.#options = options
    const rules = { bareUserOnlyFiles: bareUserOnly }
    this.#caches = localCaches.map((cache) => [cache, new ObjectImporter(cache, repo, tx, rules)])
  }

  /** Imports an object from the first local cache that has it. @returns whether one has */
  async importLocally(name: ObjectName & { type: Exclude<MetaType, 'commit'> | 'file' }): Promise<boolean> {
    const { counts } = this
    for (const [cache, importer] of this.#caches) {
      if (!(await cache.objects.has(name))) continue
      await importer.importObject(name)
      if (name.type === 'file') counts.importedContent++
      else counts.importedMetadata++
      return true
    }
    return false
  }

  /**
   * Reads a commit and its detached metadata from the first local cache that has it, but does not store them.
   * @returns `undefined` when none has it
   */
  async readCommitLocally(checksum: Checksum): Promise<LocalCommit | undefined> {
    const name = { checksum, type: 'commit' } as const
    for (const [{ objects }] of this.#caches) {
      if (!(await objects.has(name))) continue
      const bytes = await objects.readMeta('commit', checksum)
      this.counts.importedMetadata++
      return { bytes, attached: await objects.readAttached('commitmeta', checksum) }
    }
    return undefined
  }

  /**
   * Fetches and verifies a metadata object, but does not store it.
   * @param limit maximum size in bytes
   * @throws {ChecksumMismatchError} or {FormatError} when it is another object, or malformed
   */
  async fetchMeta(type: MetaType, checksum: Checksum, limit: number = MAX_METADATA_SIZE): Promise<Uint8Array> {
    const { fetcher, contentBases: bases, repo } = this.#options
    const name = formatObjectName({ checksum, type })
    const bytes = await fetcher.read({ bases, path: objectPath(checksum, type), limit })
    const actual = checksumMeta(repo.platform, bytes)
    if (actual !== checksum) throw new ChecksumMismatchError(type, checksum, actual)
    try {
      validateMeta(type, bytes)
    } catch (error) {
      throw withContext(name, error)
    }
    this.counts.metadata++
    return bytes
  }

  /** Fetches the detached metadata of a commit. @returns `undefined` when there is none, or it is malformed */
  async fetchAttached(commit: Checksum): Promise<Uint8Array | undefined> {
    try {
      const bytes = await this.#fetchAttached('commitmeta', commit)
      if (bytes !== undefined) this.counts.metadata++
      return bytes
    } catch (error) {
      // It is not part of the commit. Where signatures are required, they are missing then.
      if (error instanceof FormatError) return undefined
      throw error
    }
  }

  /** Fetches the tombstone of a commit. @returns `undefined` when there is none */
  fetchTombstone(commit: Checksum): Promise<Uint8Array | undefined> {
    return this.#fetchAttached('tombstone-commit', commit)
  }

  async #fetchAttached(type: 'commitmeta' | 'tombstone-commit', checksum: Checksum): Promise<Uint8Array | undefined> {
    const { fetcher, bases } = this.#options
    try {
      const bytes = await fetcher.read({ bases, path: objectPath(checksum, type), limit: MAX_METADATA_SIZE })
      validateMeta(type, bytes)
      return bytes
    } catch (error) {
      if (isAbsent(error)) return undefined
      throw withContext(formatObjectName({ checksum, type }), error)
    }
  }

  /** Fetches a file object and stores it while it arrives. */
  async fetchFile(checksum: Checksum): Promise<void> {
    const { fetcher, contentBases: bases, tx, repo, bareUserOnly, trusted } = this.#options
    const target = { tx, platform: repo.platform, bareUserOnly, trusted }
    await fetcher.fetch({ bases, path: objectPath(checksum, 'filez') }, (body) => storeFilez(body, checksum, target))
    this.counts.content++
    const pending = tx.drained()
    if (pending !== undefined) await pending
  }
}

/** Tells whether an error means that the source does not have this object. */
export function isObjectAbsent(error: unknown, name: ObjectName): boolean {
  return isAbsent(error) || isMissing(error, name)
}

function objectPath(checksum: Checksum, suffix: string): string {
  return `objects/${checksum.slice(0, 2)}/${checksum.slice(2)}.${suffix}`
}
