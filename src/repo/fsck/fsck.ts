/**
 * Verifies a repository: the commit of each ref exists, and so does each object that a commit reaches, with content
 * that matches its checksum. A commit that reaches a missing object is marked partial, if the repository can be
 * written. A lock is taken only with options that delete objects.
 *
 * Source: ot-builtin-fsck.c. Objects are verified in its order.
 */

import type { Checksum } from '../../bytes.ts'
import { FormatError, InvalidNameError, ObjectNotFoundError, OstreeError, withContext } from '../../errors.ts'
import { Commit, formatObjectName, type ObjectName } from '../../objects/index.ts'
import type { ProgressOptions } from '../../progress.ts'
import { workOff } from '../core/batches.ts'
import type { RefPath } from '../core/interface.ts'
import { isMissing, verifyObject } from '../core/verify-object.ts'
import { Pauses } from '../core/yield-to-event-loop.ts'
import { deleteObject, enableTombstones } from '../prune/delete.ts'
import { ReachingCommits, reachLeniently } from '../reach/lenient.ts'
import { ObjectTable } from '../reach/object-table.ts'
import { readRef, refspecOf } from '../refs/refs.ts'
import { collectionRefsInOrder, plainRefsInOrder } from '../refs/table-order.ts'
import type { Repo } from '../repo.ts'
import { type CollectionRef, verifyBackRefs, verifyBindings } from './bindings.ts'

/** An event that fsck reports while it runs. */
export type FsckEvent =
  /** A stage begins; `commits` is the number of commits to be verified. */
  | { readonly kind: 'stage'; readonly stage: 'refs' | 'collections' | 'commits' }
  | { readonly kind: 'stage'; readonly stage: 'objects'; readonly commits: number }
  /**
   * `object` is an object name, or `TEXT.commit` for a ref that holds TEXT instead of a checksum; `commits` reach it.
   */
  | { readonly kind: 'missing'; readonly object: string; readonly commits: readonly Checksum[] }
  | { readonly kind: 'corrupt'; readonly object: string; readonly error: OstreeError }
  | { readonly kind: 'marked-partial' | 'tombstone'; readonly commit: Checksum }

/** Options of `fsck`: additional checks, and the treatment of damaged objects. */
export interface FsckOptions extends ProgressOptions {
  /** Report all corrupt objects instead of failing at the first. */
  readonly all?: boolean | undefined
  /** Delete corrupt objects and continue as if they were missing. */
  readonly delete?: boolean | undefined
  /** Verify that the commit of each ref is bound to that ref. */
  readonly verifyBindings?: boolean | undefined
  /** Verify that the refs a commit is bound to point to it. */
  readonly verifyBackRefs?: boolean | undefined
  /**
   * Delete commits whose parent is missing, leaving tombstones. If there are any, also set `core.tombstone-commits`.
   */
  readonly addTombstones?: boolean | undefined
  /** Called with what is found, synchronously and in order. `onProgress` is called after each object. */
  readonly onEvent?: ((event: FsckEvent) => void) | undefined
}

/** Counts of what fsck has verified and found. */
export interface FsckResult {
  /** Number of commits verified, those of parent repositories included, partial ones excluded. */
  readonly commits: number
  /** Number of objects verified. */
  readonly objects: number
  /** Number of objects found missing or corrupt. */
  readonly damaged: number
  /** Number of commits that were partial already. */
  readonly partial: number
  /** Of the partial commits, those that an earlier fsck marked. */
  readonly fsckPartial: number
}

/**
 * Verifies a repository. Missing objects are reported as events.
 *
 * @example
 * const { damaged } = await fsck(repo, { all: true, onEvent: (event) => console.log(event) })
 * @throws {FormatError}, {ChecksumMismatchError} or another error at the first corrupt object, unless `all` or `delete`
 * @throws {ObjectNotFoundError} when the commit of a ref, or a dirtree, is missing, as the search cannot continue
 */
export async function fsck(repo: Repo, options: FsckOptions = {}): Promise<FsckResult> {
  const changes = options.delete || options.addTombstones
  const lock = changes ? await repo.storage.lock('exclusive') : undefined
  try {
    return await new Fsck(repo, options).run()
  } finally {
    await lock?.[Symbol.asyncDispose]()
  }
}

/** @throws {FormatError} with the message of `ostree fsck`, when objects were damaged or an earlier fsck found some */
export function requireSound({ damaged, partial, fsckPartial }: FsckResult): void {
  if (damaged > 0) throw new FormatError('repository', 'Repository corruption encountered')
  if (fsckPartial > 0) {
    // As in ostree, the message counts all partial commits, not only those that an earlier fsck marked.
    throw new FormatError('repository', `${partial} partial commits from fsck-detected corruption`)
  }
}

const STAGES = {
  refs: 'Validating refs...',
  collections: 'Validating refs in collections...',
  commits: 'Enumerating commits...',
} as const

/** Formats an event as the line that `ostree fsck` prints, without the newline. */
export function formatFsckEvent(event: FsckEvent): string {
  switch (event.kind) {
    case 'stage':
      if (event.stage !== 'objects') return STAGES[event.stage]
      return `Verifying content integrity of ${event.commits} commit objects...`
    case 'missing':
      return event.commits.length === 0
        ? `Object missing: ${event.object}`
        : `Object missing in commits ${event.commits.join(', ')}: ${event.object}`
    case 'corrupt':
      return event.error.message
    case 'marked-partial':
      return `Marking commit as partial: ${event.commit}`
    case 'tombstone':
      return `Adding tombstone for commit ${event.commit}`
  }
}

/** One run of fsck. */
class Fsck {
  readonly #repo: Repo
  readonly #options: FsckOptions
  readonly #event: (event: FsckEvent) => void
  #damaged = 0

  constructor(repo: Repo, options: FsckOptions) {
    this.#repo = repo
    this.#options = options
    this.#event = options.onEvent ?? (() => {})
  }

  async run(): Promise<FsckResult> {
    await this.#verifyRefs()
    const { complete, orphans, ...partial } = await this.#listCommits()
    this.#event({ kind: 'stage', stage: 'objects', commits: complete.length })
    const objects = await this.#verifyObjects(complete)
    if (this.#options.addTombstones) {
      if (orphans.length > 0) await enableTombstones(this.#repo)
      for (const commit of orphans) {
        this.#event({ kind: 'tombstone', commit })
        await deleteObject(this.#repo, { checksum: commit, type: 'commit' })
      }
    }
    return { commits: complete.length, objects, damaged: this.#damaged, ...partial }
  }

  async #verifyRefs(): Promise<void> {
    const { refs, settings } = this.#repo
    this.#event({ kind: 'stage', stage: 'refs' })
    for (const path of await plainRefsInOrder(refs)) {
      const name = (refspecOf(path) ?? path).replace(/^[^:]*:/, '')
      await this.#verifyRef(path, { collection: undefined, name })
    }
    this.#event({ kind: 'stage', stage: 'collections' })
    for (const { path, ...ref } of await collectionRefsInOrder(refs, settings.collectionId)) {
      await this.#verifyRef(path, ref)
    }
  }

  async #verifyRef(path: RefPath, ref: CollectionRef): Promise<void> {
    this.#options.signal?.throwIfAborted()
    const shown = ref.collection === undefined ? ref.name : `(${ref.collection}, ${ref.name})`
    const checksum = await this.#readRef(path, shown)
    if (checksum === undefined) return
    const name: ObjectName = { checksum, type: 'commit' }
    await this.#verify(name, undefined)
    let commit: Commit
    try {
      commit = Commit.decode(await this.#repo.objects.readMeta('commit', checksum))
    } catch (error) {
      throw withContext(`Loading commit for ref ${shown}`, error)
    }
    if (!this.#options.verifyBindings) return
    try {
      verifyBindings(commit, ref)
    } catch (error) {
      throw withContext(`Commit ${checksum}`, error)
    }
  }

  /**
   * Reads the commit of a ref.
   * @throws {ObjectNotFoundError} when the ref does not hold a checksum; reported like a missing commit
   */
  async #readRef(path: RefPath, shown: string): Promise<Checksum | undefined> {
    try {
      return await readRef(this.#repo.refs, path)
    } catch (error) {
      if (!(error instanceof InvalidNameError)) throw error
      const object = `${error.data.value}.commit`
      this.#event({ kind: 'missing', object, commits: [] })
      throw withContext(`Loading commit for ref ${shown}`, new ObjectNotFoundError(object))
    }
  }

  /**
   * Lists the commits, those of parent repositories too, because the objects they reach may be in this one.
   * @returns complete commits in the order of verification; with `addTombstones` also those whose parent is missing
   * @throws {ObjectNotFoundError} or {IoError} when a commit cannot be read
   */
  async #listCommits() {
    this.#event({ kind: 'stage', stage: 'commits' })
    const { signal, verifyBackRefs: backRefs, addTombstones } = this.#options
    const all = new ObjectTable()
    for (let at: Repo | undefined = this.#repo; at !== undefined; at = at.parent) {
      const commits: Checksum[] = []
      for await (const { checksum } of at.storage.objects.list('commit')) commits.push(checksum)
      // Sorted, because the order of insertion affects the order of the table, and differs between stores.
      for (const checksum of commits.sort()) all.add({ checksum, type: 'commit' })
    }
    const complete = new ObjectTable()
    const orphans: Checksum[] = []
    let partial = 0
    let fsckPartial = 0
    const pauses = new Pauses(signal)
    for (const name of all.list()) {
      const pause = pauses.next()
      if (pause !== undefined) await pause
      const { checksum } = name
      const commit = Commit.decode(await this.#repo.objects.readMeta('commit', checksum))
      if (backRefs) await verifyBackRefs(this.#repo, checksum, commit)
      if (addTombstones && (await this.#lacksParent(commit))) orphans.push(checksum)
      const state = await this.#repo.commitState(checksum)
      if (state === 'complete') complete.add(name)
      else partial++
      if (state === 'fsck-partial') fsckPartial++
    }
    return { complete: Array.from(complete.list(), ({ checksum }) => checksum), orphans, partial, fsckPartial }
  }

  async #lacksParent({ parent }: Commit): Promise<boolean> {
    return parent !== undefined && !(await this.#repo.objects.has({ checksum: parent, type: 'commit' }))
  }

  /** Verifies all objects that the commits reach. @returns their number */
  async #verifyObjects(commits: readonly Checksum[]): Promise<number> {
    const { signal, onProgress } = this.#options
    const names = await reachLeniently(this.#repo, commits, signal)
    const reaching = new ReachingCommits(this.#repo, commits)
    const total = names.length
    const pauses = new Pauses(signal)
    for await (const { from, to, left } of workOff(this.#repo.storage.objects, 'verify', names)) {
      for (let at = from; at < to; at++) {
        const pause = pauses.next()
        if (pause !== undefined) await pause
        if (left.has(at)) await this.#verify(names.name(at), reaching)
        onProgress?.({ kind: 'step', label: 'fsck', done: at + 1, total })
      }
    }
    return total
  }

  /**
   * Verifies an object. If it is missing or deleted, marks the commits that reach it as partial.
   * @param reaching finds those commits; `undefined` for none
   */
  async #verify(name: ObjectName, reaching: ReachingCommits | undefined): Promise<void> {
    try {
      await verifyObject(this.#repo, name)
    } catch (error) {
      if (!(error instanceof OstreeError)) throw error
      const missing = isMissing(error, name)
      const commits = (await reaching?.find(name)) ?? []
      if (missing) this.#event({ kind: 'missing', object: formatObjectName(name), commits })
      else await this.#handleCorrupt(name, commits, error)
      this.#damaged++
      if (name.type === 'commit' || !(missing || this.#options.delete)) return
      for (const commit of commits) await this.#markPartial(commit)
    }
  }

  /** Reports a corrupt object, and tries to delete it with the option `delete`. @throws the error, unless `all` or `delete` */
  async #handleCorrupt(name: ObjectName, commits: readonly Checksum[], error: OstreeError): Promise<void> {
    const object = formatObjectName(name)
    const { all, delete: remove } = this.#options
    const reported = commits.length === 0 ? error : withContext(`In commits ${commits.join(', ')}`, error)
    if (!all && !remove) throw reported
    this.#event({ kind: 'corrupt', object, error: reported })
    if (!remove) return
    try {
      await deleteObject(this.#repo, name)
    } catch (error) {
      // ostree goes on too: a directory, for example, cannot be deleted as a file.
      if (!(error instanceof OstreeError)) throw error
    }
  }

  async #markPartial(commit: Checksum): Promise<void> {
    if (!this.#repo.storage.writable) return
    if ((await this.#repo.commitState(commit)) !== 'complete') return
    this.#event({ kind: 'marked-partial', commit })
    await this.#repo.objects.setCommitState(commit, 'fsck-partial')
  }
}
