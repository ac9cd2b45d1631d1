/** Reads and writes the files of image transports on a local disk, with node:fs. */

import type { Stats } from 'node:fs'
import { type FileHandle, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { IoError, LimitError } from '../errors.ts'
import { type FileWriter, STREAM_CHUNK_BYTES, type WritableFiles } from '../platform/index.ts'
import { errnoOf, ioError, withIoAsync } from './errno.ts'
import { createTemporary } from './temporary.ts'

async function* stream(
  path: string,
  range: { offset?: number; length?: number } = {},
): AsyncGenerator<Uint8Array, void, undefined> {
  const file = await withIoAsync(path, () => open(path, 'r'))
  try {
    let position = range.offset ?? 0
    let left = range.length ?? Number.POSITIVE_INFINITY
    // All chunks share one buffer: the reader has used a chunk before it requests the next.
    const buffer = new Uint8Array(Math.min(STREAM_CHUNK_BYTES, left))
    while (left > 0) {
      const size = await readSome(file, path, buffer, Math.min(buffer.length, left), position)
      if (size === 0) break
      position += size
      left -= size
      yield buffer.subarray(0, size)
    }
    if (left > 0 && range.length !== undefined) {
      throw new IoError(`${path}: ends ${left} bytes before the end of the range`, 'EIO', path)
    }
  } finally {
    await file.close()
  }
}

async function readSome(file: FileHandle, path: string, into: Uint8Array, most: number, at: number): Promise<number> {
  return (await withIoAsync(path, () => file.read(into, 0, most, at))).bytesRead
}

function kindOf(stats: Stats): 'file' | 'directory' | 'other' {
  if (stats.isFile()) return 'file'
  return stats.isDirectory() ? 'directory' : 'other'
}

class NodeFileWriter implements FileWriter {
  readonly #file: FileHandle
  readonly #path: string

  constructor(file: FileHandle, path: string) {
    this.#file = file
    this.#path = path
  }

  async write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; ) {
      at += (await withIoAsync(this.#path, () => this.#file.write(bytes, at))).bytesWritten
    }
  }

  async close(sync = false): Promise<void> {
    try {
      if (sync) await withIoAsync(this.#path, () => this.#file.sync())
    } finally {
      await this.#file.close()
    }
  }
}

/** Local files over `node:fs`, for images on a disk. */
export const nodeFiles: WritableFiles = {
  async stat(path) {
    try {
      const stats = await stat(path)
      return { kind: kindOf(stats), size: stats.size }
    } catch (error) {
      const errno = errnoOf(error)
      if (errno === 'ENOENT' || errno === 'ENOTDIR') return undefined
      throw ioError(error, path)
    }
  },

  stream,

  async read(path, limit) {
    const file = await withIoAsync(path, () => open(path, 'r'))
    try {
      const { size } = await withIoAsync(path, () => file.stat())
      const tooLarge = () => new LimitError('file size', limit, `${path} is larger than ${limit} bytes`, path)
      if (size > limit) throw tooLarge()
      // One byte more than the file's size, to notice a file that grows, or that reports size 0 as those in /proc do.
      let bytes = new Uint8Array(size + 1)
      let length = 0
      for (;;) {
        const got = await readSome(file, path, bytes, bytes.length - length, length)
        if (got === 0) return bytes.slice(0, length)
        length += got
        if (length > limit) throw tooLarge()
        if (length < bytes.length) continue
        const grown = new Uint8Array(Math.min(bytes.length * 2, limit + 1))
        grown.set(bytes)
        bytes = grown
      }
    } finally {
      await file.close()
    }
  },

  join,

  parent: dirname,

  async createDirectory(path) {
    try {
      await withIoAsync(path, () => mkdir(path))
    } catch (error) {
      const isThere = error instanceof IoError && error.data.errno === 'EEXIST'
      if (!isThere || (await nodeFiles.stat(path))?.kind !== 'directory') throw error
    }
  },

  createTemporary: (parent) => withIoAsync(parent, () => createTemporary(parent)),

  async createFile(path) {
    return new NodeFileWriter(await withIoAsync(path, () => open(path, 'w')), path)
  },

  rename: (from, to) => withIoAsync(to, () => rename(from, to)),

  list: (path) => withIoAsync(path, () => readdir(path)),

  remove: (path) => withIoAsync(path, () => rm(path, { recursive: true, force: true })),
}
