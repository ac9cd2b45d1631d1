/**
 * Names in an open directory. Node has no openat(2); on Linux `/proc/self/fd/N/NAME` is the same: the kernel starts at
 * the open directory, whatever has become of the path that led to it, and however long that path is. It costs nothing
 * over a full path (bench/checkout.mjs). Without `/proc` names are joined to the path of the directory, which is
 * compared with the open one once; a process that can rename directories on that path can then redirect what follows.
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
import { fsPath } from './raw-path.ts'

const DIRECTORY_FLAGS = constants.O_RDONLY | constants.O_DIRECTORY
/** Errors of opening a symbolic link with O_NOFOLLOW, without and with O_DIRECTORY. */
const LINK_REFUSED = ['ENOTDIR', 'ELOOP', 'EMLINK']
/** A file name: text, or bytes if it is not valid UTF-8. */
export type FileName = string | Buffer

const HAS_PROC = process.platform === 'linux' && existsSync('/proc/self/fd')

export interface OpenDirectoryOptions {
  /** Join names to the path, even where names could be looked up in the directory. */
  readonly byPath?: boolean | undefined
}

export class OpenDirectory {
  readonly fd: number
  /** Prefix that makes a name a path for `node:fs`. */
  readonly prefix: string

  readonly #byPath: boolean

  private constructor(fd: number, path: string, byPath: boolean) {
    this.fd = fd
    this.prefix = byPath ? `${path}/` : `/proc/self/fd/${fd}/`
    this.#byPath = byPath
  }

  /**
   * Uses a descriptor that another thread holds open. It is valid as long as that thread keeps it, and is not closed.
   */
  static adopt(fd: number): OpenDirectory {
    return new OpenDirectory(fd, '', false)
  }

  /** Tells whether names can be looked up in the open directory itself, through `/proc`. */
  static readonly byDescriptor = HAS_PROC

  /** Opens a directory by its path, also through links. @param shown in messages. @throws {IoError} `opendir(…): …` */
  static at(path: FileName, shown = path.toString(), { byPath = !HAS_PROC }: OpenDirectoryOptions = {}): OpenDirectory {
    return OpenDirectory.#open(path, DIRECTORY_FLAGS, shown, byPath)
  }

  /** As `at`, but refuses a path that is itself a symbolic link. */
  static notThroughLink(path: FileName, shown: string): OpenDirectory {
    return OpenDirectory.#open(path, DIRECTORY_FLAGS | constants.O_NOFOLLOW, shown, !HAS_PROC)
  }

  static #open(path: FileName, flags: number, shown: string, byPath: boolean): OpenDirectory {
    try {
      return new OpenDirectory(openSync(path, flags), path.toString(), byPath)
    } catch (error) {
      const errno = errnoOf(error)
      if (errno === undefined) throw error
      throw new IoError(`opendir(${shown}): ${errnoText(errno)}`, errno, shown, { cause: error })
    }
  }

  path(name: string): string
  path(name: FileName): FileName
  path(name: FileName): FileName {
    return typeof name === 'string' ? this.prefix + name : Buffer.concat([Buffer.from(this.prefix), name])
  }

  /** Opens a subdirectory. @throws {IoError} `opendir(NAME): Not a directory`, also for a symbolic link */
  openDirectory(name: FileName): OpenDirectory {
    const path = this.path(name)
    const shown = name.toString()
    const directory = OpenDirectory.#open(path, DIRECTORY_FLAGS | constants.O_NOFOLLOW, shown, this.#byPath)
    if (this.#byPath) directory.#requireSame(path, shown)
    return directory
  }

  #requireSame(path: FileName, name: string): void {
    const { dev, ino } = fstatSync(this.fd)
    const stat = lstatSync(path)
    if (stat.dev === dev && stat.ino === ino) return
    this.close()
    throw new IoError(`opendir(${name}): Not a directory`, 'ENOTDIR', name)
  }

  /**
   * Opens a subdirectory, also through a symbolic link to a directory below `root`. Where the directory is, is
   * determined after it has been opened, so that it cannot be exchanged.
   * @throws {DeniedError} when the link leads out of `root`
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

  /** Returns the current path of the directory, without symbolic links. */
  location(): string {
    return this.#byPath ? realpathSync(this.prefix) : readlinkSync(`/proc/self/fd/${this.fd}`)
  }

  /** Removes a file or a directory tree; succeeds if it does not exist. Symbolic links are not followed. */
  removeTree(name: FileName): void {
    const shown = name.toString()
    withIo(shown, () => removeEntry(this, typeof name === 'string' ? fsPath(name) : name, shown))
  }

  close(): void {
    closeSync(this.fd)
  }
}

/** A directory that is being removed, with its entries that are still there. */
interface RemovedDirectory {
  readonly path: FileName
  readonly directory: OpenDirectory
  readonly entries: FileName[]
}

/**
 * Removes a tree, without recursion however deep it is. Throws errors of `node:fs`.
 * @param shown the entry that the caller wants to remove
 */
function removeEntry(parent: OpenDirectory, name: FileName, shown: string): void {
  const levels: RemovedDirectory[] = []
  const remove = (from: OpenDirectory, entry: FileName): void => {
    const path = from.path(entry)
    if (!isDirectoryLeft(path, shown)) return
    const directory = from.openDirectory(entry)
    const level: RemovedDirectory = { path, directory, entries: [] }
    levels.push(level)
    for (const child of readdirSync(directory.prefix, { encoding: 'buffer' })) level.entries.push(child)
  }
  try {
    remove(parent, name)
    for (let level = levels.at(-1); level !== undefined; level = levels.at(-1)) {
      const entry = level.entries.pop()
      if (entry !== undefined) remove(level.directory, entry)
      else {
        levels.pop()
        level.directory.close()
        rmdirSync(level.path)
      }
    }
  } finally {
    for (const { directory } of levels) directory.close()
  }
}

/**
 * Removes what is not a directory; Deno's unlink also removes an empty one, and says ENOTEMPTY of another.
 * @returns whether there is a directory
 */
function isDirectoryLeft(path: FileName, shown: string): boolean {
  const removed = unless(['ENOENT', 'EISDIR', 'EPERM', 'ENOTEMPTY'], shown, () => {
    unlinkSync(path)
    return true
  })
  if (removed) return false
  const stat = lstatSync(path, { throwIfNoEntry: false })
  if (stat === undefined) return false
  if (!stat.isDirectory()) unlinkSync(path)
  return stat.isDirectory()
}
