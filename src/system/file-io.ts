/**
 * Reads and writes single files with as few system calls as possible. Calls are synchronous, because a promise for each
 * small file takes longer than the file itself (bench/fs-store.mjs).
 */

import { randomBytes } from 'node:crypto'
import {
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  fsyncSync,
  futimesSync,
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

/** Opens a file for reading. Symbolic links are refused, and opening a pipe does not wait for its other end. */
export const READ_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK
/** Opens for reading like READ_FLAGS, but through symbolic links. */
export const FOLLOW_FLAGS = constants.O_RDONLY | constants.O_NONBLOCK
/** Creates a file. An existing file or symbolic link is refused. */
export const CREATE_FLAGS = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW

/** Largest file, in bytes, that is read into one array, such as a metadata object. A sparse file can claim any size. */
export const MAX_WHOLE_FILE = 1 << 30

/** The earliest time of a Date, in milliseconds since 1970. */
const FIRST_TIME = -8.64e15

/**
 * Returns a time as Node's functions that set times of files take it: they replace negative numbers by the current time,
 * but not dates. Times before 1970 are exact to the millisecond.
 * @param seconds since 1970
 */
export function fileTime(seconds: number): number | Date {
  return seconds < 0 ? new Date(Math.max(Math.floor(seconds * 1000), FIRST_TIME)) : seconds
}

/** Buffer for the first 64 KiB of a file, which is all of most objects. Its content is copied before the next read. */
const scratch = new Uint8Array(1 << 16)

/** An open file whose beginning has been read. */
export interface OpenedFile {
  readonly fd: number
  /** The first 64 KiB, or the whole file if it is smaller. A view that is valid until the next read. */
  readonly head: Uint8Array
  /** Size of the file in bytes. */
  readonly size: number
  readonly stat: Stats | undefined
}

/**
 * Opens a file, reads its beginning, calls `use` and closes the file.
 * @param needStat whether `use` needs the file's status, which is otherwise read for large or empty files only
 * @returns the result of `use`; `undefined` when nothing is at `path`; `'link'` when a symbolic link is
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

/** Reads the whole file into a new array. @throws {LimitError} when it is larger than MAX_WHOLE_FILE */
export function readRest({ fd, head, size }: OpenedFile, path: string): Uint8Array {
  if (size === head.length) return head.slice()
  if (size > MAX_WHOLE_FILE) throw new LimitError(path, MAX_WHOLE_FILE)
  // Memory that is neither zeroed nor pooled: every byte is overwritten, and the caller owns the array.
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

/** Reads a file into a new array. @returns `undefined` when `path` does not exist or is a symbolic link */
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

/**
 * Reads a file whole, also through a symbolic link.
 * @returns `undefined` if nothing is at `path`.
 * @throws as `readHeadFollowing`
 */
export function readWholeFollowing(path: string): Uint8Array | undefined {
  return readHeadFollowing(path, false, (file) => readRest(file, path))
}

/** Streams a file from `offset`. It is opened when the first chunk is requested; all chunks share one buffer. */
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

/** Writes all bytes. A single `write` may write fewer, and a full disk is reported by the next call only. */
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

/** Returns six random characters, like those of mkdtemp(3). */
export function randomName(): string {
  const alphabet = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789'
  return Array.from(randomBytes(6), (byte) => alphabet[byte % alphabet.length]).join('')
}

export interface ReplaceOptions {
  /** Directory on the same file system in which the file is written before it is renamed. */
  readonly tmp: string
  /** Permission bits; the umask has no effect. Default 0644. */
  readonly mode?: number | undefined
  /** Time of the last change that the file gets, in seconds since the epoch. Default: now. */
  readonly modified?: number | undefined
  readonly fsync?: boolean
  /** Name of the file in messages. */
  readonly shown: string
}

/** Replaces a file atomically: a reader sees either the old file or the new one. */
export function replaceFile(
  path: string,
  bytes: Uint8Array,
  { tmp, mode = 0o644, modified, fsync = false, shown }: ReplaceOptions,
): void {
  const unfinished = `${tmp}/tmp.${randomName()}`
  withIo(shown, () => {
    const fd = openSync(unfinished, CREATE_FLAGS, mode)
    try {
      try {
        fchmodSync(fd, mode)
        writeAll(fd, bytes)
        if (modified !== undefined) futimesSync(fd, fileTime(modified), fileTime(modified))
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

/** Replaces a file by a symbolic link, atomically as `replaceFile`. */
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

/** Removes a file or link; succeeds if there is none. @returns whether there was one */
export function removeFile(path: string, shown: string, absent: readonly string[] = ['ENOENT', 'ENOTDIR']): boolean {
  const removed = unless(absent, shown, () => {
    unlinkSync(path)
    return true
  })
  return removed ?? false
}
