/**
 * One file of a checkout: a whiteout, a hard link, or a copy. The order in which these are tried is libostree's, and can
 * be seen in the result: empty files are never linked, links of a bare-user repository are always made anew.
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
import type { RepoMode } from '../core/interface.ts'
import type { Repo } from '../repo.ts'
import { FileCopier, holdsFile } from './copy.ts'
import type { CheckoutOptions } from './options.ts'
import type { CheckoutTarget, FilePlace, HardLinkResult, TargetDirectory, TargetStat } from './target.ts'

const WHITEOUT_PREFIX = '.wh.'
export const OPAQUE_WHITEOUT = '.wh..wh..opq'
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

/** What decides between link and copy. */
interface Shape {
  readonly symlink: boolean
  readonly size: number
  readonly mode: number
  /** Where more than the inode was read. */
  readonly info: FileInfo | undefined
}

type LinkOutcome = 'linked' | 'kept' | 'not linked'

/** A repository, ours or a parent, as a place to link from. */
interface LinkSource {
  readonly repo: Repo
  /** Its files are what this checkout would make. */
  readonly fits: boolean
  readonly userMode: boolean
  /** `objects`; `undefined` where objects are no files. */
  readonly folder: string | undefined
}

export class FileCheckout {
  linked = 0
  copied = 0
  kept = 0
  readonly #repo: Repo
  readonly #target: CheckoutTarget
  readonly #options: CheckoutOptions
  readonly #sources: readonly LinkSource[]
  readonly #copier: FileCopier
  /** What most files come to, where the directory is new; `undefined` when there is more to be asked of each. */
  readonly common: 'copy' | 'link' | undefined
  /** Nothing but a copy can come out, whatever the file is. */
  readonly #onlyCopies: boolean
  /** The inode of a loose file tells all there is to know. */
  readonly #inodesTell: boolean
  /** Where files can be linked from with no more than a look at the inode. */
  readonly #plainFolder: string | undefined

  constructor(repo: Repo, target: CheckoutTarget, options: CheckoutOptions) {
    this.#repo = repo
    this.#target = target
    this.#options = options
    this.#copier = new FileCopier(repo, options)
    const sources: LinkSource[] = []
    for (let at: Repo | undefined = repo; at !== undefined; at = at.parent) {
      const userMode = at.mode === 'bare-user' || at.mode === 'bare-user-only'
      const fits = options.mode === 'user' ? userMode : at.mode === 'bare'
      sources.push({ repo: at, fits, userMode, folder: looseFolder(at) })
    }
    this.#sources = sources
    const { forceCopy, requireHardlinks, filter, whiteouts, passthroughWhiteouts } = options
    const mayLink = !forceCopy && (requireHardlinks || this.#mayUnpack || sources.some(({ fits }) => fits))
    const asksNames = filter !== undefined || whiteouts || passthroughWhiteouts
    this.#onlyCopies = !mayLink && !asksNames
    this.#inodesTell = filter === undefined && inodesTell(repo.mode)
    const links = mayLink && !asksNames && options.devino === undefined && sources[0]?.fits
    this.#plainFolder = links && this.#inodesTell ? sources[0]?.folder : undefined
    this.common = options.sePolicy !== undefined ? undefined : this.#onlyCopies ? 'copy' : links ? 'link' : undefined
  }

  /**
   * What most files of most checkouts come to, without a promise where the target needs none.
   * @returns whether the file was linked; if not, nothing has happened
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
   * @param path what the filter is asked about; `undefined` asks nothing
   * @param labelPath what the policy is asked about, where there is one
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
    if (!shape.symlink && (await this.#whiteout(directory, name, checksum))) return

    const mustCopy = !shape.symlink && isNeverLinked(shape, this.#options)
    let outcome: LinkOutcome = 'not linked'
    if (!mustCopy && !this.#options.forceCopy) {
      outcome = await this.#link(directory, name, checksum, shape)
      if (outcome === 'not linked' && !shape.symlink)
        outcome = await this.#linkUnpacked(directory, name, checksum, shape)
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
    // Another store in between, or a parent that has it.
    if (inode instanceof Promise || inode === undefined) return this.#shapeOfObject(checksum)
    return { symlink: (inode.mode & S_IFMT) === S_IFLNK, size: inode.size, mode: inode.mode, info: undefined }
  }

  async #shapeOfObject(checksum: Checksum): Promise<Shape> {
    const pending = this.#repo.objects.statFile(checksum)
    const info = pending instanceof Promise ? await pending : pending
    return { symlink: isSymlink(info.header), size: info.size, mode: info.header.mode, info }
  }

  /** @returns whether it was one */
  async #whiteout(directory: TargetDirectory, name: string, checksum: Checksum): Promise<boolean> {
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

  async #link(directory: TargetDirectory, name: string, checksum: Checksum, shape: Shape): Promise<LinkOutcome> {
    for (const { repo, fits, userMode, folder } of this.#sources) {
      const remade = userMode && shape.symlink
      if (this.#options.requireHardlinks && !fits && !remade) {
        const message = userMode
          ? 'User repository mode requires user checkout mode to hardlink'
          : 'Bare repository mode cannot hardlink in user checkout mode'
        throw new UnsupportedError('hard links', message)
      }
      let from: FilePlace | undefined
      if (fits && !remade) {
        if (folder !== undefined) from = looseFile(folder, checksum)
        else if (this.#options.requireHardlinks) {
          throw new UnsupportedError('hard links', `${repo.storage.location} has no files that could be linked`)
        }
      } else if (this.#mayUnpack && repo === this.#repo) {
        from = this.#options.cache?.place(checksum)
      }
      if (from === undefined) continue
      const outcome = await this.#linkFrom(directory, name, checksum, from, true)
      if (outcome !== 'not linked') return outcome
    }
    return 'not linked'
  }

  get #mayUnpack(): boolean {
    const { cache, mode } = this.#options
    const { enableUncompressedCache } = this.#repo.settings
    return cache !== undefined && mode === 'user' && this.#repo.mode === 'archive' && enableUncompressedCache
  }

  /** Unpacks the file to where others can be linked from, and links it. */
  async #linkUnpacked(
    directory: TargetDirectory,
    name: string,
    checksum: Checksum,
    { mode }: Shape,
  ): Promise<LinkOutcome> {
    const { cache } = this.#options
    if (cache === undefined || !this.#mayUnpack) return 'not linked'
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

  async #linkFrom(
    directory: TargetDirectory,
    name: string,
    checksum: Checksum,
    from: FilePlace,
    mayBeMissing: boolean,
  ): Promise<LinkOutcome> {
    const linking = directory.hardLink(name, from)
    const result = linking instanceof Promise ? await linking : linking
    if (result === 'linked') return this.#linkedFrom(checksum, from)
    if (result === 'EEXIST') return this.#linkOver(directory, name, checksum, from)
    const required = this.#options.requireHardlinks
    if (result === 'ENOENT' ? mayBeMissing : !required) return 'not linked'
    throw linkError(result, checksum, name)
  }

  async #linkedFrom(checksum: Checksum, from: FilePlace): Promise<LinkOutcome> {
    this.#options.devino?.set(await this.#target.identify(from), checksum)
    return 'linked'
  }

  async #linkOver(directory: TargetDirectory, name: string, checksum: Checksum, from: FilePlace): Promise<LinkOutcome> {
    const { overwrite = 'none', whiteouts } = this.#options
    if (overwrite === 'add') return 'kept'
    if (overwrite === 'none') throw linkError('EEXIST', checksum, name)
    const present = await directory.stat(name)
    if (present !== undefined && (await this.#isIdentical(directory, name, checksum, from, present))) return 'kept'
    if (overwrite === 'union-identical') throw linkError('EEXIST', checksum, name)
    if (whiteouts) await directory.removeTree(name)
    await directory.replaceByHardLink(name, from)
    return this.#linkedFrom(checksum, from)
  }

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

/** Of a regular file. Empty files share nothing worth sharing; a user could not read what the owner may not. */
export function isNeverLinked(
  { size, mode }: Pick<TargetStat, 'size' | 'mode'>,
  options: Pick<CheckoutOptions, 'mode'>,
): boolean {
  return size === 0 || (options.mode === 'user' && (mode & OWNER_READ) === 0)
}

/** Whether a loose file has the mode of the file it is. */
export function inodesTell(mode: RepoMode): boolean {
  return mode === 'bare' || mode === 'bare-user-only'
}

function looseFolder({ storage, objects }: Repo): string | undefined {
  return storage.path === undefined || objects.loosePath === undefined ? undefined : `${storage.path}/objects`
}

/** Whether or not it is there: linking it tells as well as the store would. */
export function looseFile(folder: string, checksum: Checksum): FilePlace {
  return { folder, path: `${checksum.slice(0, 2)}/${checksum.slice(2)}.file` }
}

function hiddenName(name: string, prefix: string, what: string): string {
  const hidden = name.slice(prefix.length)
  if (hidden === '') throw new FormatError('filename', `Invalid empty ${what} ''`)
  // `.wh...` would remove the directory above.
  validateFilename(hidden)
  return hidden
}

function linkError(result: Exclude<HardLinkResult, 'linked'>, checksum: Checksum, name: string): Error {
  const { path } = looseFile('', checksum)
  const message = `Hardlinking ${path} to ${name}: ${REASONS[result]}`
  return result === 'EEXIST' ? new ConflictError(name, message) : new IoError(message, result, name)
}
