/** Keeps the content of the files of an unpacked image in one temporary file, which has no name and so cannot be left behind. */

import { closeSync, constants, openSync, readSync, unlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Content, EMPTY_BYTES } from '../bytes.ts'
import type { Inode, RootContent, RootWriter } from '../container/internal.ts'
import { ioError, withIo } from '../system/errno.ts'
import { randomName, writeAll } from '../system/file-io.ts'

/** Bytes that are read at once. */
const PIECE = 1 << 20

export class SpoolFile implements RootWriter, RootContent {
  readonly #fd: number
  #size = 0

  /** @throws {IoError} when the file cannot be created in the directory for temporary files */
  constructor() {
    const path = join(tmpdir(), `ostree-ts-${randomName()}`)
    this.#fd = withIo(path, () => openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL, 0o600))
    unlinkSync(path)
  }

  makeDirectory(): void {}
  remove(): void {}
  link(): void {}

  make(_parent: unknown, _name: string, inode: Inode): void {
    inode.content = this.#size
  }

  data(bytes: Uint8Array): void {
    try {
      writeAll(this.#fd, bytes)
    } catch (error) {
      throw ioError(error, tmpdir())
    }
    this.#size += bytes.length
  }

  end(): void {}

  read({ content, size }: Inode): Content {
    return size === 0 ? EMPTY_BYTES : this.#read(content as number, size)
  }

  async *#read(start: number, size: number): AsyncGenerator<Uint8Array, void, undefined> {
    for (let at = start; at < start + size; ) {
      const piece = withIo(tmpdir(), () => readAt(this.#fd, at, Math.min(PIECE, start + size - at)))
      at += piece.length
      yield piece
    }
  }

  close(): void {
    closeSync(this.#fd)
  }
}

function readAt(fd: number, position: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length)
  const read = readSync(fd, bytes, 0, length, position)
  if (read === 0) throw new RangeError('The temporary file is shorter than what was written to it')
  return bytes.subarray(0, read)
}
