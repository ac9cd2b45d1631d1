/**
 * Whether a repository is whole: each ref has its commit, each commit all it reaches, each object the bytes its name
 * promises. A commit that misses something is marked partial, where that can be written.
 *
 * Source: ot-builtin-fsck.c, whose order it keeps. No lock is taken unless something is deleted.
 */

import type { Checksum } from '../../bytes.ts'
import { FormatError, InvalidNameError, ObjectNotFoundError, OstreeError, withContext } from '../../errors.ts'
import { Commit, formatObjectName, type ObjectName } from '../../objects/index.ts'
import type { ProgressOptions } from '../../progress.ts'
import { workOff } from '../core/batches.ts'
import type { RefPath } from '../core/interface.ts'
import { isMissing, verifyObject } from '../core/verify-object.ts'
import { deleteObject, enableTombstones } from '../prune/delete.ts'
import { Above, reachLeniently } from '../reach/lenient.ts'
import { ObjectTable } from '../reach/object-table.ts'
import { readRef, refspecOf } from '../refs/refs.ts'
import { collectionRefsInOrder, plainRefsInOrder } from '../refs/table-order.ts'
import type { Repo } from '../repo.ts'
import { type CollectionRef, verifyBackRefs, verifyBindings } from './bindings.ts'

export type FsckEvent =
  /** Something begins; `commits` are those about to be verified. */
  | { readonly kind: 'stage'; readonly stage: 'refs' | 'collections' | 'commits' }
  | { readonly kind: 'stage'; readonly stage: 'objects'; readonly commits: number }
  | { readonly kind: 'progress'; readonly done: number; readonly total: number }
  /** `object` is a name, or what a broken ref holds in the place of one; `commits` reach it. */
  | { readonly kind: 'missing'; readonly object: string; readonly commits: readonly Checksum[] }
  | { readonly kind: 'corrupt'; readonly object: string; readonly error: OstreeError }
  | { readonly kind: 'marked-partial' | 'tombstone'; readonly commit: Checksum }

export interface FsckOptions extends Pick<ProgressOptions, 'signal'> {
  /** Tell all that is corrupt instead of failing with the first. */
  readonly all?: boolean | undefined
  /** Delete what is corrupt, and go on as if it were missing. */
  readonly delete?: boolean | undefined
  /** Refs and the commits they point to must name each other. */
  readonly verifyBindings?: boolean | undefined
  /** Every commit's refs must point to it. */
  readonly verifyBackRefs?: boolean | undefined
  /** Delete commits whose parent is missing, leaving tombstones; and leave them for all that will be deleted. */
  readonly addTombstones?: boolean | undefined
  /** Told synchronously, in order. */
  readonly onEvent?: ((event: FsckEvent) => void) | undefined
}

export interface FsckResult {
  /** Commits verified: of the repository and its parents, partial ones not counted. */
  readonly commits: number
  readonly objects: number
  /** Objects found missing or corrupt. */
  readonly damaged: number
  /** Commits that were partial already. */
  readonly partial: number
  /** Of these, marked by an earlier fsck. */
  readonly fsckPartial: number
}

/**
 * @throws {FormatError}, {ChecksumMismatchError} and others on the first corrupt object, unless told to go on;
 *   {ObjectNotFoundError} when the commit of a ref, or a directory of a commit, is missing: then nothing more can be said
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

/** @throws {FormatError} unless all is well, as `ostree fsck` ends */
export function requireSound({ damaged, partial, fsckPartial }: FsckResult): void {
  if (damaged > 0) throw new FormatError('repository', 'Repository corruption encountered')
  if (fsckPartial > 0) {
    // As ostree: all partial commits are counted once one of them was marked by an earlier fsck.
    throw new FormatError('repository', `${partial} partial commits from fsck-detected corruption`)
  }
}

const STAGES = {
  refs: 'Validating refs...',
  collections: 'Validating refs in collections...',
  commits: 'Enumerating commits...',
} as const

/** One line of `ostree fsck`, without the newline. */
export function formatFsckEvent(event: FsckEvent): string {
  switch (event.kind) {
    case 'stage':
      if (event.stage !== 'objects') return STAGES[event.stage]
      return `Verifying content integrity of ${event.commits} commit objects...`
    case 'progress':
      return `fsck objects (${event.done}/${event.total}) ${Math.floor((100 * event.done) / event.total)}%`
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
    await this.#refs()
    const { whole, orphans, ...partial } = await this.#commits()
    this.#event({ kind: 'stage', stage: 'objects', commits: whole.length })
    const objects = await this.#objects(whole)
    if (this.#options.addTombstones) {
      if (orphans.length > 0) await enableTombstones(this.#repo)
      for (const commit of orphans) {
        this.#event({ kind: 'tombstone', commit })
        await deleteObject(this.#repo, { checksum: commit, type: 'commit' })
      }
    }
    return { commits: whole.length, objects, damaged: this.#damaged, ...partial }
  }

  async #refs(): Promise<void> {
    const { refs, settings } = this.#repo
    this.#event({ kind: 'stage', stage: 'refs' })
    for (const path of await plainRefsInOrder(refs)) {
      const name = (refspecOf(path) ?? path).replace(/^[^:]*:/, '')
      await this.#ref(path, { collection: undefined, name })
    }
    this.#event({ kind: 'stage', stage: 'collections' })
    for (const { path, ...ref } of await collectionRefsInOrder(refs, settings.collectionId)) await this.#ref(path, ref)
  }

  async #ref(path: RefPath, ref: CollectionRef): Promise<void> {
    this.#options.signal?.throwIfAborted()
    const shown = ref.collection === undefined ? ref.name : `(${ref.collection}, ${ref.name})`
    const checksum = await this.#target(path, shown)
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

  /** What stands in the ref, be it a checksum or not: a name no commit has. */
  async #target(path: RefPath, shown: string): Promise<Checksum | undefined> {
    try {
      return await readRef(this.#repo.refs, path)
    } catch (error) {
      if (!(error instanceof InvalidNameError)) throw error
      const object = `${error.data.value}.commit`
      this.#event({ kind: 'missing', object, commits: [] })
      throw withContext(`Loading commit for ref ${shown}`, new ObjectNotFoundError(object))
    }
  }

  /** Those of parent repositories too: what they reach may be here. */
  async #commits() {
    this.#event({ kind: 'stage', stage: 'commits' })
    const { signal, verifyBackRefs: backRefs, addTombstones } = this.#options
    const all = new ObjectTable()
    for (let at: Repo | undefined = this.#repo; at !== undefined; at = at.parent) {
      const commits: Checksum[] = []
      for await (const { checksum } of at.storage.objects.list('commit')) commits.push(checksum)
      // As a directory has them, whichever store it is.
      for (const checksum of commits.sort()) all.add({ checksum, type: 'commit' })
    }
    const whole = new ObjectTable()
    const orphans: Checksum[] = []
    let partial = 0
    let fsckPartial = 0
    for (const name of all.list()) {
      signal?.throwIfAborted()
      const { checksum } = name
      if (backRefs || addTombstones) {
        const commit = Commit.decode(await this.#repo.objects.readMeta('commit', checksum))
        if (backRefs) await verifyBackRefs(this.#repo, checksum, commit)
        if (addTombstones && (await this.#lacksParent(commit))) orphans.push(checksum)
      }
      const state = await this.#repo.commitState(checksum)
      if (state === 'complete') whole.add(name)
      else partial++
      if (state === 'fsck-partial') fsckPartial++
    }
    return { whole: Array.from(whole.list(), ({ checksum }) => checksum), orphans, partial, fsckPartial }
  }

  async #lacksParent({ parent }: Commit): Promise<boolean> {
    return parent !== undefined && !(await this.#repo.objects.has({ checksum: parent, type: 'commit' }))
  }

  async #objects(commits: readonly Checksum[]): Promise<number> {
    const { signal } = this.#options
    const names = await reachLeniently(this.#repo, commits, signal)
    const above = new Above(this.#repo, commits)
    const total = names.length
    for await (const { from, to, left } of workOff(this.#repo.storage.objects, 'verify', names)) {
      for (let at = from; at < to; at++) {
        signal?.throwIfAborted()
        if (left.has(at)) await this.#verify(names.name(at), above)
        this.#event({ kind: 'progress', done: at + 1, total })
      }
    }
    return total
  }

  /** @param above `undefined` when no commit is to be blamed */
  async #verify(name: ObjectName, above: Above | undefined): Promise<void> {
    try {
      await verifyObject(this.#repo, name)
    } catch (error) {
      if (!(error instanceof OstreeError)) throw error
      const missing = isMissing(error, name)
      const commits = (await above?.find(name)) ?? []
      if (missing) this.#event({ kind: 'missing', object: formatObjectName(name), commits })
      else await this.#corrupt(name, commits, error)
      this.#damaged++
      if (name.type === 'commit' || !(missing || this.#options.delete)) return
      for (const commit of commits) await this.#markPartial(commit)
    }
  }

  async #corrupt(name: ObjectName, commits: readonly Checksum[], error: OstreeError): Promise<void> {
    const object = formatObjectName(name)
    const { all, delete: remove } = this.#options
    const told = commits.length === 0 ? error : withContext(`In commits ${commits.join(', ')}`, error)
    if (!all && !remove) throw told
    this.#event({ kind: 'corrupt', object, error: told })
    if (remove) await deleteObject(this.#repo, name)
  }

  async #markPartial(commit: Checksum): Promise<void> {
    if (!this.#repo.storage.writable) return
    if ((await this.#repo.commitState(commit)) !== 'complete') return
    this.#event({ kind: 'marked-partial', commit })
    await this.#repo.objects.setCommitState(commit, 'fsck-partial')
  }
}
