/**
 * Checks out one file: as a whiteout, a hard link, or a copy. These are tried in libostree's order, which shows in the
 * result: empty files are never linked, and symlinks of a bare-user repository are always created anew.
 *
 * Source: ostree-repo-checkout.c, checkout_one_file_at.
 */

import type { Checksum, MaybePromise } from '../../bytes.ts'
import {
  ConflictError,
  FormatError,
  IoError,
  ObjectNotFoundError,
  UnsupportedError,
  withContext,
} from '../../errors.ts'
import { type FileInfo, isSymlink, S_IFLNK, S_IFMT, validateFilename } from '../../objects/index.ts'
import type { RepoMode, Storage } from '../core/interface.ts'
import { WHITEOUT_PREFIX } from '../core/whiteouts.ts'
import type { Repo } from '../repo.ts'
import { FileCopier, holdsFile } from './copy.ts'
import type { CheckoutOptions } from './options.ts'
import type { CheckoutTarget, FilePlace, HardLinkResult, TargetDirectory, TargetStat } from './target.ts'

const PASSTHROUGH_PREFIX = '.ostree-wh.'

const OWNER_READ = 0o400
const SET_ID = 0o6000

const REASONS: Readonly<Record<Exclude<HardLinkResult, 'linked'>, string>> = {
  EEXIST: 'File exists',
  ENOENT: 'No such file or directory',
  EMLINK: 'Too many links',
  EXDEV: 'Invalid cross-device link',
  EPERM: 'Operation not permitted',
}

/** The properties of a file that decide whether it is linked or copied. */
interface Shape {
  readonly symlink: boolean
  readonly size: number
  readonly mode: number
  /** The file's metadata; `undefined` when only the inode of the loose file was read. */
  readonly info: FileInfo | undefined
}

type LinkOutcome = 'linked' | 'kept' | 'not linked'

/** A repository to link from: the one checked out, or one of its parents. */
interface LinkableRepo {
  readonly repo: Repo
  /** Its loose files have the metadata that this checkout would give them, so they can be hard-linked. */
  readonly fits: boolean
  /** Its mode is `bare-user` or `bare-user-only`. */
  readonly userMode: boolean
  /** Absolute path of `objects`; `undefined` when the store has no loose files. */
  readonly folder: string | undefined
}

/** Checks out files into directories of the target, and counts them. */
export class FileCheckout {
  linked = 0
  copied = 0
  kept = 0
  readonly #repo: Repo
  readonly #target: CheckoutTarget
  readonly #options: CheckoutOptions
  readonly #sources: readonly LinkableRepo[]
  readonly #copier: FileCopier
  /**
   * How most files in a new directory are created, so that threads can do it; `undefined` when it depends on the file.
   */
  readonly defaultMethod: 'copy' | 'link' | undefined
  /** Every file is copied. */
  readonly #onlyCopies: boolean
  /** The inode of a loose file has the file's type and mode, so the object need not be read. */
  readonly #inodesTell: boolean
  /** Directory to link from after looking only at the inode; `undefined` when that is not enough. */
  readonly #plainFolder: string | undefined

  constructor(repo: Repo, target: CheckoutTarget, options: CheckoutOptions) {
    this.#repo = repo
    this.#target = target
    this.#options = options
    this.#copier = new FileCopier(repo, options)
    const sources: LinkableRepo[] = []
    for (let at: Repo | undefined = repo; at !== undefined; at = at.parent) {
      const userMode = at.mode === 'bare-user' || at.mode === 'bare-user-only'
      const fits = options.mode === 'user' ? userMode : at.mode === 'bare'
      sources.push({ repo: at, fits, userMode, folder: looseFolder(at.storage) })
    }
    this.#sources = sources
    const { forceCopy, requireHardlinks, filter, whiteouts, passthroughWhiteouts } = options
    const mayLink = !forceCopy && (requireHardlinks || this.#usesCache || sources.some(({ fits }) => fits))
    const dependsOnName = filter !== undefined || whiteouts || passthroughWhiteouts
    this.#onlyCopies = !mayLink && !dependsOnName
    this.#inodesTell = filter === undefined && inodesTell(repo.mode)
    const links = mayLink && !dependsOnName && options.devino === undefined && sources[0]?.fits
    this.#plainFolder = links && this.#inodesTell ? sources[0]?.folder : undefined
    const usual = this.#onlyCopies ? 'copy' : links ? 'link' : undefined
    this.defaultMethod = options.sePolicy === undefined ? usual : undefined
  }

  /**
   * Hard-links a file in the simplest and most frequent case, without a promise if the target is synchronous.
   * @returns whether the file was linked; if not, nothing was changed
   */
  linkAtOnce(directory: TargetDirectory, name: string, checksum: Checksum): MaybePromise<boolean> {
    if (this.#plainFolder === undefined) return false
    const from = looseFile(this.#plainFolder, checksum)
    const inode = this.#target.statPlace(from)
    if (inode === undefined || inode instanceof Promise || (inode.mode & S_IFMT) === S_IFLNK) return false
    if (isNeverLinked(inode, this.#options)) return false
    const result = directory.hardLink(name, from)
    if (result instanceof Promise) return result.then((late) => this.#countLinked(late))
    return this.#countLinked(result)
  }

  #countLinked(result: HardLinkResult): boolean {
    if (result !== 'linked') return false
    this.linked++
    return true
  }

  /**
   * Checks out a file in any way.
   * @param path path for the filter; `undefined` without one
   * @param labelPath path by which the SELinux policy labels the file; `undefined` without a policy
   */
  async checkOut(
    directory: TargetDirectory,
    name: string,
    checksum: Checksum,
    path: string | undefined,
    labelPath: string | undefined,
  ): Promise<void> {
    if (this.#onlyCopies) return this.#copy(directory, name, checksum, labelPath)
    const looked = this.#shape(checksum)
    const shape = looked instanceof Promise ? await looked : looked
    if (path !== undefined && shape.info !== undefined) {
      if (this.#options.filter?.(path, shape.info.header) === 'skip') return
    }
    if (!shape.symlink && (await this.#applyWhiteout(directory, name, checksum))) return

    const mustCopy = !shape.symlink && isNeverLinked(shape, this.#options)
    let outcome: LinkOutcome = 'not linked'
    if (!mustCopy && !this.#options.forceCopy) {
      outcome = await this.#link(directory, name, checksum, shape)
      if (outcome === 'not linked' && !shape.symlink)
        outcome = await this.#linkFromCache(directory, name, checksum, shape)
    }
    if (outcome === 'linked') this.linked++
    else if (outcome === 'kept') this.kept++
    else await this.#copy(directory, name, checksum, labelPath)
  }

  async #copy(directory: TargetDirectory, name: string, checksum: Checksum, labelPath?: string): Promise<void> {
    if (await this.#copier.copy(directory, name, checksum, labelPath)) this.copied++
    else this.kept++
  }

  #shape(checksum: Checksum): Shape | Promise<Shape> {
    const folder = this.#inodesTell ? this.#sources[0]?.folder : undefined
    if (folder === undefined) return this.#shapeOfObject(checksum)
    const inode = this.#target.statPlace(looseFile(folder, checksum))
    // The target cannot look at inodes, or the object is in a parent repository.
    if (inode instanceof Promise || inode === undefined) return this.#shapeOfObject(checksum)
    return { symlink: (inode.mode & S_IFMT) === S_IFLNK, size: inode.size, mode: inode.mode, info: undefined }
  }

  async #shapeOfObject(checksum: Checksum): Promise<Shape> {
    const pending = this.#repo.objects.statFile(checksum)
    const info = pending instanceof Promise ? await pending : pending
    return { symlink: isSymlink(info.header), size: info.size, mode: info.header.mode, info }
  }

  /**
   * Applies a whiteout: removes a file, or creates a whiteout device.
   * @returns false when the file is not a whiteout
   */
  async #applyWhiteout(directory: TargetDirectory, name: string, checksum: Checksum): Promise<boolean> {
    const { whiteouts, passthroughWhiteouts } = this.#options
    if (whiteouts && name.startsWith(WHITEOUT_PREFIX)) {
      await directory.removeTree(hiddenName(name, WHITEOUT_PREFIX, 'whiteout'))
      return true
    }
    if (passthroughWhiteouts && name.startsWith(PASSTHROUGH_PREFIX)) {
      const hidden = hiddenName(name, PASSTHROUGH_PREFIX, 'overlayfs whiteout')
      if (await this.#copier.whiteoutDevice(directory, hidden, checksum)) this.copied++
      else this.kept++
      return true
    }
    return false
  }

  /** Links a file from this repository, a parent, or a file that is in the cache already. */
  async #link(directory: TargetDirectory, name: string, checksum: Checksum, shape: Shape): Promise<LinkOutcome> {
    for (const { repo, fits, userMode, folder } of this.#sources) {
      // A bare-user repository stores symlinks as regular files, which cannot be linked.
      const recreated = userMode && shape.symlink
      if (this.#options.requireHardlinks && !fits && !recreated) {
        const message = userMode
          ? 'User repository mode requires user checkout mode to hardlink'
          : 'Bare repository mode cannot hardlink in user checkout mode'
        throw new UnsupportedError('hard links', message)
      }
      let from: FilePlace | undefined
      if (fits && !recreated) {
        if (folder !== undefined) from = looseFile(folder, checksum)
        else if (this.#options.requireHardlinks) {
          throw new UnsupportedError('hard links', `${repo.storage.location} has no files that could be linked`)
        }
      } else if (this.#usesCache && repo === this.#repo) {
        from = this.#options.cache?.place(checksum)
      }
      if (from === undefined) continue
      const outcome = await this.#linkFrom(directory, name, checksum, from, true)
      if (outcome !== 'not linked') return outcome
    }
    return 'not linked'
  }

  /** Whether files can be linked from the cache of uncompressed objects. */
  get #usesCache(): boolean {
    const { cache, mode } = this.#options
    const { enableUncompressedCache } = this.#repo.settings
    return cache !== undefined && mode === 'user' && this.#repo.mode === 'archive' && enableUncompressedCache
  }

  /** Adds a file to the cache of uncompressed objects, and links it from there. */
  async #linkFromCache(
    directory: TargetDirectory,
    name: string,
    checksum: Checksum,
    { mode }: Shape,
  ): Promise<LinkOutcome> {
    const { cache } = this.#options
    if (cache === undefined || !this.#usesCache) return 'not linked'
    const { body } = await this.#repo.objects.readFile(checksum)
    try {
      await cache.add(checksum, body, mode & 0o7777 & ~SET_ID)
    } catch (error) {
      throw withContext(`Unpacking loose object ${checksum}`, error)
    }
    try {
      return await this.#linkFrom(directory, name, checksum, cache.place(checksum), false)
    } catch (error) {
      throw withContext(`Using new cached uncompressed hardlink of ${checksum} to ${name}`, error)
    }
  }

  /** Links a file. @param mayBeMissing `from` need not exist */
  async #linkFrom(
    directory: TargetDirectory,
    name: string,
    checksum: Checksum,
    from: FilePlace,
    mayBeMissing: boolean,
  ): Promise<LinkOutcome> {
    const linking = directory.hardLink(name, from)
    const result = linking instanceof Promise ? await linking : linking
    if (result === 'linked') return this.#recordLink(checksum, from)
    if (result === 'EEXIST') return this.#linkOverExisting(directory, name, checksum, from)
    const required = this.#options.requireHardlinks
    if (result === 'ENOENT' ? mayBeMissing : !required) return 'not linked'
    throw linkError(result, checksum, name)
  }

  /** Records the inode of a linked file for a later commit. */
  async #recordLink(checksum: Checksum, from: FilePlace): Promise<LinkOutcome> {
    this.#options.devino?.set(await this.#target.identify(from), checksum)
    return 'linked'
  }

  /** Links a file where one exists, by the rules of `overwrite`. */
  async #linkOverExisting(
    directory: TargetDirectory,
    name: string,
    checksum: Checksum,
    from: FilePlace,
  ): Promise<LinkOutcome> {
    const { overwrite = 'none', whiteouts } = this.#options
    if (overwrite === 'add') return 'kept'
    if (overwrite === 'none') throw linkError('EEXIST', checksum, name)
    const present = await directory.stat(name)
    if (present !== undefined && (await this.#isIdentical(directory, name, checksum, from, present))) return 'kept'
    if (overwrite === 'union-identical') throw linkError('EEXIST', checksum, name)
    if (whiteouts) await directory.removeTree(name)
    await directory.replaceByHardLink(name, from)
    return this.#recordLink(checksum, from)
  }

  /** Tells whether an existing file is identical to the object: the same inode, or the same metadata and content. */
  async #isIdentical(
    directory: TargetDirectory,
    name: string,
    checksum: Checksum,
    from: FilePlace,
    present: TargetStat,
  ): Promise<boolean> {
    const identity = await this.#target.identify(from)
    if (identity === present.identity) return true
    const source = await this.#target.statPlace(from)
    if (source === undefined) throw new ObjectNotFoundError(`${checksum}.file`)
    const alike =
      source.mode === present.mode &&
      source.uid === present.uid &&
      source.gid === present.gid &&
      ((source.mode & S_IFMT) === S_IFLNK || source.size === present.size)
    return alike && holdsFile(this.#repo, directory, name, checksum)
  }
}

/**
 * Tells whether a regular file is always copied: an empty one, since sharing it saves nothing, and in a user checkout
 * one that its owner cannot read.
 */
export function isNeverLinked(
  { size, mode }: Pick<TargetStat, 'size' | 'mode'>,
  options: Pick<CheckoutOptions, 'mode'>,
): boolean {
  return size === 0 || (options.mode === 'user' && (mode & OWNER_READ) === 0)
}

/** Tells whether the loose files of a repository mode have the type and permissions of the files they store. */
export function inodesTell(mode: RepoMode): boolean {
  return mode === 'bare' || mode === 'bare-user-only'
}

function looseFolder({ directory }: Storage): string | undefined {
  return directory && `${directory.path}/objects`
}

/** Returns the path of a loose file, which need not exist: linking it fails then. */
export function looseFile(folder: string, checksum: Checksum): FilePlace {
  return { folder, path: `${checksum.slice(0, 2)}/${checksum.slice(2)}.file` }
}

/** Returns the name that a whiteout hides. @throws {FormatError} when it is empty or not a valid name */
function hiddenName(name: string, prefix: string, what: string): string {
  const hidden = name.slice(prefix.length)
  if (hidden === '') throw new FormatError('filename', `Invalid empty ${what} ''`)
  // `.wh...` hides `..`, which is the parent directory.
  validateFilename(hidden)
  return hidden
}

function linkError(result: Exclude<HardLinkResult, 'linked'>, checksum: Checksum, name: string): Error {
  const { path } = looseFile('', checksum)
  const message = `Hardlinking ${path} to ${name}: ${REASONS[result]}`
  return result === 'EEXIST' ? new ConflictError(name, message) : new IoError(message, result, name)
}
