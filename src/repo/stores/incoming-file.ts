/** One file on its way into a store: counted and hashed as it arrives, and stored when it is complete and verified. */

import { type Checksum, type MaybePromise, SMALL_FILE } from '../../bytes.ts'
import { FormatError, UsageError, withContext } from '../../errors.ts'
import { createFileHasher, createFileVerifier, type FileHeader } from '../../objects/index.ts'
import type { Platform } from '../../platform/index.ts'
import type { FileSink } from '../core/interface.ts'

/** Content larger than SMALL_FILE that a backend takes in, before its checksum is known. */
export interface LargeBody {
  /** Copies or writes `bytes` before it returns. */
  write(bytes: Uint8Array): void
  /** As `Transaction.drained`. Absent if the backend always keeps up. */
  drained?(): Promise<void> | undefined
  /** Completes the content, which is all written. Absent if there is nothing to do. */
  finish?(): MaybePromise<void>
  /** Makes the completed content a file object. @returns false if that object was stored since; the content is dropped */
  keep(checksum: Checksum): boolean
  /** Drops the content, unless `keep` was called; may be called twice. */
  abort(): void
}

export interface IncomingFile {
  readonly header: FileHeader
  /** Bytes of content promised. */
  readonly size: number
  readonly expected: Checksum | undefined
  /** Whether `expected` is the checksum of the object without being verified. */
  readonly trusted: boolean
  /** Takes the content: a large body, or room for `size` bytes, in which the sink gathers it. */
  readonly content: LargeBody | Uint8Array
  /** Called once, when `content` is not used any more. */
  ended?(): void
  /** @throws {UsageError} if the transaction takes no writes now */
  requireOpen(): void
  /** Stores a file that is complete and has the expected checksum. */
  store(checksum: Checksum, content: Uint8Array | LargeBody): MaybePromise<void>
}

/** Memory for small files. Most of the time there is one file at a time, so that it is allocated once. */
export class SmallFileRooms {
  #free: Uint8Array | undefined

  /** Returns SMALL_FILE bytes, not zeroed. */
  take(): Uint8Array {
    const room = this.#free ?? new Uint8Array(SMALL_FILE)
    this.#free = undefined
    return room
  }

  giveBack(room: Uint8Array | undefined): void {
    this.#free ??= room
  }
}

export class IncomingFileSink implements FileSink {
  readonly #file: IncomingFile
  readonly #content: Uint8Array | LargeBody
  readonly #update: (bytes: Uint8Array) => void
  readonly #checksum: () => Checksum
  #received = 0
  #done = false

  constructor(platform: Platform, file: IncomingFile) {
    const { header, expected, trusted, content } = file
    this.#file = file
    this.#content = content
    if (trusted && expected !== undefined) {
      this.#update = () => {}
      this.#checksum = () => expected
    } else if (expected === undefined) {
      const hasher = createFileHasher(platform, header)
      this.#update = (bytes) => hasher.update(bytes)
      this.#checksum = () => hasher.digest()
    } else {
      const verifier = createFileVerifier(platform, header, expected)
      this.#update = (bytes) => verifier.update(bytes)
      this.#checksum = () => {
        verifier.finish()
        return expected
      }
    }
  }

  write(bytes: Uint8Array): void {
    this.#requireOpen()
    const { size } = this.#file
    if (this.#received + bytes.length > size) {
      this.abort()
      throw wrongSize(`at least ${this.#received + bytes.length}`, size)
    }
    try {
      this.#update(bytes)
      if (this.#content instanceof Uint8Array) this.#content.set(bytes, this.#received)
      else this.#content.write(bytes)
    } catch (error) {
      this.abort()
      throw withContext('Writing content object', error)
    }
    this.#received += bytes.length
  }

  finish(): MaybePromise<Checksum> {
    this.#requireOpen()
    try {
      if (this.#received !== this.#file.size) throw wrongSize(`${this.#received}`, this.#file.size)
      const checksum = this.#checksum()
      const stored = this.#file.store(checksum, this.#content)
      if (stored instanceof Promise) {
        return stored.then(
          () => this.#stored(checksum),
          (error) => this.#failed(error),
        )
      }
      return this.#stored(checksum)
    } catch (error) {
      return this.#failed(error)
    }
  }

  #stored(checksum: Checksum): Checksum {
    this.#done = true
    this.#file.ended?.()
    return checksum
  }

  #failed(error: unknown): never {
    this.abort()
    throw withContext('Writing content object', error)
  }

  abort(): void {
    if (this.#done) return
    this.#done = true
    if (!(this.#content instanceof Uint8Array)) this.#content.abort()
    this.#file.ended?.()
  }

  #requireOpen(): void {
    this.#file.requireOpen()
    if (this.#done) throw new UsageError('The file is finished')
  }
}

function wrongSize(received: string, promised: number): FormatError {
  return new FormatError('file content', `Writing content object: ${promised} bytes promised, got ${received}`)
}
