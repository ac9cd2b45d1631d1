/**
 * Names in an open directory. Node has no openat(2); on Linux `/proc/self/fd/N/NAME` is the same: the kernel starts at
 * the open directory, whatever has become of the path that led to it, and however long that path is. It costs nothing
 * over a full path (bench/checkout.mjs). Without `/proc` names are joined to the path of the directory, which is compared
 * with the open one once; a process that can rename directories on that path can then redirect what follows.
 */

import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readlinkSync,
  realpathSync,
  rmdirSync,
  unlinkSync,
} from 'node:fs'
import { DeniedError, IoError } from '../errors.ts'
import { errnoOf, errnoText, unless, withIo } from './errno.ts'

const DIRECTORY_FLAGS = constants.O_RDONLY | constants.O_DIRECTORY
/** Errors of O_NOFOLLOW for a link, with and without O_DIRECTORY. */
const LINK_REFUSED = ['ENOTDIR', 'ELOOP', 'EMLINK']
/** Text, or bytes that are not valid UTF-8. */
type Name = string | Buffer

const HAS_PROC = process.platform === 'linux' && existsSync('/proc/self/fd')

export interface OpenDirectoryOptions {
  /** Join names to the path, even where names could be looked up in the directory. */
  readonly byPath?: boolean | undefined
}

export class OpenDirectory {
  readonly fd: number
  /** A name after this is a path to it, for `node:fs`. */
  readonly prefix: string

  readonly #byPath: boolean

  private constructor(fd: number, path: string, byPath: boolean) {
    this.fd = fd
    this.prefix = byPath ? `${path}/` : `/proc/self/fd/${fd}/`
    this.#byPath = byPath
  }

  /** A directory that another thread holds open: only while it does. Not for closing. */
  static adopt(fd: number): OpenDirectory {
    return new OpenDirectory(fd, '', false)
  }

  /** Whether names can be looked up in the directory itself. */
  static readonly byDescriptor = HAS_PROC

  /** Opens a directory by its path, also through links. @param shown in messages. @throws {IoError} `opendir(…): …` */
  static at(path: string, shown = path, { byPath = !HAS_PROC }: OpenDirectoryOptions = {}): OpenDirectory {
    return OpenDirectory.#open(path, DIRECTORY_FLAGS, shown, byPath)
  }

  /** As `at`, but refuses a path that is itself a symbolic link. */
  static notThroughLink(path: string, shown: string): OpenDirectory {
    return OpenDirectory.#open(path, DIRECTORY_FLAGS | constants.O_NOFOLLOW, shown, !HAS_PROC)
  }

  static #open(path: Name, flags: number, shown: string, byPath: boolean): OpenDirectory {
    try {
      return new OpenDirectory(openSync(path, flags), path.toString(), byPath)
    } catch (error) {
      const errno = errnoOf(error)
      if (errno === undefined) throw error
      throw new IoError(`opendir(${shown}): ${errnoText(errno)}`, errno, shown, { cause: error })
    }
  }

  path(name: string): string
  path(name: Name): Name
  path(name: Name): Name {
    return typeof name === 'string' ? this.prefix + name : Buffer.concat([Buffer.from(this.prefix), name])
  }

  /** Not through a link. @throws {IoError} `opendir(NAME): Not a directory` */
  openDirectory(name: Name): OpenDirectory {
    const path = this.path(name)
    const shown = name.toString()
    const directory = OpenDirectory.#open(path, DIRECTORY_FLAGS | constants.O_NOFOLLOW, shown, this.#byPath)
    if (this.#byPath) directory.#requireSame(path, shown)
    return directory
  }

  #requireSame(path: Name, name: string): void {
    const { dev, ino } = fstatSync(this.fd)
    const stat = lstatSync(path)
    if (stat.dev === dev && stat.ino === ino) return
    this.close()
    throw new IoError(`opendir(${name}): Not a directory`, 'ENOTDIR', name)
  }

  /**
   * As `openDirectory`, but goes through a link when that leads to a directory below `root`: only after it is open is
   * asked where it is.
   * @throws {DeniedError} when it leads elsewhere
   */
  openDirectoryWithin(name: string, root: OpenDirectory): OpenDirectory {
    const path = this.path(name)
    try {
      return this.openDirectory(name)
    } catch (error) {
      if (!(error instanceof IoError) || !LINK_REFUSED.includes(error.data.errno)) throw error
      const stat = withIo(name, () => lstatSync(path, { throwIfNoEntry: false }))
      if (!stat?.isSymbolicLink()) throw error
    }
    const directory = OpenDirectory.#open(path, DIRECTORY_FLAGS, name, this.#byPath)
    const base = root.location()
    const at = directory.location()
    if (at === base || at.startsWith(base === '/' ? base : `${base}/`)) return directory
    directory.close()
    throw new DeniedError(name, `opendir(${name}): Symbolic link leads out of the checkout, to ${at}`)
  }

  /** Where it is now, without links. */
  location(): string {
    return this.#byPath ? realpathSync(this.prefix) : readlinkSync(`/proc/self/fd/${this.fd}`)
  }

  /** Removes whatever has that name, with all below; nothing there is success. Goes through no link. */
  removeTree(name: string): void {
    withIo(name, () => removeEntry(this, name, name))
  }

  close(): void {
    closeSync(this.fd)
  }
}

/** Errors are those of `node:fs`. @param shown the entry the caller asked for */
function removeEntry(directory: OpenDirectory, name: Name, shown: string): void {
  const path = directory.path(name)
  const removed = unless(['ENOENT', 'EISDIR', 'EPERM'], shown, () => {
    unlinkSync(path)
    return true
  })
  if (removed) return
  const stat = lstatSync(path, { throwIfNoEntry: false })
  if (stat === undefined) return
  if (!stat.isDirectory()) {
    unlinkSync(path)
    return
  }
  const below = directory.openDirectory(name)
  try {
    for (const child of readdirSync(below.prefix, { encoding: 'buffer' })) removeEntry(below, child, shown)
  } finally {
    below.close()
  }
  rmdirSync(path)
}
