/**
 * A commit, or a part of it, as files: hard-linked where the store has files to link, else copied.
 *
 *   overwrite          directory there    file there
 *   none               error              error
 *   union-files        kept               replaced
 *   add                kept               kept
 *   union-identical    kept               kept when it is the same, else an error
 *
 * A directory that is kept keeps its owner, permissions, xattrs and time. Hostile input: names come from dirtrees that
 * are checked when they are read, nothing is written through a symbolic link that leads out of the destination, and
 * depth and number of entries are limited.
 *
 * Source: ostree-repo-checkout.c, checkout_tree_at_recurse and ostree_repo_checkout_at.
 */

import type { Checksum } from '../../bytes.ts'
import { ConflictError, IoError, LimitError, UsageError, withContext } from '../../errors.ts'
import type { DirMeta, DirTree } from '../../objects/index.ts'
import { commitRoot, lookupPath } from '../core/path.ts'
import { DirMetaReader } from '../core/read-metadata.ts'
import { MAX_TREE_DEPTH, type TreeRoot } from '../core/tree.ts'
import { yieldToEventLoop } from '../core/yield-to-event-loop.ts'
import type { Repo } from '../repo.ts'
import { FilesAhead } from './ahead.ts'
import { FileCheckout, OPAQUE_WHITEOUT } from './file.ts'
import type { CheckoutOptions } from './options.ts'
import type { CheckoutTarget, FileToMake, TargetDirectory } from './target.ts'

/** Files and directories of one checkout, unless the caller says otherwise: ten small objects can name a billion. */
export const MAX_CHECKOUT_ENTRIES = 1 << 26
/** Entries between two rests. */
const ENTRIES_A_REST = 4096

export interface CheckoutResult {
  /** Made, not those that were there. */
  readonly directories: number
  readonly linked: number
  readonly copied: number
  /** Files that were there, and stayed. */
  readonly kept: number
}

/**
 * @throws {PathNotFoundError}, {IoError} for a subpath that is not there; {ConflictError} when something is in the way;
 *   {UnsupportedError} when links are required and cannot be; {ObjectNotFoundError}, {FormatError} on a broken
 *   repository. What was made until then stays.
 */
export async function checkout(
  repo: Repo,
  commit: Checksum,
  target: CheckoutTarget,
  options: CheckoutOptions = {},
): Promise<CheckoutResult> {
  const effective = canonical(repo, options)
  const root = await commitRoot(repo.objects, commit)
  const { subpath = '/' } = options
  const entry = subpath === '/' ? root : await lookupPath(repo.objects, root, subpath)
  const run = new Checkout(repo, target, effective)
  const parent = await target.open()
  try {
    if (entry.kind === 'directory') await run.directory(parent, target.name, entry, '/', 0)
    else await run.single(parent, entry.path.slice(entry.path.lastIndexOf('/') + 1), entry.checksum)
    await run.drain()
  } finally {
    await run.end()
    await parent.close()
  }
  return run.result
}

function canonical(repo: Repo, options: CheckoutOptions): CheckoutOptions {
  const { sePolicy, requireHardlinks = false, overwrite = 'none' } = options
  const forceCopy = options.forceCopy || sePolicy !== undefined
  if (forceCopy && requireHardlinks) throw new UsageError('Cannot specify both --require-hardlinks and --force-copy')
  if (overwrite === 'union-identical' && !requireHardlinks) {
    throw new UsageError('--union-identical requires --require-hardlinks')
  }
  const mode = repo.mode === 'bare-user-only' ? 'user' : options.mode
  return { ...options, mode, forceCopy, sePolicy: mode === 'user' ? undefined : sePolicy }
}

class Checkout {
  readonly #repo: Repo
  readonly #target: CheckoutTarget
  readonly #options: CheckoutOptions
  readonly #files: FileCheckout
  readonly #dirMetas: DirMetaReader
  readonly #ahead: FilesAhead | undefined
  #directories = 0
  #entries = 0
  #untilRest = ENTRIES_A_REST
  /** Looked up once. */
  #repoDevice: number | undefined

  constructor(repo: Repo, target: CheckoutTarget, options: CheckoutOptions) {
    this.#repo = repo
    this.#target = target
    this.#options = options
    this.#files = new FileCheckout(repo, target, options)
    this.#dirMetas = new DirMetaReader(repo.objects)
    const { common } = this.#files
    const threads = common && target.threads?.(repo.storage, common, options)
    const make = ({ directory, name, checksum }: FileToMake) =>
      this.#files.checkOut(directory, name, checksum, undefined, undefined)
    this.#ahead = threads && new FilesAhead(threads, make)
  }

  get result(): CheckoutResult {
    const { linked, copied, kept, common } = this.#files
    const made = this.#ahead?.made ?? 0
    const counts = common === 'link' ? { linked: linked + made, copied } : { linked, copied: copied + made }
    return { directories: this.#directories, ...counts, kept }
  }

  /** What is still under way gets done. */
  async drain(): Promise<void> {
    await this.#ahead?.drain()
  }

  /** What is still under way comes to an end, and nothing is begun any more. */
  async end(): Promise<void> {
    await this.#ahead?.end()
  }

  /** One file into the directory of the target, which is made if need be. */
  async single(parent: TargetDirectory, name: string, checksum: Checksum): Promise<void> {
    const { name: into } = this.#target
    if (into !== '.' && (await parent.makeDirectory(into))) this.#directories++
    const directory = await parent.openDirectory(into)
    try {
      await this.#files.checkOut(directory, name, checksum, undefined, this.#labelPath(''))
    } finally {
      await directory.close()
    }
  }

  /** @param path as filters see it */
  async directory(parent: TargetDirectory, name: string, root: TreeRoot, path: string, depth: number): Promise<void> {
    if (depth > MAX_TREE_DEPTH) throw new LimitError('directory depth', MAX_TREE_DEPTH, undefined, path)
    const content = await this.#repo.readDirTree(root.tree)
    const meta = await this.#dirMetas.read(root.meta)
    const { filter, whiteouts, overwrite = 'none' } = this.#options
    if (filter?.(path, { ...meta, target: '' }) === 'skip') return

    if (whiteouts) await this.#clearWay(parent, name, content, depth)
    const isNew = await parent.makeDirectory(name)
    if (isNew) this.#directories++
    else if (overwrite === 'none') throw new ConflictError(name, 'mkdirat: File exists')
    const directory = await parent.openDirectory(name)
    try {
      await this.#requireLinkable(directory)
      if (isNew && this.#options.mode !== 'user' && meta.xattrs.length > 0) {
        await setXattrs(directory, meta, root.meta)
      }
      await this.#content(directory, content, path, depth, isNew)
    } catch (error) {
      // Whatever is still at work in it must not see it closed.
      await this.end()
      await directory.close()
      throw error
    }
    const finish = () => this.#finish(directory, isNew ? meta : undefined)
    await (this.#ahead === undefined ? finish() : this.#ahead.leave(directory, finish))
  }

  /** @param meta of a directory that is new */
  async #finish(directory: TargetDirectory, meta: DirMeta | undefined): Promise<void> {
    try {
      if (meta !== undefined) await this.#complete(directory, meta)
      if (this.#options.fsync) await directory.sync()
    } finally {
      await directory.close()
    }
  }

  async #content(
    directory: TargetDirectory,
    { files, dirs }: DirTree,
    path: string,
    depth: number,
    isNew: boolean,
  ): Promise<void> {
    const { filter } = this.#options
    for (const { name, checksum } of files) {
      const pending = this.#count(path)
      if (pending !== undefined) await pending
      if (isNew && this.#ahead?.take({ directory, name, checksum })) continue
      const linked = this.#files.linkAtOnce(directory, name, checksum)
      if (linked === true || (linked && (await linked))) continue
      const below = `${path}${name}`
      await this.#files.checkOut(directory, name, checksum, filter && below, this.#labelPath(below))
    }
    for (const { name, tree, meta } of dirs) {
      await this.#count(path)
      await this.directory(directory, name, { tree, meta }, `${path}${name}/`, depth + 1)
    }
  }

  #labelPath(path: string): string | undefined {
    const { sePolicy, subpath = '/', sePolicyPrefix = subpath } = this.#options
    return sePolicy && (`${sePolicyPrefix.replace(/\/+$/, '')}${path}` || '/')
  }

  #count(path: string): Promise<void> | undefined {
    const { maxEntries = MAX_CHECKOUT_ENTRIES } = this.#options
    if (++this.#entries > maxEntries) throw new LimitError('checkout entries', maxEntries, undefined, path)
    if (--this.#untilRest > 0) return undefined
    this.#untilRest = ENTRIES_A_REST
    return yieldToEventLoop(this.#options.signal)
  }

  /** What the layers below had here and this one hides or replaces. */
  async #clearWay(parent: TargetDirectory, name: string, { files }: DirTree, depth: number): Promise<void> {
    if (files.some((file) => file.name === OPAQUE_WHITEOUT)) {
      await parent.removeTree(name)
    } else if (this.#options.overwrite === 'union-files' && depth > 0) {
      const present = await parent.stat(name)
      if (present !== undefined && !isDirectory(present.mode)) await parent.removeTree(name)
    }
  }

  async #requireLinkable(directory: TargetDirectory): Promise<void> {
    const { path } = this.#repo.storage
    if (!this.#options.requireHardlinks || path === undefined) return
    this.#repoDevice ??= await this.#target.deviceOf(path)
    const { device } = directory
    if (this.#repoDevice === device || device === undefined) return
    const devices = `src=${this.#repoDevice} destination=${device}`
    throw new IoError(`Unable to do hardlink checkout across devices (${devices})`, 'EXDEV')
  }

  /** Last, so that nobody else could get at a directory that was still under way. */
  async #complete(directory: TargetDirectory, { uid, gid, mode }: DirMeta): Promise<void> {
    const { bareUserOnlyDirs, forceCopy } = this.#options
    const masked = this.#repo.mode === 'bare-user-only' || bareUserOnlyDirs
    await directory.setPermissions(mode & (masked ? 0o775 : 0o7777))
    if (this.#options.mode !== 'user') await directory.setOwner({ uid, gid })
    if (!forceCopy) await directory.setTimeZero()
  }
}

function isDirectory(mode: number): boolean {
  return (mode & 0o170000) === 0o040000
}

async function setXattrs(directory: TargetDirectory, { xattrs }: DirMeta, meta: Checksum): Promise<void> {
  try {
    await directory.setXattrs(xattrs)
  } catch (error) {
    throw withContext(`Processing dirmeta ${meta}`, error)
  }
}
