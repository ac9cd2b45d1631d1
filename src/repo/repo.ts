/**
 * A repository: a storage backend with its configuration, its parent repository, and a platform. Operations such as
 * commit, checkout and prune are functions that take a `Repo`; the class has only what all of them need.
 *
 * Source: ostree-repo.c, ostree_repo_open.
 */

import type { Checksum } from '../bytes.ts'
import { FormatError, UnsupportedError, withContext } from '../errors.ts'
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
  RepoMode,
  Storage,
  Transaction,
} from './core/interface.ts'
import { verityError } from './core/mode-rules.ts'
import { readCommit, readDirMeta, readDirTree } from './core/read-metadata.ts'
import type { RepoFiles } from './core/repo-files.ts'
import { objectsWithParent, transactionWithParent } from './core/with-parent.ts'
import { type ListedRef, type ListRefsOptions, listRefs, parseRefspec, pathOf, validateNewRef } from './refs/refs.ts'
import { type ResolveOptions, resolveRev, tryResolveRev } from './refs/resolve.ts'

/** How to open a repository over a storage. */
export interface RepoOptions {
  /** The repository to read objects and refs from that this one lacks (`core.parent`). */
  readonly parent?: Repo | undefined
  /** Close the parent together with this repository. Default: the caller closes it. */
  readonly closeParent?: boolean | undefined
  /** Fails if a path that is to become `core.parent` is not a repository. Without it such a path is not checked. */
  readonly checkParent?: ((path: string) => Promise<void>) | undefined
  /** Called when a ref has changed and `core.auto-update-summary` is set. Without it that setting has no effect. */
  readonly updateSummary?: ((repo: Repo) => Promise<void>) | undefined
}

/** An open repository. */
export class Repo implements AsyncDisposable {
  readonly storage: Storage
  readonly platform: Platform
  readonly mode: RepoMode
  /** Objects. Reading falls back to the parent; listing, deleting and writing concern this repository only. */
  readonly objects: ObjectStore
  /** Refs of this repository, without those of the parent. */
  readonly refs: RefStore
  readonly parent: Repo | undefined
  readonly #closeParent: boolean
  readonly #checkParent: ((path: string) => Promise<void>) | undefined
  readonly #updateSummary: UpdateSummary | undefined
  #config: KeyFile
  #settings: RepoSettings

  private constructor(
    storage: Storage,
    platform: Platform,
    text: string,
    { parent, closeParent = false, checkParent, updateSummary }: RepoOptions,
  ) {
    const { config, settings } = parseConfig(text)
    if (settings.mode !== storage.mode) {
      throw new FormatError('config', `Mode ${settings.mode} is configured, but the storage has mode ${storage.mode}`)
    }
    this.storage = storage
    this.platform = platform
    this.mode = storage.mode
    this.parent = parent
    this.#closeParent = closeParent
    this.#checkParent = checkParent
    this.objects = parent === undefined ? storage.objects : objectsWithParent(storage.objects, parent.objects)
    this.#updateSummary = updateSummary && settings.autoUpdateSummary ? () => updateSummary(this) : undefined
    this.refs = this.#updateSummary === undefined ? storage.refs : refsWithSummary(storage.refs, this.#updateSummary)
    this.#config = config
    this.#settings = settings
  }

  /**
   * Opens a repository over a storage, which `close` closes.
   * @throws {FormatError}, {UnsupportedError} or {NotFoundError} when the configuration is invalid
   */
  static async open(storage: Storage, platform: Platform, options: RepoOptions = {}): Promise<Repo> {
    return new Repo(storage, platform, await storage.readConfig(), options)
  }

  /** The key file as last read or written. To change the configuration, use `writeConfig` or `editConfig`. */
  get config(): KeyFile {
    return this.#config
  }

  /** The settings in the key file, validated and with defaults. */
  get settings(): RepoSettings {
    return this.#settings
  }

  /**
   * Replaces the key file.
   * @throws {FormatError}, {UnsupportedError} or {NotFoundError} when it is invalid; nothing has been written
   */
  async writeConfig(text: string): Promise<void> {
    const { config, settings } = parseConfig(text)
    if (settings.parent !== undefined) await this.#checkParent?.(settings.parent)
    await this.storage.writeConfig(text)
    this.#config = config
    this.#settings = settings
  }

  /**
   * Resolves a revision: a checksum, an abbreviated one, or a ref, each optionally with `^` for its parent. The rules
   * are in refs/resolve.ts.
   * @throws {RefNotFoundError} when there is no such ref
   * @throws {InvalidNameError} when the revision is malformed or ambiguous
   */
  resolve(rev: string): Promise<Checksum> {
    return resolveRev(this, rev)
  }

  /** Resolves a revision like `resolve`, but returns `undefined` when there is no such ref. */
  tryResolve(rev: string, options?: ResolveOptions): Promise<Checksum | undefined> {
    return tryResolveRev(this, rev, options)
  }

  /** Reads a commit. @throws {ObjectNotFoundError} when it does not exist; {FormatError} when it is malformed */
  readCommit(checksum: Checksum): Promise<Commit> {
    return readCommit(this.objects, checksum)
  }

  /** Reads a dirtree. @throws {ObjectNotFoundError} when it does not exist; {FormatError} when it is malformed */
  readDirTree(checksum: Checksum): Promise<DirTree> {
    return readDirTree(this.objects, checksum)
  }

  /** Reads a dirmeta. @throws {ObjectNotFoundError} when it does not exist; {FormatError} when it is malformed */
  readDirMeta(checksum: Checksum): Promise<DirMeta> {
    return readDirMeta(this.objects, checksum)
  }

  /** Reads the detached metadata of a commit, such as signatures. Empty when there is none. */
  async readDetachedMetadata(commit: Checksum): Promise<Vardict> {
    const bytes = await this.objects.readAttached('commitmeta', commit)
    return bytes === undefined ? [] : vardict.decode(bytes)
  }

  /**
   * Replaces the detached metadata of a commit, outside a transaction.
   * @throws {UnsupportedError} when the configuration requires fs-verity
   */
  async writeDetachedMetadata(commit: Checksum, metadata: Vardict): Promise<void> {
    if (this.#settings.fsverity === 'yes') throw withContext('Writing metadata object', verityError())
    await this.objects.writeAttached('commitmeta', commit, vardict.encode(metadata))
  }

  /** Tells whether a commit is complete or partial. */
  commitState(commit: Checksum): Promise<CommitState> {
    return Promise.resolve(this.objects.commitState(commit))
  }

  /**
   * Begins a transaction, which must be committed or disposed of.
   * @throws {ReadOnlyError} when the repository cannot be written
   * @throws {RepoLockedError} when it stays locked
   * @throws {ConflictError} when another transaction is open
   */
  async begin(options: BeginOptions = {}): Promise<Transaction> {
    const tx = await this.storage.begin({ ...options, fsync: options.fsync ?? this.#settings.fsync })
    const all = this.parent === undefined ? tx : transactionWithParent(tx, this.parent.objects)
    return this.#updateSummary === undefined ? all : transactionWithSummary(all, this.#updateSummary)
  }

  /** Runs `work` in a transaction, which is committed when `work` returns and aborted when it throws. */
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
   * Sets a ref to a commit, or deletes it with `undefined`; outside a transaction. Whether the commit exists is not
   * checked.
   * @throws {InvalidNameError} when the refspec is not valid
   * @throws {ConflictError} when the ref conflicts with another one, as `a` does with `a/b`
   */
  async setRef(refspec: string, target: Checksum | undefined): Promise<void> {
    const parsed = parseRefspec(refspec)
    validateNewRef(parsed)
    const to: RefTarget | undefined = target === undefined ? undefined : { commit: target }
    await this.refs.write(pathOf(parsed), to)
  }

  /** Lists the refs of this repository. Prefixes and errors are those of `listRefs` in refs/refs.ts. */
  listRefs(prefix?: string, options?: ListRefsOptions): Promise<ListedRef[]> {
    return listRefs(this.refs, prefix, options)
  }

  /** Closes the storage, and the parent with the option `closeParent`. */
  async close(): Promise<void> {
    await this.storage[Symbol.asyncDispose]()
    if (this.#closeParent) await this.parent?.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

/**
 * Changes the key file. As in libostree, comments, blank lines and translated keys are dropped.
 * @throws {FormatError}, {UnsupportedError} or {NotFoundError} when the result is invalid; nothing has been written
 */
export async function editConfig(repo: Repo, change: (file: KeyFile) => void): Promise<void> {
  const file = KeyFile.parse(await repo.storage.readConfig(), 'config', { keep: 'values' })
  change(file)
  await repo.writeConfig(file.toString())
}

/**
 * Returns the files of a repository beside objects and refs.
 * @param what what needs them, for the error message
 * @throws {UnsupportedError} `… needs a store that keeps files: …` in stores without them
 */
export function requireRepoFiles(repo: Repo, what: string): RepoFiles {
  const { files, location } = repo.storage
  if (files === undefined) throw new UnsupportedError(what, `${what} needs a store that keeps files: ${location}`)
  return files
}
