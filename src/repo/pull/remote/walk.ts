/**
 * Walks from the requested commits to all objects that the target lacks, and fetches them, several at a time.
 *
 * ```
 * a commit in the target            its tree                     its parents
 * is new, or marked partial         is walked; what it lacks     are walked up to `depth`
 *                                   is fetched
 * exists and is complete            is assumed to exist          are walked up to `depth`
 * ```
 *
 * Metadata goes first as long as few files are waiting, so that there is always something to fetch and the queue stays
 * short.
 *
 * Source: ostree-repo-pull.c, scan_one_metadata_object, scan_commit_object, scan_dirtree_object.
 */

import type { Checksum } from '../../../bytes.ts'
import { withContext } from '../../../errors.ts'
import { type Commit, MAX_METADATA_SIZE, validateCommit } from '../../../objects/index.ts'
import { ChecksumSet, checksumAt, directoryAt } from '../../../objects/internal.ts'
import type { CommitState, Transaction } from '../../core/interface.ts'
import { readCommit, readDirTree, readDirTreeChecksums } from '../../core/read-metadata.ts'
import { verifyBindings } from '../../fsck/bindings.ts'
import type { Repo } from '../../repo.ts'
import type { Subpaths } from '../subpaths.ts'
import type { TimestampRules } from '../timestamps.ts'
import { isObjectAbsent, type RemoteObjects } from './objects.ts'
import type { WantedRemoteCommit } from './refs.ts'

/** What decides how far a walk goes and which commits it accepts. */
export interface WalkRules {
  readonly depth: number
  readonly commitOnly: boolean
  readonly subpaths: Subpaths
  readonly verifyBindings: boolean
  /** Collection of the remote, which commits must be bound to. */
  readonly collection: string | undefined
  readonly timestamps: TimestampRules
  /** Whether the remote keeps tombstones of deleted commits. */
  readonly tombstones: boolean
  /** Commits that this pull has stored by static deltas; their trees are walked too. */
  readonly byDelta: ReadonlySet<Checksum>
  /** Tasks at the same time. */
  readonly concurrency: number
  readonly signal: AbortSignal | undefined
  /** Verifies the signatures of a commit before it is stored. */
  verifyCommit(commit: Checksum, bytes: Uint8Array, attached: Uint8Array | undefined): Promise<void>
  /** Called after each object. */
  onProgress(): void
}

interface WaitingCommit {
  readonly commit: Checksum
  /** Set for a requested commit, not for a parent. */
  readonly wanted: WantedRemoteCommit | undefined
  /** Further generations to walk; negative for all. */
  readonly depth: number
}

interface WaitingTree {
  readonly checksum: Checksum
  /** Of the directory, such as `/usr/`. */
  readonly path: string
}

/** Files waiting above which no further directory is read. */
const MANY_FILES = 4096

/** Sizes of the queues, for progress. */
export interface WalkState {
  /** Objects found that are to be fetched. */
  readonly requested: number
  /** Directories and commits that are to be read. */
  readonly scanning: number
}

export class RemoteWalk {
  readonly #repo: Repo
  readonly #tx: Transaction
  readonly #objects: RemoteObjects
  readonly #rules: WalkRules
  readonly #commits: WaitingCommit[] = []
  readonly #trees: WaitingTree[] = []
  readonly #metas: Checksum[] = []
  readonly #files: Checksum[] = []
  readonly #seen = { tree: new Set<string>(), meta: new ChecksumSet(), file: new ChecksumSet() }
  /** How far the history of each walked commit was followed. */
  readonly #depths = new Map<Checksum, number>()
  #running = 0
  #requested = 0
  #failure: { readonly error: unknown } | undefined
  #wake: (() => void)[] = []

  constructor(repo: Repo, tx: Transaction, objects: RemoteObjects, rules: WalkRules) {
    this.#repo = repo
    this.#tx = tx
    this.#objects = objects
    this.#rules = rules
  }

  get state(): WalkState {
    return { requested: this.#requested, scanning: this.#commits.length + this.#trees.length }
  }

  /** All commits that were walked. */
  get commits(): Iterable<Checksum> {
    return this.#depths.keys()
  }

  /** Walks. @throws the first error, when everything that was running has settled */
  async run(wanted: readonly WantedRemoteCommit[]): Promise<void> {
    const { depth, concurrency } = this.#rules
    for (const each of wanted) this.#commits.push({ commit: each.commit, wanted: each, depth })
    await Promise.all(Array.from({ length: concurrency }, () => this.#work()))
    if (this.#failure !== undefined) throw this.#failure.error
  }

  async #work(): Promise<void> {
    while (this.#failure === undefined) {
      const task = this.#next()
      if (task === undefined) {
        if (this.#running === 0) break
        await new Promise<void>((resolve) => void this.#wake.push(resolve))
        continue
      }
      this.#running++
      try {
        this.#rules.signal?.throwIfAborted()
        await task()
        this.#rules.onProgress()
      } catch (error) {
        this.#failure ??= { error }
      }
      this.#running--
      this.#wakeAll()
    }
    this.#wakeAll()
  }

  #wakeAll(): void {
    const all = this.#wake
    if (all.length === 0) return
    this.#wake = []
    for (const resolve of all) resolve()
  }

  #next(): (() => Promise<void>) | undefined {
    const commit = this.#commits.pop()
    if (commit !== undefined) return () => this.#commit(commit)
    const meta = this.#metas.pop()
    if (meta !== undefined) return () => this.#meta('dirmeta', meta)
    const tree = this.#files.length > MANY_FILES ? undefined : this.#trees.pop()
    if (tree !== undefined) return () => this.#tree(tree)
    const file = this.#files.pop()
    if (file !== undefined) return () => this.#objects.fetchFile(file)
    return undefined
  }

  async #commit({ commit: checksum, wanted, depth }: WaitingCommit): Promise<void> {
    const before = this.#depths.get(checksum)
    // Walked before, as far as now or further. A requested ref still has to be checked.
    if (before !== undefined && wanted === undefined && isAsFar(before, depth)) return
    this.#depths.set(checksum, before !== undefined && isAsFar(before, depth) ? before : depth)
    const found = await this.#getCommit(checksum, wanted)
    if (found === undefined) return
    const { commit, state } = found
    this.#check(checksum, commit, wanted)
    await this.#rules.timestamps.check(checksum, commit, wanted?.ref)
    if (commit.parent !== undefined && depth !== 0) {
      this.#commits.push({ commit: commit.parent, wanted: undefined, depth: depth < 0 ? depth : depth - 1 })
    }
    if (state === 'complete' || this.#rules.commitOnly) return
    this.#pushTree({ checksum: commit.rootTree, path: '/' })
    this.#pushMeta(commit.rootMeta)
  }

  /** Fetches a commit and its detached metadata, verifies both, and stores them. `undefined` for a missing parent. */
  async #getCommit(
    checksum: Checksum,
    wanted: WantedRemoteCommit | undefined,
  ): Promise<{ commit: Commit; state: CommitState } | undefined> {
    const tx = this.#tx
    const name = { checksum, type: 'commit' } as const
    const rules = this.#rules
    // Detached metadata may have changed since the commit was pulled.
    const attached = await this.#objects.fetchAttached(checksum)
    if (await tx.has(name)) {
      const bytes = await tx.readMeta('commit', checksum)
      await rules.verifyCommit(checksum, bytes, attached ?? (await tx.readAttached('commitmeta', checksum)))
      if (attached !== undefined) await tx.writeAttached('commitmeta', checksum, attached)
      const state = rules.byDelta.has(checksum) ? 'partial' : await this.#repo.commitState(checksum)
      return { commit: await readCommit(tx, checksum), state }
    }
    const local = await this.#objects.readCommitLocally(checksum)
    let bytes = local?.bytes
    if (bytes === undefined) {
      this.#requested++
      try {
        bytes = await this.#objects.fetchMeta('commit', checksum, wanted?.size ?? MAX_METADATA_SIZE)
      } catch (error) {
        if (wanted !== undefined || !isObjectAbsent(error, name)) throw error
        if (rules.tombstones) await this.#tombstone(checksum)
        return undefined
      }
    }
    const detached = attached ?? local?.attached
    await rules.verifyCommit(checksum, bytes, detached)
    const commit = validateCommit(bytes)
    this.#check(checksum, commit, wanted)
    if (detached !== undefined) await tx.writeAttached('commitmeta', checksum, detached)
    tx.setCommitState(checksum, 'partial')
    await tx.writeMeta('commit', bytes, checksum)
    return { commit, state: 'partial' }
  }

  async #tombstone(commit: Checksum): Promise<void> {
    const bytes = await this.#objects.fetchTombstone(commit)
    if (bytes !== undefined) await this.#tx.writeAttached('tombstone-commit', commit, bytes)
  }

  /** Verifies the bindings of a commit. */
  #check(checksum: Checksum, commit: Commit, wanted: WantedRemoteCommit | undefined): void {
    const { verifyBindings: verified, collection } = this.#rules
    if (!verified) return
    try {
      verifyBindings(commit, { collection, ...(wanted?.ref !== undefined && { name: wanted.ref.name }) })
    } catch (error) {
      throw withContext(`Commit ${checksum}`, error)
    }
  }

  #pushTree(tree: WaitingTree): void {
    // With subpaths, the same directory at another path may have other entries that are wanted.
    const key = this.#rules.subpaths.all ? tree.checksum : `${tree.checksum}${tree.path}`
    if (this.#seen.tree.has(key)) return
    this.#seen.tree.add(key)
    this.#trees.push(tree)
  }

  #pushMeta(checksum: Checksum): void {
    if (this.#seen.meta.add(checksum)) this.#metas.push(checksum)
  }

  async #meta(type: 'dirtree' | 'dirmeta', checksum: Checksum): Promise<void> {
    if (await this.#tx.has({ checksum, type })) return
    if (await this.#objects.importLocally({ checksum, type })) return
    this.#requested++
    const bytes = await this.#objects.fetchMeta(type, checksum)
    await this.#tx.writeMeta(type, bytes, checksum)
  }

  async #tree({ checksum, path }: WaitingTree): Promise<void> {
    await this.#meta('dirtree', checksum)
    const { subpaths } = this.#rules
    if (!subpaths.all) return this.#partOfTree(checksum, path)
    const { bytes, files, dirs } = await readDirTreeChecksums(this.#tx, checksum)
    for (const at of files) await this.#pushFile(checksumAt(bytes, at))
    for (const at of dirs) {
      const { tree, meta } = directoryAt(bytes, at)
      this.#pushTree({ checksum: tree, path })
      this.#pushMeta(meta)
    }
  }

  /** Walks the entries of a directory that belong to the subpaths. */
  async #partOfTree(checksum: Checksum, path: string): Promise<void> {
    const { subpaths } = this.#rules
    const { files, dirs } = await readDirTree(this.#tx, checksum)
    for (const file of files) if (subpaths.has(path + file.name, false)) await this.#pushFile(file.checksum)
    for (const { name, tree, meta } of dirs) {
      if (!subpaths.has(path + name, true)) continue
      this.#pushTree({ checksum: tree, path: `${path}${name}/` })
      this.#pushMeta(meta)
    }
  }

  async #pushFile(checksum: Checksum): Promise<void> {
    if (!this.#seen.file.add(checksum)) return
    const name = { checksum, type: 'file' } as const
    const pending = this.#tx.has(name)
    if (pending instanceof Promise ? await pending : pending) return
    if (await this.#objects.importLocally(name)) return
    this.#requested++
    this.#files.push(checksum)
  }
}

/** Whether a history that was followed for `before` generations was followed at least for `depth`. */
function isAsFar(before: number, depth: number): boolean {
  return before < 0 || (depth >= 0 && before >= depth)
}
