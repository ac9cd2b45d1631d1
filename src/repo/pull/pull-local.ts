/**
 * Pulls commits from a repository on the same machine. Objects that both repositories store in the same form are
 * hard-linked, or copied where that is not possible; others are rewritten. Refs are set last, and only on success.
 *
 *   a commit in the target            its tree              its parents
 *   is new, or marked partial         is pulled             are pulled up to `depth`
 *   exists and is complete            is assumed to exist   are pulled up to `depth`
 *
 * The bindings of a commit are verified against the requested ref, the first one if there are several. Beyond that,
 * the options `untrusted` and `trusted` tell which objects are verified.
 *
 * Source: ostree-repo-pull.c (ostree_repo_pull_with_options, scan_one_metadata_object, scan_commit_object,
 * scan_dirtree_object), ostree-repo-commit.c (_ostree_repo_import_object).
 */

import type { Checksum } from '../../bytes.ts'
import { UsageError, withContext } from '../../errors.ts'
import type { Commit } from '../../objects/index.ts'
import { checksumAt, directoryAt } from '../../objects/internal.ts'
import type { ProgressOptions } from '../../progress.ts'
import type { BeginOptions, Transaction } from '../core/interface.ts'
import { readCommit, readDirTree, readDirTreeChecksums } from '../core/read-metadata.ts'
import { Pauses } from '../core/yield-to-event-loop.ts'
import { verifyBindings } from '../fsck/bindings.ts'
import { readRef, refspecOf } from '../refs/refs.ts'
import type { Verification } from '../remotes/signature-keys.ts'
import type { Repo } from '../repo.ts'
import { describeCommitFault, describeDirTreeFault, type PulledDirectory } from './describe-fault.ts'
import { requireSignedCommit, requireSignedSummary } from './gpg.ts'
import { type ImportRules, ObjectImporter } from './objects.ts'
import { resolveWanted, type WantedCommit, type WantedRefs } from './refs.ts'
import { Subpaths } from './subpaths.ts'
import type { TimestampRules } from './timestamps.ts'

/** Options of `pullLocal`: refs, depth and verification. */
export interface PullLocalOptions
  extends WantedRefs,
    BeginOptions,
    ImportRules,
    Pick<ProgressOptions, 'signal' | 'onProgress'> {
  /** Generations of parents to pull: 0 none (default), -1 all. A parent that the source does not have is skipped. */
  readonly depth?: number | undefined
  /** Pull commit objects only, and mark them as partial. */
  readonly commitOnly?: boolean | undefined
  /** Verify that a commit with ref bindings is bound to the requested ref. Default true. */
  readonly verifyBindings?: boolean | undefined
  /** Require that the commits are signed by a key of `remote`. Needs `remote` and `verification`. */
  readonly gpgVerify?: boolean | undefined
  /** Require that the summary of the source is signed by a key of `remote`. Needs `remote` and `verification`. */
  readonly gpgVerifySummary?: boolean | undefined
  readonly verification?: Verification | undefined
  /** Directories and files to pull, each beginning with a slash; the commits are marked as partial. Default: all. */
  readonly subpaths?: readonly string[] | undefined
}

/** What a pull from a configured remote asks for in addition. */
export interface LocalPullRules {
  /** Verifies the signatures of a commit, given its detached metadata. */
  verifyCommit(commit: Checksum, bytes: Uint8Array, attached: Uint8Array | undefined): Promise<void>
  /** Reads the summary of the source and verifies it, before refs are looked up. */
  summary(): Promise<Uint8Array | undefined>
  /** Whether refs become mirrored refs of the collection that the summary tells. */
  readonly mirror: boolean
  readonly timestamps: TimestampRules
}

/** Counts of what a pull has imported. */
export interface PullLocalResult {
  /** Number of metadata objects imported. */
  readonly metadata: number
  /** Number of file objects imported. */
  readonly content: number
  /** Bytes of content rewritten, without hard-linked and copied files. */
  readonly contentBytes: number
  /** Bytes of detached metadata copied again for commits that existed already. */
  readonly attachedBytes: number
}

/**
 * Pulls refs and commits. On an error nothing changes in `into`.
 *
 * @example
 * await pullLocal(from, into, { refs: ['main'], depth: -1 })
 * @throws {UsageError} when the depth is invalid, or a signature is required without `remote` or `verification`
 * @throws {InvalidNameError} or {RefNotFoundError} when a requested ref is malformed or does not exist
 * @throws {FormatError} `Commit X: …` when a commit is bound to other refs
 * @throws {DeniedError} when a required signature is missing or not good
 * @throws {IoError} or another error, `Importing X.TYPE: …`, when an object cannot be imported
 */
export async function pullLocal(from: Repo, into: Repo, options: PullLocalOptions = {}): Promise<PullLocalResult> {
  return pullBetween(from, into, options)
}

/** Pulls as `pullLocal`, with the rules of a remote. */
export async function pullBetween(
  from: Repo,
  into: Repo,
  options: PullLocalOptions,
  rules?: LocalPullRules,
): Promise<PullLocalResult> {
  const { depth = 0 } = options
  if (depth < -1) throw new UsageError(`Invalid depth ${depth}`, '--depth')
  if ((options.gpgVerify || options.gpgVerifySummary) && options.remote === undefined) {
    throw new UsageError('Must specify remote name to enable gpg verification')
  }
  const summary = rules === undefined ? signedSummary(from, into, options) : () => rules.summary()
  const wanted = await resolveWanted(from, options, { summary, mirror: rules?.mirror })
  const tx = await into.begin({ fsync: options.fsync, perObjectFsync: options.perObjectFsync })
  try {
    const pull = new LocalPull(from, into, tx, options, rules)
    await pull.run(wanted)
    for (const { commit, path } of wanted) {
      const at = path(into)
      if (at === undefined) continue
      // As in ostree, the ref is not set if its name resolves to the commit already, be it as a ref of a remote.
      const refspec = refspecOf(at)
      const known = refspec === undefined ? await readRef(into.refs, at) : await into.tryResolve(refspec)
      if (known !== commit) tx.setRef(at, { commit })
    }
    const { contentBytesWritten } = await tx.commit()
    return { ...pull.counts, contentBytes: contentBytesWritten }
  } finally {
    await tx[Symbol.asyncDispose]()
  }
}

/** Returns a function that reads and verifies the summary of the source, if that is required. */
function signedSummary(from: Repo, into: Repo, options: PullLocalOptions): (() => Promise<Uint8Array>) | undefined {
  const { gpgVerifySummary, remote = '' } = options // pullLocal has checked that there is a remote
  if (!gpgVerifySummary) return undefined
  return () => requireSignedSummary(from, into, remote, requireVerification(options))
}

function requireVerification({ verification }: PullLocalOptions): Verification {
  if (verification !== undefined) return verification
  throw new UsageError('Verifying signatures requires the option verification', 'verification')
}

/** An object of the queue. `wanted` is set for a requested commit, not for a parent. */
type Waiting =
  | { readonly type: 'commit'; readonly checksum: Checksum; readonly wanted?: Pick<WantedCommit, 'name'> }
  /** `path`, such as `/usr/`, is set only for a pull of subpaths. */
  | ({ readonly type: 'dirtree'; readonly path: string | undefined } & PulledDirectory)
  | { readonly type: 'dirmeta'; readonly checksum: Checksum }

/** One pull: a breadth-first walk from the requested commits. */
class LocalPull {
  readonly counts = { metadata: 0, content: 0, attachedBytes: 0 }
  readonly #from: Repo
  readonly #into: Repo
  readonly #tx: Transaction
  readonly #options: PullLocalOptions
  readonly #importer: ObjectImporter
  readonly #pauses: Pauses
  readonly #rules: LocalPullRules | undefined
  readonly #subpaths: Subpaths
  /**
   * Queue of objects, in the order found. As in ostree, the order decides against which ref the bindings of a commit
   * are verified, and how far its parents are followed.
   */
  #waiting: Waiting[] = []
  readonly #seen = { commit: new Set<string>(), dirtree: new Set<string>(), dirmeta: new Set<string>() }
  /** How many further generations to follow from a commit that was found as a parent; negative for all. */
  readonly #depths = new Map<Checksum, number>()
  /** Commits that were partial and whose trees have been pulled. */
  readonly #completed: Checksum[] = []

  constructor(from: Repo, into: Repo, tx: Transaction, options: PullLocalOptions, rules: LocalPullRules | undefined) {
    this.#rules = rules
    this.#subpaths = new Subpaths(options.subpaths)
    this.#from = from
    this.#into = into
    this.#tx = tx
    this.#options = options
    this.#importer = new ObjectImporter(from, into, tx, options)
    this.#pauses = new Pauses(options.signal)
  }

  /** Pulls commits. @param wanted the requested commits, in the order in which they are visited */
  async run(wanted: readonly WantedCommit[]): Promise<void> {
    this.#waiting = wanted.map((each) => ({ type: 'commit', checksum: each.commit, wanted: each }))
    while (this.#waiting.length > 0) {
      const level = this.#waiting
      this.#waiting = []
      for (const next of level) {
        const pause = this.#pauses.next()
        if (pause !== undefined) await pause
        // With subpaths, the same directory at another path may have other entries that are wanted.
        const key = next.type === 'dirtree' ? next.checksum + (next.path ?? '') : next.checksum
        if (this.#seen[next.type].has(key)) continue
        this.#seen[next.type].add(key)
        if (next.type === 'commit') await this.#commit(next.checksum, next.wanted)
        else if (next.type === 'dirtree') await this.#dirTree(next)
        else await this.#metadata('dirmeta', next.checksum)
      }
      const written = this.counts.metadata + this.counts.content
      this.#options.onProgress?.({ kind: 'objects', written, reused: 0, bytes: 0 })
    }
    for (const commit of this.#completed) this.#tx.setCommitState(commit, 'complete')
  }

  /** Pulls a commit and queues its parent and tree. @param wanted set for a requested commit, not for a parent */
  async #commit(checksum: Checksum, wanted: Pick<WantedCommit, 'name'> | undefined): Promise<void> {
    const { depth = 0, gpgVerify } = this.#options
    const isNew = await this.#importCommit(checksum, wanted !== undefined)
    if (isNew === undefined) return
    if (gpgVerify) await this.#requireSigned(checksum)
    if (this.#rules !== undefined) {
      const bytes = await this.#tx.readMeta('commit', checksum)
      await this.#rules.verifyCommit(checksum, bytes, await this.#tx.readAttached('commitmeta', checksum))
    }
    const commit = await readCommit(this.#tx, checksum).catch((error: unknown) => {
      throw describeCommitFault(error, checksum)
    })
    this.#requireBindings(checksum, commit, wanted?.name)
    const ref = wanted?.name === undefined ? undefined : { collection: undefined, name: wanted.name }
    await this.#rules?.timestamps.check(checksum, commit, ref)
    const left = this.#depths.get(checksum) ?? depth
    if (commit.parent !== undefined && left !== 0) {
      // As in ostree, the first commit that leads to a parent decides how far its history is followed.
      if (!this.#depths.has(commit.parent)) this.#depths.set(commit.parent, left < 0 ? left : left - 1)
      this.#waiting.push({ type: 'commit', checksum: commit.parent })
    }
    await this.#trees(checksum, isNew, commit)
  }

  /**
   * Imports a commit object and its detached metadata.
   * @param required false for a parent, which the source may lack
   * @returns whether the commit is new here; `undefined` when the source lacks it too
   */
  async #importCommit(checksum: Checksum, required: boolean): Promise<boolean | undefined> {
    const name = { checksum, type: 'commit' } as const
    const isHere = await this.#tx.has(name)
    if (!isHere && !required && !(await this.#from.objects.has(name))) {
      // The partial mark of a missing parent is set or removed like that of a pulled commit.
      this.#tx.setCommitState(checksum, this.#options.commitOnly ? 'partial' : 'complete')
      return undefined
    }
    // Detached metadata may have changed since the commit was pulled.
    const attached = await this.#from.objects.readAttached('commitmeta', checksum)
    if (attached !== undefined) await this.#tx.writeAttached('commitmeta', checksum, attached)
    if (isHere) this.counts.attachedBytes += attached?.length ?? 0
    if (isHere) return false
    await this.#importer.importObject(name)
    this.counts.metadata++
    return true
  }

  async #requireSigned(commit: Checksum): Promise<void> {
    const { remote = '' } = this.#options // pullLocal has checked that there is a remote
    await requireSignedCommit(this.#from, this.#into, commit, remote, requireVerification(this.#options))
  }

  #requireBindings(checksum: Checksum, commit: Commit, name: string | undefined): void {
    if (this.#options.verifyBindings === false) return
    const { collectionId: collection } = this.#from.settings
    try {
      verifyBindings(commit, { collection, ...(name !== undefined && { name }) })
    } catch (error) {
      throw withContext(`Commit ${checksum}`, error)
    }
  }

  /** Queues the tree of a commit, unless it is assumed to exist. */
  async #trees(checksum: Checksum, isNew: boolean, { rootTree, rootMeta }: Commit): Promise<void> {
    if (this.#options.commitOnly) {
      if (isNew) this.#tx.setCommitState(checksum, 'partial')
      return
    }
    if (!this.#subpaths.all) this.#tx.setCommitState(checksum, 'partial')
    if (!isNew) {
      if ((await this.#into.commitState(checksum)) === 'complete') return
      if (this.#subpaths.all) this.#completed.push(checksum)
    }
    this.#waiting.push(
      { type: 'dirtree', checksum: rootTree, parent: undefined, path: this.#subpaths.all ? undefined : '/' },
      { type: 'dirmeta', checksum: rootMeta },
    )
  }

  async #dirTree(directory: PulledDirectory & { readonly path: string | undefined }): Promise<void> {
    const { checksum, path } = directory
    await this.#metadata('dirtree', checksum)
    if (path !== undefined) return this.#partOfTree(directory, path)
    const { bytes, files, dirs } = await readDirTreeChecksums(this.#tx, checksum).catch(async (error: unknown) => {
      throw await describeDirTreeFault(error, directory, this.#tx)
    })
    for (const at of files) {
      const pause = this.#pauses.next()
      if (pause !== undefined) await pause
      const pending = this.#file(checksumAt(bytes, at))
      if (pending !== undefined) await pending
    }
    const pending = this.#tx.drained()
    if (pending !== undefined) await pending
    for (const at of dirs) {
      const { tree, meta } = directoryAt(bytes, at)
      this.#waiting.push(
        { type: 'dirtree', checksum: tree, parent: directory, path: undefined },
        { type: 'dirmeta', checksum: meta },
      )
    }
  }

  /** Pulls the entries of a directory that belong to the subpaths. */
  async #partOfTree(directory: PulledDirectory, path: string): Promise<void> {
    const { files, dirs } = await readDirTree(this.#tx, directory.checksum)
    for (const file of files) if (this.#subpaths.has(path + file.name, false)) await this.#file(file.checksum)
    for (const { name, tree, meta } of dirs) {
      if (!this.#subpaths.has(path + name, true)) continue
      this.#waiting.push(
        { type: 'dirtree', checksum: tree, parent: directory, path: `${path}${name}/` },
        { type: 'dirmeta', checksum: meta },
      )
    }
  }

  async #metadata(type: 'dirtree' | 'dirmeta', checksum: Checksum): Promise<void> {
    if (await this.#tx.has({ checksum, type })) return
    await this.#importer.importObject({ checksum, type })
    this.counts.metadata++
  }

  /** Imports a file. @returns `undefined` when that was synchronous, which saves a promise per file */
  #file(checksum: Checksum): Promise<void> | undefined {
    const name = { checksum, type: 'file' } as const
    const take = (isHere: boolean): Promise<void> | undefined => {
      if (isHere) return undefined
      this.counts.content++
      return this.#importer.importObject(name)
    }
    const isHere = this.#tx.has(name)
    return isHere instanceof Promise ? isHere.then(take) : take(isHere)
  }
}
