/**
 * A directory of the local file system as something to commit. Calls are synchronous: a promise for each small file
 * costs more than the file.
 *
 * Symbolic links are never followed, and a file that changes while it is read is an error.
 */

import { isUtf8 } from 'node:buffer'
import {
  closeSync,
  constants,
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
import { type Content, displayUtf8 } from '../../bytes.ts'
import { InvalidNameError, IoError, UnsupportedError } from '../../errors.ts'
import type { Xattrs } from '../../objects/index.ts'
import type { ConsumedPath, DirectorySource, SourceEntry } from '../commit-directory.ts'
import { SMALL_FILE } from '../interface.ts'
import { withIo } from '../stores/fs/errno.ts'
import { loadNative, type Native } from './native.ts'

/** Should the file have become a pipe meanwhile, opening it must not wait for a writer. */
const READ_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK

/** @param path not followed when it is a symbolic link: a slash at its end would be needed for that, as in C */
export function createDirectorySource(path: string): DirectorySource {
  return new LocalDirectory(path)
}

class LocalDirectory implements DirectorySource {
  readonly location: string
  /** The content of the last small file, and one byte to see that there is no more. */
  readonly #buffer = new Uint8Array(SMALL_FILE + 1)
  #native: Native | undefined

  constructor(path: string) {
    this.location = path
  }

  stat(): SourceEntry {
    const path = this.location
    const stat = withIo(path, () => lstatSync(path, { throwIfNoEntry: false }))
    if (stat === undefined) throw new IoError(`opendir(${path}): No such file or directory`, 'ENOENT', path)
    if (!stat.isDirectory()) throw new IoError(`opendir(${path}): Not a directory`, 'ENOTDIR', path)
    return entryOf('', stat)
  }

  list(path: string): SourceEntry[] {
    const directory = this.#at(path)
    const names = withIo(directory, () => readdirSync(directory, { encoding: 'buffer' }))
    return names.map((bytes) => {
      if (!isUtf8(bytes)) {
        const shown = displayUtf8(bytes)
        throw new InvalidNameError(shown, `Invalid UTF-8 in filename ${shown}`)
      }
      const name = bytes.toString('utf8')
      const file = `${directory}/${name}`
      return entryOf(
        name,
        withIo(file, () => lstatSync(file)),
      )
    })
  }

  xattrs(path: string): Xattrs {
    this.#native ??= requireXattrs()
    return this.#native.readXattrs(this.#at(path))
  }

  readLink(path: string): string {
    const link = this.#at(path)
    const target = withIo(link, () => readlinkSync(link, { encoding: 'buffer' }))
    if (!isUtf8(target)) {
      const shown = displayUtf8(target)
      throw new InvalidNameError(shown, `Invalid UTF-8 in symbolic link target ${shown}`)
    }
    return target.toString('utf8')
  }

  read(path: string, size: number): Content {
    const file = this.#at(path)
    if (size > SMALL_FILE) return this.#stream(file, size)
    const fd = withIo(file, () => openSync(file, READ_FLAGS))
    try {
      let length = 0
      while (length <= size) {
        const count = withIo(file, () => readSync(fd, this.#buffer, length, size + 1 - length, null))
        if (count === 0) break
        length += count
        // The byte beyond was asked for too: had it been there, it had come.
        if (length === size) break
      }
      if (length !== size) throw changed(file, size)
      return this.#buffer.subarray(0, size)
    } finally {
      closeSync(fd)
    }
  }

  identity(path: string): string {
    const file = this.#at(path)
    const { dev, ino } = withIo(file, () => lstatSync(file, { bigint: true }))
    return `${dev}:${ino}`
  }

  remove(consumed: readonly ConsumedPath[]): void {
    for (const { path, kind } of consumed.toReversed()) {
      const at = this.#at(path)
      if (path === '' && isHere(this.location)) continue
      withIo(at, () => {
        if (kind === 'file') unlinkSync(at)
        else if (kind === 'directory') rmdirSync(at)
        else rmSync(at, { recursive: true, force: true })
      })
    }
  }

  async *#stream(file: string, size: number): AsyncGenerator<Uint8Array, void> {
    const fd = withIo(file, () => openSync(file, READ_FLAGS))
    try {
      let length = 0
      for (;;) {
        const count = withIo(file, () => readSync(fd, this.#buffer, 0, SMALL_FILE, null))
        if (count === 0) break
        length += count
        if (length > size) break
        yield this.#buffer.subarray(0, count)
      }
      if (length !== size) throw changed(file, size)
    } finally {
      closeSync(fd)
    }
  }

  #at(path: string): string {
    return path === '' ? this.location : `${this.location}/${path}`
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

function changed(path: string, size: number): IoError {
  return new IoError(`${path} changed while it was read: it had ${size} bytes`, 'EIO', path)
}

/** The current directory cannot be removed, and is not meant to be. */
function isHere(path: string): boolean {
  return /^\.\/*$/.test(path)
}
