/**
 * Reading and writing of single files, with as few system calls as can be: synchronous, because a promise for each small
 * file costs more than the file (bench/fs-store.mjs).
 */

import { randomBytes } from 'node:crypto'
import {
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  fsyncSync,
  openSync,
  read,
  readSync,
  renameSync,
  type Stats,
  symlinkSync,
  unlinkSync,
  writeSync,
} from 'node:fs'
import { promisify } from 'node:util'
import { SMALL_FILE } from '../bytes.ts'
import { FormatError, IoError, LimitError } from '../errors.ts'
import { errnoOf, errnoText, ioError, unless, withIo } from './errno.ts'

const readAsync = promisify(read)

/** Not through a link that somebody put there, and not waiting for the other end of a pipe. */
export const READ_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK
/** Opens for reading like READ_FLAGS, but through symbolic links. */
export const FOLLOW_FLAGS = constants.O_RDONLY | constants.O_NONBLOCK
/** Never over anything, never through a link. */
export const CREATE_FLAGS = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW

/** Bytes of a file that is read into one array: a metadata object, a ref, a config. Sparse files can claim anything. */
export const MAX_WHOLE_FILE = 1 << 30

/** One read is enough for most objects. What was read is copied out before anything else is read. */
const scratch = new Uint8Array(1 << 16)

/** A file under way of being read; `bytes` are valid until the next read. */
export interface OpenedFile {
  readonly fd: number
  /** The first bytes: all of them when there are no more than 64 KiB. A view. */
  readonly head: Uint8Array
  /** Bytes in all. */
  readonly size: number
  readonly stat: Stats | undefined
}

/**
 * Opens, reads the beginning, runs `use` and closes.
 * @param needStat a regular file is asked for its inode only when the caller wants it, or when it is large
 * @returns `undefined` when there is nothing at `path`; the word `link` when it is a symbolic link
 */
export function readHead<T>(
  path: string,
  needStat: boolean,
  use: (file: OpenedFile) => T,
  flags = READ_FLAGS,
): T | 'link' | undefined {
  let fd: number
  try {
    fd = openSync(path, flags)
  } catch (error) {
    const errno = errnoOf(error)
    if (errno === 'ENOENT' || errno === 'ENOTDIR') return undefined
    if (errno === 'ELOOP') return 'link'
    throw ioError(error, path)
  }
  try {
    const length = readSync(fd, scratch, 0, scratch.length, null)
    const stat = needStat || length === 0 || length === scratch.length ? fstatSync(fd) : undefined
    if (stat !== undefined && !stat.isFile()) throw new FormatError(path, `Not a regular file or symlink: ${path}`)
    const size = stat === undefined || length < scratch.length ? length : stat.size
    return use({ fd, head: scratch.subarray(0, length), size, stat })
  } catch (error) {
    throw ioError(error, path)
  } finally {
    closeSync(fd)
  }
}

/** The rest of a file after its head, and the head, in an array of their own. @throws {LimitError} */
export function readRest({ fd, head, size }: OpenedFile, path: string): Uint8Array {
  if (size === head.length) return head.slice()
  if (size > MAX_WHOLE_FILE) throw new LimitError(path, MAX_WHOLE_FILE)
  // Not filled with zeros first, and not in a pool: all of it is written over, and it is the caller's.
  const whole = new Uint8Array(Buffer.allocUnsafeSlow(size).buffer)
  whole.set(head)
  let at = head.length
  while (at < size) {
    const got = readSync(fd, whole, at, size - at, at)
    if (got === 0) return whole.subarray(0, at)
    at += got
  }
  return whole
}

/** @returns an array of its own, `undefined` when there is no such file; links count as none */
export function readWhole(path: string): Uint8Array | undefined {
  const bytes = readHead(path, false, (file) => readRest(file, path))
  return bytes === 'link' ? undefined : bytes
}

/**
 * Reads the beginning of a file like `readHead`, also through a symbolic link, as libostree does for metadata and
 * archive objects.
 * @throws {IoError} if a symbolic link is at `path` and its target cannot be opened
 */
export function readHeadFollowing<T>(path: string, needStat: boolean, use: (file: OpenedFile) => T): T | undefined {
  const file = readHead(path, needStat, use)
  if (file !== 'link') return file
  const target = readHead(path, needStat, use, FOLLOW_FLAGS)
  if (target === 'link') throw new IoError(`openat(${path}): ${errnoText('ELOOP')}`, 'ELOOP', path)
  if (target === undefined) throw new IoError(`openat(${path}): ${errnoText('ENOENT')}`, 'ENOENT', path)
  return target
}

/** Reads a file whole, also through a symbolic link. @returns `undefined` if nothing is at `path`. @throws as `readHeadFollowing` */
export function readWholeFollowing(path: string): Uint8Array | undefined {
  return readHeadFollowing(path, false, (file) => readRest(file, path))
}

/** Streams from `offset`, opening the file when the first chunk is asked for. One buffer, used again for each chunk. */
export async function* streamFile(
  path: string,
  offset: number,
  flags = READ_FLAGS,
): AsyncGenerator<Uint8Array, void, undefined> {
  const fd = withIo(path, () => openSync(path, flags))
  try {
    const buffer = new Uint8Array(SMALL_FILE)
    for (let at = offset; ; ) {
      const { bytesRead } = await readAsync(fd, buffer, 0, buffer.length, at)
      if (bytesRead === 0) return
      at += bytesRead
      yield buffer.subarray(0, bytesRead)
    }
  } catch (error) {
    throw ioError(error, path)
  } finally {
    closeSync(fd)
  }
}

/** All of it: a single `write` may take less, and says so when the disk is full only with the next one. */
export function writeAll(fd: number, bytes: Uint8Array): void {
  let at = 0
  while (at < bytes.length) at += writeSync(fd, bytes, at, bytes.length - at, null)
}

export function syncDirectory(path: string): void {
  const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY)
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

/** @returns six characters, as mkdtemp makes them */
export function randomName(): string {
  const alphabet = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789'
  return Array.from(randomBytes(6), (byte) => alphabet[byte % alphabet.length]).join('')
}

export interface ReplaceOptions {
  /** Directory on the same file system for the file while it is unfinished. */
  readonly tmp: string
  /** Permission bits, whatever the umask. Default 0644. */
  readonly mode?: number
  readonly fsync?: boolean
  /** How messages name the file. */
  readonly shown: string
}

/** Puts a whole file where another may be, so that every reader sees the one or the other. */
export function replaceFile(
  path: string,
  bytes: Uint8Array,
  { tmp, mode = 0o644, fsync = false, shown }: ReplaceOptions,
): void {
  const unfinished = `${tmp}/tmp.${randomName()}`
  withIo(shown, () => {
    const fd = openSync(unfinished, CREATE_FLAGS, mode)
    try {
      try {
        fchmodSync(fd, mode)
        writeAll(fd, bytes)
        if (fsync) fsyncSync(fd)
      } finally {
        closeSync(fd)
      }
      renameSync(unfinished, path)
    } catch (error) {
      removeFile(unfinished, shown)
      throw error
    }
  })
}

/** As `replaceFile`, a symbolic link. */
export function replaceLink(path: string, target: string, tmp: string, shown: string): void {
  const unfinished = `${tmp}/tmplink.${randomName()}`
  withIo(shown, () => {
    symlinkSync(target, unfinished)
    try {
      renameSync(unfinished, path)
    } catch (error) {
      removeFile(unfinished, shown)
      throw error
    }
  })
}

/** Removes a file or link; nothing there is success. @returns whether something was */
export function removeFile(path: string, shown: string, absent: readonly string[] = ['ENOENT', 'ENOTDIR']): boolean {
  const removed = unless(absent, shown, () => {
    unlinkSync(path)
    return true
  })
  return removed ?? false
}
