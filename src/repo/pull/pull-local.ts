/**
 * Commits from one repository into another on the same machine. What both keep in the same form is taken over as it is,
 * by a hard link where that can be; the rest is read and written anew. Refs move last, and only if all went well.
 *
 *   a commit that is                  its trees            its parents
 *   new, or marked partial            are walked           are, as far as `depth` says
 *   here and complete                 are taken for here   are, as far as `depth` says
 *
 * Commits are verified against the ref they are asked for by (their bindings), the first of several, and trusted
 * otherwise: what the source keeps under a name is what is kept here, unless `untrusted`.
 *
 * Source: ostree-repo-pull.c (ostree_repo_pull_with_options, scan_one_metadata_object, scan_commit_object,
 * scan_dirtree_object), ostree-repo-commit.c (_ostree_repo_import_object).
 */

import type { Checksum } from '../../bytes.ts'
import { UsageError, withContext } from '../../errors.ts'
import { type Commit, checksumAt, directoryAt } from '../../objects/index.ts'
import type { ProgressOptions } from '../../progress.ts'
import type { BeginOptions, Transaction } from '../core/interface.ts'
import { readCommit, readDirTreeChecksums } from '../core/read-metadata.ts'
import { verifyBindings } from '../fsck/bindings.ts'
import { readRef, refspecOf } from '../refs/refs.ts'
import type { Verification } from '../remotes/signature-keys.ts'
import type { Repo } from '../repo.ts'
import { requireSignedCommit, requireSignedSummary } from './gpg.ts'
import { type ImportRules, ObjectImport } from './objects.ts'
import { resolveWanted, type WantedCommit, type WantedRefs } from './refs.ts'

export interface PullLocalOptions
  extends WantedRefs,
    BeginOptions,
    ImportRules,
    Pick<ProgressOptions, 'signal' | 'onProgress'> {
  /** Parents to fetch of each commit: 0 none (default), -1 all. Where the history of the source ends, so does this one. */
  readonly depth?: number | undefined
  /** Only commit objects; they are marked partial. */
  readonly commitOnly?: boolean | undefined
  /** Whether a commit has to name the ref it is asked for by, if it names any. Default true. */
  readonly verifyBindings?: boolean | undefined
  /** Commits must be signed by keys of `remote`, which then is needed; so is `verification` for one that is signed. */
  readonly gpgVerify?: boolean | undefined
  /** As `gpgVerify`, the summary of the source. */
  readonly gpgVerifySummary?: boolean | undefined
  readonly verification?: Verification | undefined
}

export interface PullLocalResult {
  /** Objects that were not here before. */
  readonly metadata: number
  readonly content: number
  /** Bytes of content written; what was linked or copied is not. */
  readonly contentBytes: number
  /** Bytes of detached metadata fetched again, of commits that were here. */
  readonly attachedBytes: number
}

/**
 * @throws {RefNotFoundError}, {InvalidNameError} for a ref; {FormatError} `Commit X: …` for a commit of other bindings;
 *   `Importing X.TYPE: …` for what cannot be brought over. Nothing has changed then.
 */
export async function pullLocal(from: Repo, into: Repo, options: PullLocalOptions = {}): Promise<PullLocalResult> {
  const { depth = 0 } = options
  if (depth < -1) throw new UsageError(`Invalid depth ${depth}`, '--depth')
  if ((options.gpgVerify || options.gpgVerifySummary) && options.remote === undefined) {
    throw new UsageError('Must specify remote name to enable gpg verification')
  }
  const wanted = await resolveWanted(from, options, verifierOfSummary(from, into, options))
  const tx = await into.begin({ fsync: options.fsync, perObjectFsync: options.perObjectFsync })
  try {
    const pull = new LocalPull(from, into, tx, options)
    await pull.run(wanted)
    for (const { commit, path } of wanted) {
      const at = path(into)
      if (at === undefined) continue
      // As ostree: what already leads to the commit is left, be it the ref of a remote that answers to the name.
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

function verifierOfSummary(from: Repo, into: Repo, options: PullLocalOptions): (() => Promise<void>) | undefined {
  const { gpgVerifySummary, remote = '' } = options // without a remote it was refused
  if (!gpgVerifySummary) return undefined
  return () => requireSignedSummary(from, into, remote, requireVerification(options))
}

function requireVerification({ verification }: PullLocalOptions): Verification {
  if (verification !== undefined) return verification
  throw new UsageError('Verifying signatures needs to be told how', 'verification')
}

/** What is still to be looked at. */
type Waiting =
  | { readonly type: 'commit'; readonly checksum: Checksum; readonly wanted?: Pick<WantedCommit, 'name'> }
  | { readonly type: 'dirtree' | 'dirmeta'; readonly checksum: Checksum }

class LocalPull {
  readonly counts = { metadata: 0, content: 0, attachedBytes: 0 }
  readonly #from: Repo
  readonly #into: Repo
  readonly #tx: Transaction
  readonly #options: PullLocalOptions
  readonly #objects: ObjectImport
  /** First come, first looked at: which ref a commit is held against, and how far its parents are followed, hang on it. */
  #waiting: Waiting[] = []
  readonly #seen = { commit: new Set<Checksum>(), dirtree: new Set<Checksum>(), dirmeta: new Set<Checksum>() }
  /** Parents that are still to be followed from a commit that was met as one. */
  readonly #depths = new Map<Checksum, number>()
  /** Commits that were here in part. */
  readonly #completed: Checksum[] = []

  constructor(from: Repo, into: Repo, tx: Transaction, options: PullLocalOptions) {
    this.#from = from
    this.#into = into
    this.#tx = tx
    this.#options = options
    this.#objects = new ObjectImport(from, into, tx, options)
  }

  /** @param wanted in the order they are looked at */
  async run(wanted: readonly WantedCommit[]): Promise<void> {
    this.#waiting = wanted.map((each) => ({ type: 'commit', checksum: each.commit, wanted: each }))
    while (this.#waiting.length > 0) {
      const level = this.#waiting
      this.#waiting = []
      for (const next of level) {
        this.#options.signal?.throwIfAborted()
        if (this.#seen[next.type].has(next.checksum)) continue
        this.#seen[next.type].add(next.checksum)
        if (next.type === 'commit') await this.#commit(next.checksum, next.wanted)
        else if (next.type === 'dirtree') await this.#dirTree(next.checksum)
        else await this.#metadata('dirmeta', next.checksum)
      }
      const written = this.counts.metadata + this.counts.content
      this.#options.onProgress?.({ kind: 'objects', written, reused: 0, bytes: 0 })
    }
    for (const commit of this.#completed) this.#tx.setCommitState(commit, 'complete')
  }

  /** @param wanted what it is asked for by, unless it is a parent of what is */
  async #commit(checksum: Checksum, wanted: Pick<WantedCommit, 'name'> | undefined): Promise<void> {
    const { depth = 0, gpgVerify } = this.#options
    const isNew = await this.#importCommit(checksum, wanted !== undefined)
    if (isNew === undefined) return
    if (gpgVerify) await this.#requireSigned(checksum)
    const commit = await readCommit(this.#tx, checksum)
    this.#requireBindings(checksum, commit, wanted?.name)
    const left = this.#depths.get(checksum) ?? depth
    if (commit.parent !== undefined && left !== 0) {
      // As ostree: who met it first says how far.
      if (!this.#depths.has(commit.parent)) this.#depths.set(commit.parent, left < 0 ? left : left - 1)
      this.#waiting.push({ type: 'commit', checksum: commit.parent })
    }
    await this.#trees(checksum, isNew, commit)
  }

  /** @returns whether it is new; `undefined` when the source has no such parent either */
  async #importCommit(checksum: Checksum, required: boolean): Promise<boolean | undefined> {
    const name = { checksum, type: 'commit' } as const
    const isHere = await this.#tx.has(name)
    if (!isHere && !required && !(await this.#from.objects.has(name))) {
      // There is nothing of it but its name: the mark is set as for any other commit, and removed with theirs.
      this.#tx.setCommitState(checksum, this.#options.commitOnly ? 'partial' : 'complete')
      return undefined
    }
    // What is attached may have changed since the commit came.
    const attached = await this.#from.objects.readAttached('commitmeta', checksum)
    if (attached !== undefined) await this.#tx.writeAttached('commitmeta', checksum, attached)
    if (isHere) this.counts.attachedBytes += attached?.length ?? 0
    if (isHere) return false
    await this.#objects.take(name)
    this.counts.metadata++
    return true
  }

  async #requireSigned(commit: Checksum): Promise<void> {
    const { remote = '' } = this.#options // without a remote it was refused
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

  async #trees(checksum: Checksum, isNew: boolean, { rootTree, rootMeta }: Commit): Promise<void> {
    if (this.#options.commitOnly) {
      if (isNew) this.#tx.setCommitState(checksum, 'partial')
      return
    }
    if (!isNew) {
      if ((await this.#into.commitState(checksum)) === 'complete') return
      this.#completed.push(checksum)
    }
    this.#waiting.push({ type: 'dirtree', checksum: rootTree }, { type: 'dirmeta', checksum: rootMeta })
  }

  async #dirTree(checksum: Checksum): Promise<void> {
    await this.#metadata('dirtree', checksum)
    const { bytes, files, dirs } = await readDirTreeChecksums(this.#tx, checksum)
    for (const at of files) {
      const pending = this.#file(checksumAt(bytes, at))
      if (pending !== undefined) await pending
    }
    const pending = this.#tx.drained()
    if (pending !== undefined) await pending
    for (const at of dirs) {
      const { tree, meta } = directoryAt(bytes, at)
      this.#waiting.push({ type: 'dirtree', checksum: tree }, { type: 'dirmeta', checksum: meta })
    }
  }

  async #metadata(type: 'dirtree' | 'dirmeta', checksum: Checksum): Promise<void> {
    if (await this.#tx.has({ checksum, type })) return
    await this.#objects.take({ checksum, type })
    this.counts.metadata++
  }

  /** Without a promise where both stores answer at once. */
  #file(checksum: Checksum): Promise<void> | undefined {
    const name = { checksum, type: 'file' } as const
    const take = (isHere: boolean): Promise<void> | undefined => {
      if (isHere) return undefined
      this.counts.content++
      return this.#objects.take(name)
    }
    const isHere = this.#tx.has(name)
    return isHere instanceof Promise ? isHere.then(take) : take(isHere)
  }
}
