/**
 * A directory of the local file system as something to commit. Calls are synchronous: a promise for each small file
 * costs more than the file.
 *
 * Symbolic links are never followed, and what changes while it is read is an error. A process that may write below the
 * directory could put a link in place of a directory on the way; so each is opened and must be the one that was listed,
 * and what is in it is reached through the open directory (open-directory.ts).
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
import { type Content, displayUtf8, joinPath, SMALL_FILE } from '../../bytes.ts'
import { InvalidNameError, IoError, UnsupportedError } from '../../errors.ts'
import type { Xattrs } from '../../objects/index.ts'
import { withIo } from '../../system/errno.ts'
import { loadNative, type Native } from '../../system/native.ts'
import { OpenDirectory } from '../../system/open-directory.ts'
import type { ConsumedPath, DirectorySource, SourceEntry } from './directory.ts'

/** Should the file have become a pipe meanwhile, opening it must not wait for a writer. */
const READ_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK

/** @param path not followed when it is a symbolic link: a slash at its end would be needed for that, as in C */
export function createDirectorySource(path: string): DirectorySource {
  return new LocalDirectory(path)
}

interface ListedDirectory {
  readonly path: string
  readonly directory: OpenDirectory
}

class LocalDirectory implements DirectorySource {
  readonly location: string
  /** The content of the last small file, and one byte to see that there is no more. */
  readonly #buffer = new Uint8Array(SMALL_FILE + 1)
  /** Inodes of directories found and not listed yet, by path. */
  readonly #found = new Map<string, string>()
  /** The directory that was listed last. */
  #listed: ListedDirectory | undefined
  #native: Native | undefined

  constructor(path: string) {
    this.location = path
  }

  stat(): SourceEntry {
    const path = this.location
    const stat = withIo(path, () => lstatSync(path, { throwIfNoEntry: false }))
    if (stat === undefined) throw new IoError(`opendir(${path}): No such file or directory`, 'ENOENT', path)
    if (!stat.isDirectory()) throw new IoError(`opendir(${path}): Not a directory`, 'ENOTDIR', path)
    this.#found.set('', inodeOf(stat))
    return entryOf('', stat)
  }

  list(path: string): SourceEntry[] {
    const { prefix } = this.#enter(path)
    const names = withIo(this.#shown(path), () => readdirSync(prefix, { encoding: 'buffer' }))
    return names.map((bytes) => {
      if (!isUtf8(bytes)) {
        const shown = displayUtf8(bytes)
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
      const shown = displayUtf8(target)
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
        // The byte beyond was asked for too: had it been there, it had come.
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
      withIo(at, () => {
        if (kind === 'file') unlinkSync(at)
        else if (kind === 'directory') rmdirSync(at)
        else rmSync(at, { recursive: true, force: true })
      })
    }
  }

  #enter(path: string): OpenDirectory {
    this.close()
    const whole = this.#whole(path)
    const directory = OpenDirectory.notThroughLink(whole, this.#shown(path))
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

  /** How to reach what is in the directory listed last. */
  #at(path: string): string {
    const slash = path.lastIndexOf('/')
    const parent = slash < 0 ? '' : path.slice(0, slash)
    if (path === '' || this.#listed?.path !== parent) return this.#whole(path)
    return this.#listed.directory.path(path.slice(slash + 1))
  }

  #whole(path: string): string {
    return path === '' ? this.location : `${this.location}/${path}`
  }

  /** As libostree shows it, which goes from directory to directory: its name. */
  #shown(path: string): string {
    return path === '' ? this.location : path.slice(path.lastIndexOf('/') + 1)
  }
}

function requireXattrs(): Native {
  const native = loadNative()
  if (native !== undefined) return native
  throw new UnsupportedError(
    'extended attributes',
    'Reading extended attributes needs the optional package koffi (Linux); without it commit without them: --no-xattrs',
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

/** The current directory cannot be removed, and is not meant to be. */
function isHere(path: string): boolean {
  return /^\.\/*$/.test(path)
}
