/**
 * Checks out a commit, or a part of it, as files: hard-linked to the repository where possible, else copied.
 *
 *   overwrite          existing directory    existing file
 *   none               error                 error
 *   union-files        kept                  replaced
 *   add                kept                  kept
 *   union-identical    kept                  kept if it is identical, else an error
 *
 * A directory that is kept keeps its owner, permissions, xattrs and time. Commits are not trusted: names are validated
 * when dirtrees are read, no symlink that leads out of the destination is followed, and depth and number of entries are
 * limited.
 *
 * Source: ostree-repo-checkout.c, checkout_tree_at_recurse and ostree_repo_checkout_at.
 */

import type { Checksum } from '../../bytes.ts'
import { ConflictError, IoError, LimitError, UsageError, withContext } from '../../errors.ts'
import { type DirMeta, S_IFDIR, S_IFMT } from '../../objects/index.ts'
import { commitRoot, lookupPath } from '../core/path.ts'
import { DirMetaReader, type DirTreeBytes, readDirTreeChecksums } from '../core/read-metadata.ts'
import { MAX_TREE_DEPTH, type TreeRoot } from '../core/tree.ts'
import { OPAQUE_WHITEOUT } from '../core/whiteouts.ts'
import { yieldToEventLoop } from '../core/yield-to-event-loop.ts'
import type { Repo } from '../repo.ts'
import { FilesAhead } from './ahead.ts'
import { FileCheckout } from './file.ts'
import type { CheckoutOptions } from './options.ts'
import type { CheckoutTarget, FileToMake, TargetDirectory } from './target.ts'

/** Default limit of files and directories in one checkout. Ten small dirtrees can refer to a billion entries. */
export const MAX_CHECKOUT_ENTRIES = 1 << 26
/** Entries after which the checkout yields to the event loop. */
const ENTRIES_PER_YIELD = 4096
/** Entries after which progress is reported. */
const ENTRIES_PER_REPORT = 256

/** Counts of what a checkout has created. */
export interface CheckoutResult {
  /** Number of directories created. */
  readonly directories: number
  /** Number of files hard-linked. */
  readonly linked: number
  /** Number of files and symlinks written. */
  readonly copied: number
  /** Number of existing files kept. */
  readonly kept: number
}

/**
 * Checks out a commit. On an error, what has been created so far is kept, as in ostree.
 *
 * @example
 * const { linked, copied } = await checkout(repo, await repo.resolve('main'), createCheckoutTarget('rootfs'))
 * @throws {PathNotFoundError} or {IoError} when the subpath does not exist
 * @throws {ConflictError} when an existing file or directory is in the way
 * @throws {UsageError} when options exclude each other
 * @throws {UnsupportedError} when hard links are required and the repository does not allow them
 * @throws {ObjectNotFoundError} or {FormatError} when an object is missing or malformed
 * @throws {LimitError} when the tree is too deep or has too many entries
 */
export async function checkout(
  repo: Repo,
  commit: Checksum,
  target: CheckoutTarget,
  options: CheckoutOptions = {},
): Promise<CheckoutResult> {
  const effective = effectiveOptions(repo, options)
  options.signal?.throwIfAborted()
  const root = await commitRoot(repo.objects, commit)
  const { subpath = '/' } = options
  const entry = subpath === '/' ? root : await lookupPath(repo.objects, root, subpath)
  const run = new Checkout(repo, target, effective)
  const parent = await target.open()
  try {
    if (options.etc === 'restore' && entry === root) await run.restoreEtc(root)
    if (entry.kind === 'directory') await run.directory(parent, target.name, entry, '/', 0)
    else await run.single(parent, entry.path.slice(entry.path.lastIndexOf('/') + 1), entry.checksum)
    await run.drain()
    run.report()
  } finally {
    await run.end()
    await parent.close()
  }
  return run.result
}

/** Checks the options, and applies those that others or the repository's mode imply. */
function effectiveOptions(repo: Repo, options: CheckoutOptions): CheckoutOptions {
  const { sePolicy, requireHardlinks = false, overwrite = 'none' } = options
  const forceCopy = options.forceCopy || sePolicy !== undefined
  if (forceCopy && requireHardlinks) throw new UsageError('Cannot specify both --require-hardlinks and --force-copy')
  if (overwrite === 'union-identical' && !requireHardlinks) {
    throw new UsageError('--union-identical requires --require-hardlinks')
  }
  const mode = repo.mode === 'bare-user-only' ? 'user' : options.mode
  return { ...options, mode, forceCopy, sePolicy: mode === 'user' ? undefined : sePolicy }
}

/** One run of a checkout. */
class Checkout {
  readonly #repo: Repo
  readonly #target: CheckoutTarget
  readonly #options: CheckoutOptions
  readonly #files: FileCheckout
  readonly #dirMetas: DirMetaReader
  readonly #ahead: FilesAhead | undefined
  #directories = 0
  #entries = 0
  #untilYield = ENTRIES_PER_YIELD
  /** The directory `/usr/etc` that is checked out at `/etc`. */
  #etc: TreeRoot | undefined
  /** Device of the repository, once it is needed. */
  #repoDevice: number | undefined

  constructor(repo: Repo, target: CheckoutTarget, options: CheckoutOptions) {
    this.#repo = repo
    this.#target = target
    this.#options = options
    this.#files = new FileCheckout(repo, target, options)
    this.#dirMetas = new DirMetaReader(repo.objects)
    const { defaultMethod } = this.#files
    const threads = defaultMethod && target.threads?.(repo.storage, defaultMethod, options)
    const make = ({ directory, name, checksum }: FileToMake) =>
      this.#files.checkOut(directory, name, checksum, undefined, undefined)
    this.#ahead = threads && new FilesAhead(threads, make)
  }

  get result(): CheckoutResult {
    const { linked, copied, kept, defaultMethod } = this.#files
    const made = this.#ahead?.made ?? 0
    const counts = defaultMethod === 'link' ? { linked: linked + made, copied } : { linked, copied: copied + made }
    return { directories: this.#directories, ...counts, kept }
  }

  /** Makes the checkout put `/usr/etc` at `/etc`, unless there is an `/etc`. */
  async restoreEtc(root: TreeRoot): Promise<void> {
    const { objects } = this.#repo
    const { files, dirs } = await readDirTreeChecksums(objects, root.tree)
    if (files.indexOf('etc') >= 0 || dirs.indexOf('etc') >= 0) return
    const usr = dirs.indexOf('usr')
    if (usr < 0) return
    const { dirs: belowUsr } = await readDirTreeChecksums(objects, dirs.checksum(usr))
    const etc = belowUsr.indexOf('etc')
    if (etc >= 0) this.#etc = belowUsr.directory(etc)
  }

  /** Reports how many entries are done. Threads may still create the last ones. */
  report(): void {
    this.#options.onProgress?.({ kind: 'entries', done: this.#entries })
  }

  /** Waits until threads have created all files. */
  async drain(): Promise<void> {
    await this.#ahead?.drain()
  }

  /** Stops the threads and waits for them. Idempotent. */
  async end(): Promise<void> {
    await this.#ahead?.end()
  }

  /** Checks out a single file into the target directory, which is created if it does not exist. */
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

  /**
   * Checks out a directory with everything below it.
   * @param path the path that filters get, with a slash at its end
   */
  async directory(parent: TargetDirectory, name: string, root: TreeRoot, path: string, depth: number): Promise<void> {
    if (depth > MAX_TREE_DEPTH) throw new LimitError('directory depth', MAX_TREE_DEPTH, undefined, path)
    this.#options.signal?.throwIfAborted()
    const content = await readDirTreeChecksums(this.#repo.objects, root.tree)
    const meta = await this.#dirMetas.read(root.meta)
    const { filter, whiteouts, overwrite = 'none' } = this.#options
    if (filter?.(path, { ...meta, target: '' }) === 'skip') return

    if (whiteouts) await this.#removeReplaced(parent, name, content, depth)
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
      // Threads may still create files in the directory, so they are stopped before it is closed.
      await this.end()
      await directory.close()
      throw error
    }
    const finish = () => this.#finish(directory, isNew ? meta : undefined)
    await (this.#ahead === undefined ? finish() : this.#ahead.leave(directory, finish))
  }

  /** Finishes and closes a directory. @param meta its metadata if it is new */
  async #finish(directory: TargetDirectory, meta: DirMeta | undefined): Promise<void> {
    try {
      if (meta !== undefined) await this.#complete(directory, meta)
      if (this.#options.fsync) await directory.sync()
    } finally {
      await directory.close()
    }
  }

  /** Checks out the entries of a directory. @param isNew the directory was created by this checkout */
  async #content(
    directory: TargetDirectory,
    { files, dirs }: DirTreeBytes,
    path: string,
    depth: number,
    isNew: boolean,
  ): Promise<void> {
    const { filter } = this.#options
    for (let i = 0; i < files.length; i++) {
      const name = files.name(i)
      const checksum = files.checksum(i)
      const pending = this.#count(path)
      if (pending !== undefined) await pending
      if (isNew && this.#ahead?.take({ directory, name, checksum })) continue
      const linked = this.#files.linkAtOnce(directory, name, checksum)
      if (linked === true || (linked && (await linked))) continue
      const below = `${path}${name}`
      await this.#files.checkOut(directory, name, checksum, filter && below, this.#labelPath(below))
    }
    for (let i = 0; i < dirs.length; i++) {
      const name = dirs.name(i)
      if (this.#etc !== undefined && path === '/usr/' && name === 'etc') continue
      await this.#count(path)
      await this.directory(directory, name, dirs.directory(i), `${path}${name}/`, depth + 1)
    }
    if (this.#etc === undefined || path !== '/') return
    await this.#count(path)
    await this.directory(directory, 'etc', this.#etc, '/usr/etc/', depth + 1)
  }

  /** Returns the path by which the SELinux policy labels a file; `undefined` without a policy. */
  #labelPath(path: string): string | undefined {
    const { sePolicy, subpath = '/', sePolicyPrefix = subpath } = this.#options
    return sePolicy && (`${sePolicyPrefix.replace(/\/+$/, '')}${path}` || '/')
  }

  /** Counts an entry. @returns a promise to await when it is time to yield to the event loop. @throws {LimitError} */
  #count(path: string): Promise<void> | undefined {
    const { maxEntries = MAX_CHECKOUT_ENTRIES } = this.#options
    if (++this.#entries > maxEntries) throw new LimitError('checkout entries', maxEntries, undefined, path)
    if (this.#entries % ENTRIES_PER_REPORT === 0) this.report()
    if (--this.#untilYield > 0) return undefined
    this.#untilYield = ENTRIES_PER_YIELD
    return yieldToEventLoop(this.#options.signal)
  }

  /** Removes what lower layers have at this path if the directory is opaque, or replaces a file. */
  async #removeReplaced(parent: TargetDirectory, name: string, { files }: DirTreeBytes, depth: number): Promise<void> {
    if (files.indexOf(OPAQUE_WHITEOUT) >= 0) {
      await parent.removeTree(name)
    } else if (this.#options.overwrite === 'union-files' && depth > 0) {
      const present = await parent.stat(name)
      if (present !== undefined && (present.mode & S_IFMT) !== S_IFDIR) await parent.removeTree(name)
    }
  }

  /** @throws {IoError} when hard links are required and the directory is on another device than the repository */
  async #requireLinkable(directory: TargetDirectory): Promise<void> {
    const repository = this.#repo.storage.directory
    if (!this.#options.requireHardlinks || repository === undefined) return
    this.#repoDevice ??= await this.#target.deviceOf(repository.path)
    const { device } = directory
    if (this.#repoDevice === device || device === undefined) return
    const devices = `src=${this.#repoDevice} destination=${device}`
    throw new IoError(`Unable to do hardlink checkout across devices (${devices})`, 'EXDEV')
  }

  /**
   * Sets permissions, owner and time. Done last, so that other users cannot access the directory before it is complete.
   */
  async #complete(directory: TargetDirectory, { uid, gid, mode }: DirMeta): Promise<void> {
    const { bareUserOnlyDirs, forceCopy } = this.#options
    const masked = this.#repo.mode === 'bare-user-only' || bareUserOnlyDirs
    await directory.setPermissions(mode & (masked ? 0o775 : 0o7777))
    if (this.#options.mode !== 'user') await directory.setOwner({ uid, gid })
    if (!forceCopy) await directory.setTimeZero()
  }
}

async function setXattrs(directory: TargetDirectory, { xattrs }: DirMeta, meta: Checksum): Promise<void> {
  try {
    await directory.setXattrs(xattrs)
  } catch (error) {
    throw withContext(`Processing dirmeta ${meta}`, error)
  }
}
