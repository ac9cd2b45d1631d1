/**
 * A repository: a storage, the platform, and what both together can answer. Operations (commit, checkout, prune, …) are
 * functions that take a `Repo`; here is only what all of them need.
 *
 * Source: ostree-repo.c, ostree_repo_open.
 */

import type { Checksum } from '../bytes.ts'
import { FormatError, UnsupportedError } from '../errors.ts'
import { type Vardict, vardict } from '../gvariant/index.ts'
import { KeyFile } from '../keyfile/index.ts'
import type { Commit, DirMeta, DirTree } from '../objects/index.ts'
import type { Platform } from '../platform/index.ts'
import { refsWithSummary, transactionWithSummary, type UpdateSummary } from './core/auto-summary.ts'
import { parseConfig, type RepoSettings } from './core/config.ts'
import type {
  BeginOptions,
  CommitState,
  ObjectStore,
  RefStore,
  RefTarget,
  RepoFiles,
  RepoMode,
  Storage,
  Transaction,
} from './core/interface.ts'
import { readCommit, readDirMeta, readDirTree } from './core/read-metadata.ts'
import { objectsWithParent, transactionWithParent } from './core/with-parent.ts'
import { type ListedRef, type ListRefsOptions, listRefs, parseRefspec, pathOf, validateNewRef } from './refs/refs.ts'
import { resolveRev, tryResolveRev } from './refs/resolve.ts'

export interface RepoOptions {
  /** Where objects and refs are looked for that are not here (`core.parent`). */
  readonly parent?: Repo | undefined
  /** Closing this one closes the parent too. Default: it stays the caller's to close. */
  readonly closeParent?: boolean | undefined
  /** Makes the summary when a ref changed and `core.auto-update-summary` is set. Without it the setting has no effect. */
  readonly updateSummary?: ((repo: Repo) => Promise<void>) | undefined
}

export class Repo implements AsyncDisposable {
  readonly storage: Storage
  readonly platform: Platform
  readonly mode: RepoMode
  /** Read with the parent as fallback; list, delete and write concern this repository alone. */
  readonly objects: ObjectStore
  /** This repository's own refs. */
  readonly refs: RefStore
  readonly parent: Repo | undefined
  readonly #closeParent: boolean
  readonly #updateSummary: UpdateSummary | undefined
  #config: KeyFile
  #settings: RepoSettings

  private constructor(
    storage: Storage,
    platform: Platform,
    text: string,
    { parent, closeParent = false, updateSummary }: RepoOptions,
  ) {
    const { config, settings } = parseConfig(text)
    if (settings.mode !== storage.mode) {
      throw new FormatError('config', `Mode ${settings.mode} configured, but stored as ${storage.mode}`)
    }
    this.storage = storage
    this.platform = platform
    this.mode = storage.mode
    this.parent = parent
    this.#closeParent = closeParent
    this.objects = parent === undefined ? storage.objects : objectsWithParent(storage.objects, parent.objects)
    this.#updateSummary = updateSummary && settings.autoUpdateSummary ? () => updateSummary(this) : undefined
    this.refs = this.#updateSummary === undefined ? storage.refs : refsWithSummary(storage.refs, this.#updateSummary)
    this.#config = config
    this.#settings = settings
  }

  /** Takes the storage over: `close` closes it. @throws {FormatError}, {UnsupportedError} when the config is not right */
  static async open(storage: Storage, platform: Platform, options: RepoOptions = {}): Promise<Repo> {
    return new Repo(storage, platform, await storage.readConfig(), options)
  }

  /** The key file as last read or written. Changing it changes nothing: see `writeConfig`. */
  get config(): KeyFile {
    return this.#config
  }

  /** The same, checked, with defaults. */
  get settings(): RepoSettings {
    return this.#settings
  }

  /** Replaces the key file. @throws {FormatError}, {UnsupportedError}, and nothing is written, when it is not right */
  async writeConfig(text: string): Promise<void> {
    const { config, settings } = parseConfig(text)
    await this.storage.writeConfig(text)
    this.#config = config
    this.#settings = settings
  }

  /** The commit that a checksum, abbreviation, ref or any of them with `^` names. Rules and errors: resolve.ts. */
  resolve(rev: string): Promise<Checksum> {
    return resolveRev(this, rev)
  }

  /** As `resolve`, but `undefined` when there is no such ref. */
  tryResolve(rev: string): Promise<Checksum | undefined> {
    return tryResolveRev(this, rev)
  }

  /** @throws {ObjectNotFoundError}, {FormatError}, as do the next two */
  readCommit(checksum: Checksum): Promise<Commit> {
    return readCommit(this.objects, checksum)
  }

  readDirTree(checksum: Checksum): Promise<DirTree> {
    return readDirTree(this.objects, checksum)
  }

  readDirMeta(checksum: Checksum): Promise<DirMeta> {
    return readDirMeta(this.objects, checksum)
  }

  /** What was attached to a commit after it was made: signatures and the like. Empty when there is none. */
  async readDetachedMetadata(commit: Checksum): Promise<Vardict> {
    const bytes = await this.objects.readAttached('commitmeta', commit)
    return bytes === undefined ? [] : vardict.decode(bytes)
  }

  /** Replaces it, outside a transaction. */
  async writeDetachedMetadata(commit: Checksum, metadata: Vardict): Promise<void> {
    await this.objects.writeAttached('commitmeta', commit, vardict.encode(metadata))
  }

  commitState(commit: Checksum): Promise<CommitState> {
    return Promise.resolve(this.objects.commitState(commit))
  }

  /** Starts a transaction: commit it, or dispose of it. @throws {ReadOnlyError}, {RepoLockedError}, {ConflictError} */
  async begin(options: BeginOptions = {}): Promise<Transaction> {
    const tx = await this.storage.begin({ ...options, fsync: options.fsync ?? this.#settings.fsync })
    const all = this.parent === undefined ? tx : transactionWithParent(tx, this.parent.objects)
    return this.#updateSummary === undefined ? all : transactionWithSummary(all, this.#updateSummary)
  }

  /** Runs `work` in a transaction; commits when it is done, aborts when it throws. */
  async transaction<T>(work: (tx: Transaction) => Promise<T>, options: BeginOptions = {}): Promise<T> {
    const tx = await this.begin(options)
    try {
      const result = await work(tx)
      await tx.commit()
      return result
    } finally {
      await tx[Symbol.asyncDispose]()
    }
  }

  /**
   * Points a ref at a commit, or deletes it with `undefined`; outside a transaction.
   * @throws {InvalidNameError}, {ConflictError} when a directory of refs stands there
   */
  async setRef(refspec: string, target: Checksum | undefined): Promise<void> {
    const parsed = parseRefspec(refspec)
    validateNewRef(parsed)
    const to: RefTarget | undefined = target === undefined ? undefined : { commit: target }
    await this.refs.write(pathOf(parsed), to)
  }

  /** Names of this repository's refs; see refs.ts for prefixes. */
  listRefs(prefix?: string, options?: ListRefsOptions): Promise<ListedRef[]> {
    return listRefs(this.refs, prefix, options)
  }

  async close(): Promise<void> {
    await this.storage[Symbol.asyncDispose]()
    if (this.#closeParent) await this.parent?.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

/**
 * Rewrites the key file as libostree does: what is neither group nor key is dropped.
 * @throws {FormatError}, {UnsupportedError}, and nothing is written, when the outcome is not right
 */
export async function editConfig(repo: Repo, change: (file: KeyFile) => void): Promise<void> {
  const file = KeyFile.parse(await repo.storage.readConfig(), 'config', { keep: 'values' })
  change(file)
  await repo.writeConfig(file.toString())
}

/** The files of a repository. @param what needs them, for the message. @throws {UnsupportedError} in stores that keep none */
export function filesOf(repo: Repo, what: string): RepoFiles {
  const { files, location } = repo.storage
  if (files === undefined)
    throw new UnsupportedError(what, `${what} needs a repository that is a directory: ${location}`)
  return files
}
