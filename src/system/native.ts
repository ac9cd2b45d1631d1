/**
 * System calls that Node does not offer: extended attributes, locks that exclude libostree's, and flushing one file
 * system. Where the C library cannot be called (koffi.ts) `loadNative` gives `undefined`, and callers say what that
 * means.
 *
 * Source: fcntl(2), xattr(7), syncfs(2); libostree, ostree-repo.c (do_repo_lock) and libglnx, glnx-xattrs.c.
 */

import { compareBytes, encodeUtf8 } from '../bytes.ts'
import { IoError, UnsupportedError } from '../errors.ts'
import { errnoText } from './errno.ts'
import { type CLibrary, loadCLibrary } from './koffi.ts'

/** A path in UTF-8, or the bytes of any path. */
export type NativePath = string | Uint8Array

export type LockKind = 'shared' | 'exclusive'

/** Name (without its NUL terminator) and value of an extended attribute. */
type Xattr = readonly [Uint8Array, Uint8Array]
type Xattrs = readonly Xattr[]

export interface Native {
  /**
   * Reads all extended attributes of a file, directory or symbolic link, sorted by name. Attributes with an empty value
   * are left out, as libostree does, and those that disappear meanwhile. Empty on a file system without attributes.
   * @throws {IoError} when a system call fails; so do all methods below
   */
  readXattrs(path: NativePath): Xattrs
  readXattrsOf(fd: number): Xattrs
  /** Reads one attribute; symbolic links are not followed. @returns a copy; `undefined` when it does not exist */
  getXattr(path: NativePath, name: string): Uint8Array | undefined
  getXattrOf(fd: number, name: string): Uint8Array | undefined
  /** Sets an attribute. @param name text, or bytes without a NUL */
  setXattr(path: NativePath, name: string | Uint8Array, value: Uint8Array): void
  setXattrOf(fd: number, name: string | Uint8Array, value: Uint8Array): void
  /** Removes an attribute; succeeds if it does not exist. */
  removeXattr(path: NativePath, name: string | Uint8Array): void
  /** Flushes the file system that contains `fd` to disk, in another thread. */
  syncfs(fd: number): Promise<void>
  /**
   * Takes, changes or releases a lock on the open file, without waiting. Closing `fd` releases it too.
   * @returns `false` when a lock of another open file excludes it
   */
  lock(fd: number, kind: LockKind | 'none'): boolean
}

const XATTR_SIZE_MAX = 65536
/** Size in bytes of the first buffer for an attribute: the kernel allocates as much, which is slow for 64 KiB. */
const USUAL_VALUE = 256
const CREATE_OR_REPLACE = 0
/** Locks of the open file, not of the process: two descriptors in one process exclude each other. */
const F_OFD_SETLK = 37
const LOCK_TYPES = { shared: 0, exclusive: 1, none: 2 } as const
const LOCK_EX_NB = { shared: 1 | 4, exclusive: 2 | 4, none: 8 } as const

let loaded: Native | undefined | 'untried' = 'untried'

/** Returns the calls, and loads koffi on the first call; `undefined` where the C library cannot be called. */
export function loadNative(): Native | undefined {
  if (loaded === 'untried') loaded = tryLoad()
  return loaded
}

/** Returns the calls when they are first needed, so that koffi is loaded only then. */
export type NativeSource = () => Native | undefined

/**
 * Returns the calls.
 * @param feature what needs them.
 * @throws {UnsupportedError} that names the modes that do without
 */
export function requireNative(feature: string, source: NativeSource = loadNative): Native {
  const native = source()
  if (native !== undefined) return native
  throw new UnsupportedError(
    feature,
    `${feature} needs extended attributes, which Node reads and writes only with the optional package koffi (Linux); ` +
      'modes archive and bare-user-only need none',
  )
}

function tryLoad(): Native | undefined {
  const library = loadCLibrary()
  try {
    return library && bind(library)
  } catch {
    // The C library lacks one of the functions.
    return undefined
  }
}

/** Returns a path as NUL-terminated bytes. */
function cString(text: NativePath): Uint8Array {
  const bytes = typeof text === 'string' ? encodeUtf8(text) : text
  if (bytes.includes(0)) throw new IoError('Invalid argument: a path or name with a NUL', 'EINVAL')
  const terminated = new Uint8Array(bytes.length + 1)
  terminated.set(bytes)
  return terminated
}

function bind(library: CLibrary): Native {
  const lockRegionPointer = library.pointerTo({
    l_type: 'short',
    l_whence: 'short',
    l_start: 'int64_t',
    l_len: 'int64_t',
    l_pid: 'int',
  })
  // koffi converts a string argument faster than this function could.
  const lgetxattrText = library.func('long lgetxattr(str path, str name, void *value, size_t size)')
  const lgetxattr = library.func('long lgetxattr(const uint8_t *path, const uint8_t *name, void *value, size_t size)')
  const fgetxattr = library.func('long fgetxattr(int fd, const uint8_t *name, void *value, size_t size)')
  const llistxattr = library.func('long llistxattr(const uint8_t *path, void *list, size_t size)')
  const flistxattr = library.func('long flistxattr(int fd, void *list, size_t size)')
  const lsetxattr = library.func(
    'int lsetxattr(const uint8_t *path, const uint8_t *name, const uint8_t *value, size_t size, int flags)',
  )
  const fsetxattr = library.func(
    'int fsetxattr(int fd, const uint8_t *name, const uint8_t *value, size_t size, int flags)',
  )
  const lremovexattr = library.func('int lremovexattr(const uint8_t *path, const uint8_t *name)')
  const syncfs = library.func('int syncfs(int fd)')
  const fcntl = library.func('int fcntl(int fd, int command, ...)')
  const flock = library.func('int flock(int fd, int operation)')

  const fail = (call: string, errno: string, path?: NativePath): IoError =>
    new IoError(`${call}: ${errnoText(errno)}`, errno, typeof path === 'string' ? path : undefined)

  /** Shared by all calls, which do not nest and copy their results. */
  const valueBuffer = new Uint8Array(XATTR_SIZE_MAX)
  const listBuffer = new Uint8Array(XATTR_SIZE_MAX)

  const names = new Map<string, Uint8Array>()
  const cName = (name: string | Uint8Array): Uint8Array => {
    if (typeof name !== 'string') return cString(name)
    let terminated = names.get(name)
    if (terminated === undefined) {
      terminated = cString(name)
      if (names.size < 64) names.set(name, terminated)
    }
    return terminated
  }

  function get(call: string, result: number, path?: NativePath): Uint8Array | undefined {
    if (result >= 0) return valueBuffer.slice(0, result)
    const errno = library.errno()
    if (errno === 'ENODATA') return undefined
    throw fail(call, errno, path)
  }

  function readAll(listed: number, call: string, getOne: (name: Uint8Array) => number, path?: NativePath): Xattrs {
    if (listed < 0) {
      const errno = library.errno()
      if (errno === 'ENOTSUP') return []
      throw fail(call, errno, path)
    }
    const xattrs: Xattr[] = []
    for (let start = 0; start < listed; ) {
      const end = listBuffer.indexOf(0, start)
      const terminated = listBuffer.slice(start, end + 1)
      start = end + 1
      const value = get(call.replace('list', 'get'), getOne(terminated), path)
      if (value !== undefined && value.length > 0) xattrs.push([terminated.subarray(0, -1), value])
    }
    return xattrs.sort(([a], [b]) => compareBytes(a, b))
  }

  const checked = (call: string, result: number, path?: NativePath): void => {
    if (result < 0) throw fail(call, library.errno(), path)
  }

  return {
    readXattrs(path) {
      const at = cString(path)
      let listed = llistxattr(at, listBuffer, USUAL_VALUE)
      if (listed === 0) return []
      if (listed < 0) listed = llistxattr(at, listBuffer, XATTR_SIZE_MAX)
      return readAll(listed, 'llistxattr', (name) => lgetxattr(at, name, valueBuffer, XATTR_SIZE_MAX), path)
    },
    readXattrsOf(fd) {
      let listed = flistxattr(fd, listBuffer, USUAL_VALUE)
      if (listed === 0) return []
      if (listed < 0) listed = flistxattr(fd, listBuffer, XATTR_SIZE_MAX)
      return readAll(listed, 'flistxattr', (name) => fgetxattr(fd, name, valueBuffer, XATTR_SIZE_MAX))
    },
    getXattr(path, name) {
      if (typeof path === 'string' && !path.includes('\0')) {
        const length = lgetxattrText(path, name, valueBuffer, USUAL_VALUE)
        if (length >= 0) return valueBuffer.slice(0, length)
      }
      return get('lgetxattr', lgetxattr(cString(path), cName(name), valueBuffer, XATTR_SIZE_MAX), path)
    },
    getXattrOf(fd, name) {
      const length = fgetxattr(fd, cName(name), valueBuffer, USUAL_VALUE)
      if (length >= 0) return valueBuffer.slice(0, length)
      return get('fgetxattr', fgetxattr(fd, cName(name), valueBuffer, XATTR_SIZE_MAX))
    },
    setXattr(path, name, value) {
      const result = lsetxattr(cString(path), cName(name), value, value.length, CREATE_OR_REPLACE)
      checked('lsetxattr', result, path)
    },
    setXattrOf(fd, name, value) {
      checked('fsetxattr', fsetxattr(fd, cName(name), value, value.length, CREATE_OR_REPLACE))
    },
    removeXattr(path, name) {
      if (lremovexattr(cString(path), cName(name)) === 0) return
      const errno = library.errno()
      if (errno !== 'ENODATA') throw fail('lremovexattr', errno, path)
    },
    syncfs: (fd) =>
      new Promise((resolve, reject) => {
        syncfs.async(fd, (error: unknown, result: number) => {
          if (error === null && result === 0) resolve()
          // The errno of the other thread is not known here.
          else reject(fail('syncfs', 'EIO'))
        })
      }),
    lock(fd, kind) {
      const region = { l_type: LOCK_TYPES[kind], l_whence: 0, l_start: 0, l_len: 0, l_pid: 0 }
      let result = fcntl(fd, F_OFD_SETLK, lockRegionPointer, region)
      let errno = result < 0 ? library.errno() : ''
      // Linux before 3.15 has no such locks. libostree uses flock there, and so does this.
      if (errno === 'EINVAL') {
        result = flock(fd, LOCK_EX_NB[kind])
        errno = result < 0 ? library.errno() : ''
      }
      if (result >= 0) return true
      if (errno === 'EAGAIN' || errno === 'EACCES') return false
      throw fail('Locking', errno)
    },
  }
}
