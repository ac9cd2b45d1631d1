/**
 * System calls relative to an open directory, with which a checkout makes links and devices. `link`, `unlink` and `inode`
 * also save time: they take half as long as those of `node:fs` (bench/checkout.mjs). Where the C library cannot be called
 * (koffi.ts) callers do without.
 *
 * Source: linkat(2), unlinkat(2), statx(2), mknod(2).
 */

import { constants, fstatSync } from 'node:fs'
import { UnsupportedError } from '../errors.ts'
import { type CLibrary, loadCLibrary } from './koffi.ts'

export interface LinkCalls {
  /**
   * A link to `from` itself, not to what it may point to.
   * @param fromDirectory what `from` is relative to
   * @returns why not, such as `EEXIST`; else `undefined`
   */
  link(fromDirectory: number, from: string, directory: number, name: string): string | undefined
  /** A file without a name, writable, for the owner only. @returns it, or why not */
  openNameless(directory: number): number | string
  /** Gives such a file its first name. @returns as `link` */
  linkOpen(file: number, directory: number, name: string): string | undefined
  /** Closes such a file: in a thread Node warns of those it has not opened itself. */
  closeNameless(file: number): void
  /** Of the file itself. @returns `undefined` when there is none, or it cannot be looked at */
  inode(fromDirectory: number, path: string): { mode: number; uid: number; gid: number; size: number } | undefined
  /** Not a directory. @returns as `link` */
  unlink(directory: number, name: string): string | undefined
  /** Character device 0:0. @returns as `link` */
  makeWhiteout(directory: number, name: string, permissions: number): string | undefined
}

const AT_FDCWD = -100
const AT_SYMLINK_NOFOLLOW = 0x100
const AT_SYMLINK_FOLLOW = 0x400
const STATX_BASIC_STATS = 0x7ff
const S_IFCHR = 0o020000
const PRIVATE = 0o600
/** Node does not name them. */
const O_TMPFILE = 0o20000000 | constants.O_DIRECTORY
const O_CLOEXEC = 0o2000000

/** Of struct statx. */
const UID = 20
const GID = 24
const MODE = 28
const SIZE = 40
const STATX_LENGTH = 256

let loaded: LinkCalls | undefined | 'untried' = 'untried'

/** The provider, or `undefined` where there is none. */
export function loadLinkCalls(): LinkCalls | undefined {
  if (loaded === 'untried') loaded = tryLoad()
  return loaded
}

/** @param feature what is wanted of it, for the message. @throws {UnsupportedError} */
export function requireLinkCalls(feature: string, linkCalls: LinkCalls | undefined): LinkCalls {
  if (linkCalls !== undefined) return linkCalls
  throw new UnsupportedError(feature, `${feature} can be made only with the optional package koffi (Linux)`)
}

function tryLoad(): LinkCalls | undefined {
  const library = loadCLibrary()
  try {
    return library && bind(library)
  } catch {
    // A C library that lacks one of them.
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
  }
}

/** Deno's `node:fs` knows only the descriptors it has opened itself. */
function isKnownToNode(fd: number): boolean {
  try {
    fstatSync(fd)
    return true
  } catch {
    return false
  }
}
