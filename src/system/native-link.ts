/**
 * System calls on names in directories, with which a checkout makes links and devices. `link`, `unlink` and
 * `inode` also save time: they take half as long as those of `node:fs` (bench/checkout.mjs). Where the C library cannot
 * be called (koffi.ts) callers do without.
 *
 * Source: linkat(2), unlinkat(2), statx(2), mknod(2), utimensat(2), renameat2(2).
 */

import { constants, fstatSync } from 'node:fs'
import { encodeUtf8 } from '../bytes.ts'
import { UnsupportedError } from '../errors.ts'
import { type CLibrary, loadCLibrary, type NativeFunction } from './koffi.ts'

export interface LinkCalls {
  /**
   * Creates a hard link to `from`. If that is a symbolic link, the link itself is linked, not its target.
   * @param fromDirectory descriptor of the directory that `from` is relative to
   * @returns the errno of a failure, such as `EEXIST`; `undefined` on success
   */
  link(fromDirectory: number, from: string, directory: number, name: string): string | undefined
  /** Creates a file without a name, writable, mode 0600. @returns its descriptor, or the errno of a failure */
  openNameless(directory: number): number | string
  /** Gives a name to a file that has none. @returns as `link` */
  linkOpen(file: number, directory: number, name: string): string | undefined
  /** Closes a file without a name. In a thread, Node warns if it closes a descriptor that it has not opened. */
  closeNameless(file: number): void
  /** Reads the inode of a file; symbolic links are not followed. @returns `undefined` when that fails */
  inode(fromDirectory: number, path: string): { mode: number; uid: number; gid: number; size: number } | undefined
  /** Removes a name that is not a directory. @returns as `link` */
  unlink(directory: number, name: string): string | undefined
  /** Creates a character device with the numbers 0:0. @returns as `link` */
  makeWhiteout(directory: number, name: string, permissions: number): string | undefined
  /**
   * Creates a device or a pipe.
   * @param mode its type (`S_IFCHR`, `S_IFBLK` or `S_IFIFO`) and permissions, without those of the umask
   * @returns as `link`
   */
  makeNode(directory: number, name: Name, mode: number, major: number, minor: number): string | undefined
  /**
   * Sets the times of access and modification of a path, exact to the nanosecond; symbolic links are not followed.
   * @returns as `link`
   */
  setTimes(path: Name, seconds: number, nanoseconds: number): string | undefined
  /**
   * Exchanges two existing names of one file system in one step: at any moment both exist.
   * @returns as `link`; `EINVAL` where the file system cannot do that, `ENOSYS` where the C library or the kernel cannot
   */
  exchange(path: Name, other: Name): string | undefined
}

/** A file name: text, or its bytes if it is not valid UTF-8. */
type Name = string | Uint8Array

const AT_FDCWD = -100
const AT_SYMLINK_NOFOLLOW = 0x100
const AT_SYMLINK_FOLLOW = 0x400
const STATX_BASIC_STATS = 0x7ff
const RENAME_EXCHANGE = 2
const S_IFCHR = 0o020000
const PRIVATE = 0o600
/** Constants of linkat(2), unlinkat(2) and statx(2), which Node does not export. */
const O_TMPFILE = 0o20000000 | constants.O_DIRECTORY
const O_CLOEXEC = 0o2000000

/** Size of struct statx, and offsets in it, in bytes. */
const UID = 20
const GID = 24
const MODE = 28
const SIZE = 40
const STATX_LENGTH = 256

let loaded: LinkCalls | undefined | 'untried' = 'untried'

/** Returns the calls; `undefined` where the C library cannot be called. */
export function loadLinkCalls(): LinkCalls | undefined {
  if (loaded === 'untried') loaded = tryLoad()
  return loaded
}

/**
 * Returns the calls.
 * @param feature what needs them, for the message.
 * @throws {UnsupportedError} when they are missing
 */
export function requireLinkCalls(feature: string, linkCalls: LinkCalls | undefined): LinkCalls {
  if (linkCalls !== undefined) return linkCalls
  throw new UnsupportedError(feature, `${feature} can be made only with the optional package koffi (Linux)`)
}

function tryLoad(): LinkCalls | undefined {
  const library = loadCLibrary()
  try {
    return library && bind(library)
  } catch {
    // The C library lacks one of the functions.
    return undefined
  }
}

function bind(library: CLibrary): LinkCalls {
  const linkat = library.func('int linkat(int fromDirectory, str from, int directory, str name, int flags)')
  const openat = library.func('int openat(int directory, str path, int flags, uint mode)')
  const statx = library.func('int statx(int directory, str path, int flags, uint mask, void *buffer)')
  const unlinkat = library.func('int unlinkat(int directory, str name, int flags)')
  const close = library.func('int close(int file)')
  const mknodat = library.func('int mknodat(int directory, str name, uint mode, uint64_t device)')

  const mknodatBytes = library.func('int mknodat(int directory, const uint8_t *name, uint mode, uint64_t device)')
  const utimensat = library.func('int utimensat(int directory, const uint8_t *name, const void *times, int flags)')

  const renameat2 = renameFunction(library)

  const reason = (result: number): string | undefined => (result >= 0 ? undefined : library.errno())

  const root = openat(AT_FDCWD, '/', constants.O_RDONLY | O_CLOEXEC, 0)
  const sharesDescriptors = isKnownToNode(root)
  close(root)
  const buffer = new Uint8Array(STATX_LENGTH)
  const view = new DataView(buffer.buffer)
  const little = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1

  return {
    link: (fromDirectory, from, directory, name) => reason(linkat(fromDirectory, from, directory, name, 0)),
    openNameless(directory) {
      if (!sharesDescriptors) return 'ENOTSUP'
      const fd = openat(directory, '.', constants.O_WRONLY | O_TMPFILE | O_CLOEXEC, PRIVATE)
      return fd < 0 ? (reason(fd) as string) : fd
    },
    linkOpen: (file, directory, name) =>
      reason(linkat(AT_FDCWD, `/proc/self/fd/${file}`, directory, name, AT_SYMLINK_FOLLOW)),
    inode(fromDirectory, path) {
      if (statx(fromDirectory, path, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, buffer) !== 0) return undefined
      return {
        mode: view.getUint16(MODE, little),
        uid: view.getUint32(UID, little),
        gid: view.getUint32(GID, little),
        size: Number(view.getBigUint64(SIZE, little)),
      }
    },
    closeNameless: (file) => void close(file),
    unlink: (directory, name) => reason(unlinkat(directory, name, 0)),
    makeWhiteout: (directory, name, permissions) => reason(mknodat(directory, name, S_IFCHR | permissions, 0)),
    makeNode: (directory, name, mode, major, minor) =>
      reason(mknodatBytes(directory, terminated(name), mode, deviceNumber(major, minor))),
    setTimes(path, seconds, nanoseconds) {
      const times = BigInt64Array.of(BigInt(seconds), BigInt(nanoseconds), BigInt(seconds), BigInt(nanoseconds))
      return reason(utimensat(AT_FDCWD, terminated(path), times, AT_SYMLINK_NOFOLLOW))
    },
    exchange(path, other) {
      if (renameat2 === undefined) return 'ENOSYS'
      return reason(renameat2(AT_FDCWD, terminated(path), AT_FDCWD, terminated(other), RENAME_EXCHANGE))
    },
  }
}

/** Returns renameat2(2), which C libraries have later than the other functions: glibc since 2.28. */
function renameFunction(library: CLibrary): NativeFunction | undefined {
  try {
    return library.func('int renameat2(int from, const uint8_t *path, int to, const uint8_t *other, uint flags)')
  } catch {
    return undefined
  }
}

function terminated(name: Name): Uint8Array {
  const bytes = typeof name === 'string' ? encodeUtf8(name) : name
  const text = new Uint8Array(bytes.length + 1)
  text.set(bytes)
  return text
}

/** Joins the numbers of a device as makedev(3) of glibc and musl does. */
function deviceNumber(major: number, minor: number): bigint {
  const [high, low] = [BigInt(major), BigInt(minor)]
  return (low & 0xffn) | ((high & 0xfffn) << 8n) | ((low & 0xffffff00n) << 12n) | ((high & 0xfffff000n) << 32n)
}

/** Deno's `node:fs` accepts only descriptors that it has opened itself. */
function isKnownToNode(fd: number): boolean {
  try {
    fstatSync(fd)
    return true
  } catch {
    return false
  }
}
