/**
 * Provides a local directory to commit. File system calls are synchronous, because a promise costs more time than
 * reading a small file.
 *
 * Symlinks are never followed, and a file that changes while it is read is an error. A process that can write to the
 * directory could replace a subdirectory with a symlink; therefore each directory is opened, must be the one that was
 * listed, and its entries are accessed relative to its descriptor (open-directory.ts).
 */

import { isUtf8 } from 'node:buffer'
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
  rmdirSync,
  rmSync,
  type Stats,
  unlinkSync,
} from 'node:fs'
import { type Content, escapeUtf8, joinPath, SMALL_FILE } from '../../bytes.ts'
import { InvalidNameError, IoError, UnsupportedError } from '../../errors.ts'
import type { Xattrs } from '../../objects/index.ts'
import { errnoOf, errnoText, withIo } from '../../system/errno.ts'
import { loadNative, type Native } from '../../system/native.ts'
import { OpenDirectory } from '../../system/open-directory.ts'
import { directoryPath, fsPath } from '../../system/raw-path.ts'
import type { ConsumedPath, DirectorySource, SourceEntry } from './directory.ts'

/** Non-blocking, so that opening does not wait for a writer if a FIFO has replaced the file. */
const READ_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK

/**
 * Creates a source that reads a local directory.
 *
 * @example
 * await commit(repo, { trees: [{ directory: createDirectorySource('rootfs') }], branch: 'main', timestamp: 0n })
 * @param path a symlink is followed only with a slash at its end
 */
export function createDirectorySource(path: string): DirectorySource {
  return new LocalDirectory(path)
}

/** An open directory. */
interface ListedDirectory {
  readonly path: string
  readonly directory: OpenDirectory
}

class LocalDirectory implements DirectorySource {
  readonly location: string
  /** The path to which names are joined, once it is known that it is a directory. */
  #base: string
  /** Content of the small file read last; one byte larger than that, to detect that a file has grown. */
  readonly #buffer = new Uint8Array(SMALL_FILE + 1)
  /** `DEVICE:INODE` of directories that have been found but not listed yet, by path. */
  readonly #found = new Map<string, string>()
  /** The directory that was listed last. */
  #listed: ListedDirectory | undefined
  #native: Native | undefined

  constructor(path: string) {
    this.location = path
    this.#base = path
  }

  stat(): SourceEntry {
    const path = this.location
    const stat = asOpendir(path, () => lstatSync(fsPath(path)))
    if (!stat.isDirectory()) throw new IoError(`opendir(${path}): Not a directory`, 'ENOTDIR', path)
    this.#base = asOpendir(path, () => directoryPath(path))
    this.#found.set('', inodeOf(stat))
    return entryOf('', stat)
  }

  list(path: string): SourceEntry[] {
    const { prefix } = this.#enter(path)
    const names = withIo(this.#shown(path), () => readdirSync(prefix, { encoding: 'buffer' }))
    return names.map((bytes) => {
      if (!isUtf8(bytes)) {
        const shown = escapeUtf8(bytes)
        throw new InvalidNameError(shown, `Invalid UTF-8 in filename ${shown}`)
      }
      const name = bytes.toString('utf8')
      const stat = lstatSync(prefix + name, { throwIfNoEntry: false })
      if (stat === undefined) throw new IoError(`fstatat(${name}): No such file or directory`, 'ENOENT', name)
      if (stat.isDirectory()) this.#found.set(joinPath(path, name), inodeOf(stat))
      return entryOf(name, stat)
    })
  }

  close(): void {
    this.#listed?.directory.close()
    this.#listed = undefined
  }

  xattrs(path: string): Xattrs {
    this.#native ??= requireXattrs()
    return this.#listed?.path === path
      ? this.#native.readXattrsOf(this.#listed.directory.fd)
      : this.#native.readXattrs(this.#at(path))
  }

  readLink(path: string): string {
    const link = this.#at(path)
    const target = withIo(this.#shown(path), () => readlinkSync(link, { encoding: 'buffer' }))
    if (!isUtf8(target)) {
      const shown = escapeUtf8(target)
      throw new InvalidNameError(shown, `Invalid UTF-8 in symbolic link target ${shown}`)
    }
    return target.toString('utf8')
  }

  read(path: string, size: number): Content {
    if (size > SMALL_FILE) return this.#stream(path, size)
    const fd = this.#openFile(path)
    try {
      let length = 0
      while (length <= size) {
        const count = withIo(this.#shown(path), () => readSync(fd, this.#buffer, length, size + 1 - length, null))
        if (count === 0) break
        length += count
        // One more byte was requested, so the file has no more than `size`.
        if (length === size) break
      }
      if (length !== size) throw changed(this.#whole(path), `it had ${size} bytes`)
      return this.#buffer.subarray(0, size)
    } finally {
      closeSync(fd)
    }
  }

  localPath(path: string): string {
    return this.#at(path)
  }

  identity(path: string): string {
    const file = this.#at(path)
    const { dev, ino } = withIo(this.#shown(path), () => lstatSync(file, { bigint: true }))
    return `${dev}:${ino}`
  }

  remove(consumed: readonly ConsumedPath[]): void {
    for (const { path, kind } of consumed.toReversed()) {
      const at = this.#whole(path)
      if (path === '' && isHere(this.location)) continue
      withIo(this.#shown(path), () => {
        if (kind === 'file') unlinkSync(at)
        else if (kind === 'directory') rmdirSync(fsPath(at))
        else rmSync(at, { recursive: true, force: true })
      })
    }
  }

  /** Opens a directory to be listed. @throws {IoError} when it is not the one that was found in its parent */
  #enter(path: string): OpenDirectory {
    this.close()
    const whole = this.#whole(path)
    const directory = OpenDirectory.notThroughLink(fsPath(whole), this.#shown(path))
    this.#listed = { path, directory }
    const found = this.#found.get(path)
    this.#found.delete(path)
    if (found !== undefined && found !== inodeOf(fstatSync(directory.fd))) {
      throw changed(whole, 'it is another directory now')
    }
    return directory
  }

  #openFile(path: string): number {
    const file = this.#at(path)
    return withIo(this.#shown(path), () => openSync(file, READ_FLAGS))
  }

  async *#stream(path: string, size: number): AsyncGenerator<Uint8Array, void> {
    const fd = this.#openFile(path)
    try {
      let length = 0
      for (;;) {
        const count = withIo(this.#shown(path), () => readSync(fd, this.#buffer, 0, SMALL_FILE, null))
        if (count === 0) break
        length += count
        if (length > size) break
        yield this.#buffer.subarray(0, count)
      }
      if (length !== size) throw changed(this.#whole(path), `it had ${size} bytes`)
    } finally {
      closeSync(fd)
    }
  }

  /** Returns a path to access an entry: relative to the open directory if the entry is in it. */
  #at(path: string): string {
    const slash = path.lastIndexOf('/')
    const parent = slash < 0 ? '' : path.slice(0, slash)
    if (path === '' || this.#listed?.path !== parent) return this.#whole(path)
    return this.#listed.directory.path(path.slice(slash + 1))
  }

  #whole(path: string): string {
    return path === '' ? this.location : `${this.#base}/${path}`
  }

  /** Returns the name of an entry for messages. libostree opens directories one by one, so it knows only names. */
  #shown(path: string): string {
    return path === '' ? this.location : path.slice(path.lastIndexOf('/') + 1)
  }
}

function requireXattrs(): Native {
  const native = loadNative()
  if (native !== undefined) return native
  throw new UnsupportedError(
    'extended attributes',
    'Reading extended attributes needs the optional package koffi (Linux); without it, use --no-xattrs',
  )
}

function entryOf(name: string, { uid, gid, mode, size }: Stats): SourceEntry {
  return { name, uid, gid, mode, size }
}

function inodeOf({ dev, ino }: Stats): string {
  return `${dev}:${ino}`
}

function changed(path: string, how: string): IoError {
  return new IoError(`${path} changed while it was read: ${how}`, 'EIO', path)
}

/** Runs a system call on the directory to commit. @throws {IoError} `opendir(PATH): …`, as libostree opens it at once */
function asOpendir<T>(path: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    const errno = errnoOf(error)
    if (errno === undefined) throw error
    throw new IoError(`opendir(${path}): ${errnoText(errno)}`, errno, path, { cause: error })
  }
}

/** Tells whether a path is the current directory, which cannot be removed. */
function isHere(path: string): boolean {
  return /^\.\/*$/.test(path)
}
