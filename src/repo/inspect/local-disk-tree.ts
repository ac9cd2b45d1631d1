/**
 * Reads a local directory as one side of a comparison. Each entry has the checksum that it would have in a commit.
 * Symlinks are not followed.
 *
 * Entries are listed in the order of GLib's file enumerator, which decides the order of the output: it reads a thousand
 * entries in the order of the directory, sorts them by inode, and then reads the next thousand. Source: ostree-diff.c
 * (get_file_checksum); glocalfileenumerator.c (next_file_helper).
 */

import { isUtf8 } from 'node:buffer'
import { type BigIntStats, closeSync, lstatSync, opendirSync, openSync, readlinkSync, readSync } from 'node:fs'
import { resolve } from 'node:path'
import { type Checksum, displayUtf8, SMALL_FILE } from '../../bytes.ts'
import { IoError } from '../../errors.ts'
import {
  checksumMeta,
  createFileHasher,
  DirMeta,
  type FileHeader,
  NO_XATTRS,
  type Xattrs,
} from '../../objects/index.ts'
import type { Platform } from '../../platform/index.ts'
import { errnoOf, errnoText, withIo } from '../../system/errno.ts'
import { READ_FLAGS } from '../../system/file-io.ts'
import { requireNative } from '../../system/native.ts'
import { fsPath } from '../../system/raw-path.ts'
import type { DiffDirectory, DiffEntry } from './diff.ts'

/** Entries that GLib's enumerator reads at a time. */
const BATCH_SIZE = 1000

/** How to compute the checksums of local files. */
export interface DiskTreeOptions {
  readonly platform: Platform
  /** Owner to assume instead of those on disk. */
  readonly ownerUid?: number | undefined
  readonly ownerGid?: number | undefined
}

/**
 * Opens a local directory for a comparison.
 * @throws {IoError} `Error when getting information for file “…”: …` when the path does not exist
 */
export function createDiskTree(path: string, options: DiskTreeOptions): DiffDirectory {
  const whole = pathBytes(resolve(path))
  inspect(whole)
  return new DiskDirectory(whole, '', options)
}

/**
 * Returns the checksum of the object that a file, symlink or directory would become; for a directory that of its
 * dirmeta. Symlinks are not followed, except, as in ostree, with `ignoreXattrs` and a slash at the end of `path`.
 * @throws {IoError} when `path` does not exist or cannot be read: `Error when getting information for file “…”: …`, or
 *   with `ignoreXattrs` `fstatat(…): …`
 * @throws {UnsupportedError} when koffi, to read extended attributes, is not installed
 */
export function checksumPath(path: string, platform: Platform, ignoreXattrs = false): Checksum {
  const options = { platform }
  if (ignoreXattrs) {
    const stat = withIo(path, () => lstatSync(fsPath(path), { bigint: true }))
    return checksumInode(pathBytes(path), stat, options, true)
  }
  const whole = pathBytes(resolve(path))
  return checksumInode(whole, inspect(whole), options, false)
}

function pathBytes(path: string): Buffer {
  return Buffer.from(fsPath(path))
}

class DiskDirectory implements DiffDirectory {
  readonly tree = undefined
  readonly withoutXattrs = false
  readonly #path: Buffer
  readonly #shown: string
  readonly #options: DiskTreeOptions

  /** @param shown path relative to the root, for the output */
  constructor(path: Buffer, shown: string, options: DiskTreeOptions) {
    this.#path = path
    this.#shown = shown
    this.#options = options
  }

  list(): DiffEntry[] {
    const entries: DiffEntry[] = []
    let batch: { name: Buffer; path: Buffer; stat: BigIntStats }[] = []
    const flush = () => {
      batch.sort((a, b) => (a.stat.ino < b.stat.ino ? -1 : a.stat.ino > b.stat.ino ? 1 : 0))
      for (const { name, path, stat } of batch) entries.push(this.#entry(name, path, stat))
      batch = []
    }
    for (const name of namesAsBytes(this.#path)) {
      const path = Buffer.concat([this.#path, SLASH, name])
      batch.push({ name, path, stat: inspect(path) })
      if (batch.length === BATCH_SIZE) flush()
    }
    flush()
    return entries
  }

  #entry(bytes: Buffer, path: Buffer, stat: BigIntStats): DiffEntry {
    const text = displayUtf8(bytes)
    const shown = this.#shown === '' ? text : `${this.#shown}/${text}`
    return {
      // A name that is not UTF-8 cannot be in a commit, so it must differ from all names there: they have no NUL.
      name: isUtf8(bytes) ? text : `\0${bytes.toString('hex')}`,
      path: shown,
      directory: stat.isDirectory() ? new DiskDirectory(path, shown, this.#options) : undefined,
      checksum: (ignoreXattrs) => checksumInode(path, stat, this.#options, ignoreXattrs),
    }
  }
}

/** Computes the checksum of a file, or of a directory's dirmeta. */
function checksumInode(
  path: Buffer,
  stat: BigIntStats,
  { platform, ownerUid, ownerGid }: DiskTreeOptions,
  ignoreXattrs: boolean,
): Checksum {
  const uid = ownerUid ?? Number(stat.uid)
  const gid = ownerGid ?? Number(stat.gid)
  const xattrs = ignoreXattrs ? NO_XATTRS : readXattrs(path)
  const meta = { uid, gid, mode: Number(stat.mode), xattrs }
  if (stat.isDirectory()) return checksumMeta(platform, DirMeta.encode(meta))
  const target = stat.isSymbolicLink() ? displayUtf8(withIo(shownPath(path), () => readlinkSync(path, 'buffer'))) : ''
  // Devices, FIFOs and sockets are hashed without content. Their mode differs from that of any regular file.
  if (!stat.isFile()) return createFileHasher(platform, { ...meta, target }).digest()
  return hashFile(platform, { ...meta, target }, path)
}

const SLASH = Buffer.from('/')

/** Shared by all calls, which is safe because reading and hashing are synchronous. */
const buffer = new Uint8Array(SMALL_FILE)

function hashFile(platform: Platform, header: FileHeader, path: Buffer): Checksum {
  const hasher = createFileHasher(platform, header)
  withIo(shownPath(path), () => {
    const fd = openSync(path, READ_FLAGS)
    try {
      for (let length = readSync(fd, buffer); length > 0; length = readSync(fd, buffer)) {
        hasher.update(buffer.subarray(0, length))
      }
    } finally {
      closeSync(fd)
    }
  })
  return hasher.digest()
}

function readXattrs(path: Buffer): Xattrs {
  return requireNative('A checksum with extended attributes').readXattrs(path)
}

function shownPath(path: Buffer): string {
  return displayUtf8(path)
}

function* namesAsBytes(path: Buffer): Generator<Buffer, void> {
  const shown = shownPath(path)
  try {
    // Node's type declarations do not know that the path and the names can be buffers.
    const directory = opendirSync(path as unknown as string, { encoding: 'buffer' as BufferEncoding })
    try {
      for (let entry = directory.readSync(); entry !== null; entry = directory.readSync()) {
        yield entry.name as unknown as Buffer
      }
    } finally {
      directory.closeSync()
    }
  } catch (error) {
    const errno = errnoOf(error)
    if (errno === undefined) throw error
    throw new IoError(`Error opening directory '${shown}': ${errnoText(errno)}`, errno, shown, { cause: error })
  }
}

/** Returns the inode data of a path. @throws {IoError} with GLib's message when it does not exist */
function inspect(path: Buffer): BigIntStats {
  try {
    return lstatSync(path, { bigint: true })
  } catch (error) {
    const errno = errnoOf(error)
    if (errno === undefined) throw error
    const shown = shownPath(path)
    const message = `Error when getting information for file “${shown}”: ${errnoText(errno)}`
    throw new IoError(message, errno, shown, { cause: error })
  }
}
