/**
 * Errors of the operating system in the words of libostree: the call it makes, the path, the text of the C library.
 */

import { IoError } from '../errors.ts'

const TEXTS: Readonly<Record<string, string>> = {
  EACCES: 'Permission denied',
  EAGAIN: 'Resource temporarily unavailable',
  EBADF: 'Bad file descriptor',
  EBUSY: 'Device or resource busy',
  EDQUOT: 'Disk quota exceeded',
  EEXIST: 'File exists',
  EFBIG: 'File too large',
  EINVAL: 'Invalid argument',
  EIO: 'Input/output error',
  EISDIR: 'Is a directory',
  ELOOP: 'Too many levels of symbolic links',
  EMFILE: 'Too many open files',
  EMLINK: 'Too many links',
  ENAMETOOLONG: 'File name too long',
  ENFILE: 'Too many open files in system',
  ENODATA: 'No data available',
  ENODEV: 'No such device',
  ENOENT: 'No such file or directory',
  ENOMEM: 'Cannot allocate memory',
  ENOSPC: 'No space left on device',
  ENOTDIR: 'Not a directory',
  ENOTEMPTY: 'Directory not empty',
  ENOTSUP: 'Operation not supported',
  ENXIO: 'No such device or address',
  EPERM: 'Operation not permitted',
  ERANGE: 'Numerical result out of range',
  EROFS: 'Read-only file system',
  ESTALE: 'Stale file handle',
  ETXTBSY: 'Text file busy',
  EXDEV: 'Invalid cross-device link',
}

/** libostree works relative to open directories; its messages name the calls that do. */
const CALLS: Readonly<Record<string, string>> = {
  access: 'faccessat',
  link: 'linkat',
  lstat: 'fstatat',
  mkdir: 'mkdirat',
  open: 'openat',
  readlink: 'readlinkat',
  rename: 'renameat',
  rmdir: 'unlinkat',
  scandir: 'opendir',
  stat: 'fstatat',
  symlink: 'symlinkat',
  unlink: 'unlinkat',
  uv_cwd: 'getcwd',
}

/** Returns the symbolic name of a system error, such as `ENOENT`; `undefined` for any other error. */
export function errnoOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined
  // Node refuses a path that contains a NUL character before it makes a system call.
  if (error.code === 'ERR_INVALID_ARG_VALUE') return 'EINVAL'
  return 'syscall' in error && typeof error.code === 'string' ? error.code : undefined
}

/** Returns the C library's text of an error: `No such file or directory` for `ENOENT`. */
export function errnoText(errno: string): string {
  return TEXTS[errno] ?? errno
}

/**
 * Turns an error of `node:fs` into an `IoError`; returns any other error unchanged.
 * @param path the path in the message, relative to the repository
 */
export function ioError(error: unknown, path?: string): unknown {
  const errno = errnoOf(error)
  if (errno === undefined) return error
  const { syscall = 'open' } = error as NodeJS.ErrnoException
  const call = CALLS[syscall] ?? syscall
  const where = path === undefined ? call : `${call}(${path})`
  // libostree names no call when a file that it has opened turns out to be a directory.
  const message = errno === 'EISDIR' && syscall === 'read' ? errnoText(errno) : `${where}: ${errnoText(errno)}`
  return new IoError(message, errno, path, { cause: error })
}

/** Runs `work`. Errors of `node:fs` are thrown as `IoError`. */
export function withIo<T>(path: string | undefined, work: () => T): T {
  try {
    return work()
  } catch (error) {
    throw ioError(error, path)
  }
}

/** Runs asynchronous `work`, with errors as in `withIo`. */
export async function withIoAsync<T>(path: string | undefined, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw ioError(error, path)
  }
}

/** Runs `work`, with errors as in `withIo`. @returns `undefined` when it fails with one of the errnos `expected` */
export function unless<T>(expected: readonly string[], path: string | undefined, work: () => T): T | undefined {
  try {
    return work()
  } catch (error) {
    const errno = errnoOf(error)
    if (errno !== undefined && expected.includes(errno)) return undefined
    throw ioError(error, path)
  }
}
