/** Files without a name, for bytes that are needed for a while. They go when they are closed or the process ends. */

import { closeSync, constants, fstatSync, openSync, readSync, unlinkSync } from 'node:fs'
import { FormatError } from '../errors.ts'
import { withIo } from './errno.ts'
import { randomName, writeAll } from './file-io.ts'

const FLAGS = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW
const PRIVATE = 0o600

/** Reads an open file at any place, and closes it. */
export class FileAccess {
  size: number
  protected readonly fd: number
  protected readonly shown: string
  #open = true

  /** @param fd open for reading; `close` closes it */
  constructor(fd: number, shown: string, size = fstatSync(fd).size) {
    this.fd = fd
    this.shown = shown
    this.size = size
  }

  read(offset: number, into: Uint8Array): void {
    for (let at = 0; at < into.length; ) {
      const count = withIo(this.shown, () => readSync(this.fd, into, at, into.length - at, offset + at))
      if (count === 0) throw new FormatError(this.shown, `Unexpected end of ${this.shown} at ${offset + at}`)
      at += count
    }
  }

  close(): void {
    if (this.#open) closeSync(this.fd)
    this.#open = false
  }
}

/** A file whose name is removed as soon as it is created. */
export class ScratchFile extends FileAccess {
  readonly #reserve: ((bytes: number) => void) | undefined

  /**
   * Creates the file.
   * @param reserve called before bytes are written; throws if there is no space for them
   * @throws {IoError} if the directory cannot be written
   */
  constructor(directory: string, reserve?: (bytes: number) => void) {
    const path = `${directory}/scratch-${randomName()}`
    const fd = withIo(path, () => openSync(path, FLAGS, PRIVATE))
    withIo(path, () => unlinkSync(path))
    super(fd, path, 0)
    this.#reserve = reserve
  }

  write(bytes: Uint8Array): void {
    this.#reserve?.(bytes.length)
    withIo(this.shown, () => writeAll(this.fd, bytes))
    this.size += bytes.length
  }
}
