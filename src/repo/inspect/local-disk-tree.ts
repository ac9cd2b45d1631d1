/**
 * A directory of the local file system as one side of a difference: each entry hashed as it would be if it were
 * committed. Nothing is followed but the root.
 *
 * Entries come in the order of GLib's file enumerator, which decides the order of the output: a thousand of them as the
 * directory has them, sorted by inode, then the next thousand. Source: ostree-diff.c (get_file_checksum);
 * glocalfileenumerator.c (next_file_helper).
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
import type { DiffDirectory, DiffEntry } from './diff.ts'

const ENTRIES_A_TURN = 1000

export interface DiskTreeOptions {
  readonly platform: Platform
  /** Takes the place of every owner on the disk. */
  readonly ownerUid?: number | undefined
  readonly ownerGid?: number | undefined
}

/** @throws {IoError} `Error when getting information for file “…”: No such file or directory` */
export function createDiskTree(path: string, options: DiskTreeOptions): DiffDirectory {
  inspect(resolve(path))
  return new DiskDirectory(Buffer.from(resolve(path)), '', options)
}

/**
 * The checksum a file, link or directory would have as an object: of a directory that of its dirmeta. As ostree, which
 * has two ways to look: a link is followed where a slash stands behind it, if attributes do not matter.
 * @throws {IoError} `Error when getting information for file “…”: …`, and `fstatat(…): …` without attributes
 */
export function checksumPath(path: string, platform: Platform, ignoreXattrs = false): Checksum {
  const options = { platform }
  if (ignoreXattrs) {
    const stat = withIo(path, () => lstatSync(path, { bigint: true }))
    return checksumInode(Buffer.from(path), stat, options, true)
  }
  const whole = resolve(path)
  return checksumInode(Buffer.from(whole), inspect(whole), options, false)
}

class DiskDirectory implements DiffDirectory {
  readonly tree = undefined
  readonly withoutXattrs = false
  readonly #path: Buffer
  readonly #shown: string
  readonly #options: DiskTreeOptions

  /** @param shown relative to the root */
  constructor(path: Buffer, shown: string, options: DiskTreeOptions) {
    this.#path = path
    this.#shown = shown
    this.#options = options
  }

  list(): DiffEntry[] {
    const entries: DiffEntry[] = []
    let turn: { name: Buffer; path: Buffer; stat: BigIntStats }[] = []
    const flush = () => {
      turn.sort((a, b) => (a.stat.ino < b.stat.ino ? -1 : a.stat.ino > b.stat.ino ? 1 : 0))
      for (const { name, path, stat } of turn) entries.push(this.#entry(name, path, stat))
      turn = []
    }
    for (const name of namesIn(this.#path)) {
      const path = Buffer.concat([this.#path, SLASH, name])
      turn.push({ name, path, stat: inspect(path) })
      if (turn.length === ENTRIES_A_TURN) flush()
    }
    flush()
    return entries
  }

  #entry(bytes: Buffer, path: Buffer, stat: BigIntStats): DiffEntry {
    const text = displayUtf8(bytes)
    const shown = this.#shown === '' ? text : `${this.#shown}/${text}`
    return {
      // No name of a commit has a NUL, and neither have two names on a disk the same bytes.
      name: isUtf8(bytes) ? text : `\0${bytes.toString('hex')}`,
      path: shown,
      directory: stat.isDirectory() ? new DiskDirectory(path, shown, this.#options) : undefined,
      checksum: (ignoreXattrs) => checksumInode(path, stat, this.#options, ignoreXattrs),
    }
  }
}

/** Of a file, or of the dirmeta of a directory. */
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
  // Devices, pipes and sockets have no content; their mode alone makes them different from every file.
  if (!stat.isFile()) return createFileHasher(platform, { ...meta, target }).digest()
  return hashFile(platform, { ...meta, target }, path)
}

const SLASH = Buffer.from('/')

/** One for all: nothing waits between a read and its use. */
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

function* namesIn(path: Buffer): Generator<Buffer, void> {
  const shown = shownPath(path)
  try {
    // The types know of text only.
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

function inspect(path: Buffer | string): BigIntStats {
  try {
    return lstatSync(path, { bigint: true })
  } catch (error) {
    const errno = errnoOf(error)
    if (errno === undefined) throw error
    const shown = typeof path === 'string' ? path : shownPath(path)
    const message = `Error when getting information for file “${shown}”: ${errnoText(errno)}`
    throw new IoError(message, errno, shown, { cause: error })
  }
}
