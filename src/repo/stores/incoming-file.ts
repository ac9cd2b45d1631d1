/** One file on its way into a store: counted and hashed as it comes, gathered if small, and named when it is whole. */

import type { Checksum, MaybePromise } from '../../bytes.ts'
import { FormatError, UsageError, withContext } from '../../errors.ts'
import { createFileHasher, createFileVerifier, type FileHeader } from '../../objects/index.ts'
import type { Platform } from '../../platform/index.ts'
import type { FileSink } from '../core/interface.ts'

/** What a store makes of content too large to be gathered in memory. */
export interface LargeBody {
  /** Copies or writes before it returns. */
  write(bytes: Uint8Array): void
  /** `undefined` while it keeps up. Absent: it always does. */
  drained?(): Promise<void> | undefined
  /** Forgets it; may be called twice. */
  abort(): void
}

export interface IncomingFile<Body extends LargeBody> {
  readonly header: FileHeader
  /** Bytes of content promised. */
  readonly size: number
  readonly expected: Checksum | undefined
  /** `undefined`: it is gathered in one array. */
  readonly large: Body | undefined
  /** @throws {UsageError} when the transaction has ended */
  requireOpen(): void
  /** Takes in a file that is all there and is what was expected. */
  store(checksum: Checksum, content: Uint8Array | Body): MaybePromise<void>
  /** Called once, however it ends. */
  closed?(): void
}

export class IncomingFileSink<Body extends LargeBody> implements FileSink {
  readonly #file: IncomingFile<Body>
  readonly #content: Uint8Array | Body
  readonly #update: (bytes: Uint8Array) => void
  readonly #checksum: () => Checksum
  #received = 0
  #done = false

  constructor(platform: Platform, file: IncomingFile<Body>) {
    const { header, size, expected, large } = file
    this.#file = file
    this.#content = large ?? new Uint8Array(size)
    if (expected === undefined) {
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

  drained(): Promise<void> | undefined {
    return this.#file.large?.drained?.()
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
    this.#close()
    return checksum
  }

  #failed(error: unknown): never {
    this.abort()
    throw withContext('Writing content object', error)
  }

  abort(): void {
    if (this.#done) return
    this.#file.large?.abort()
    this.#close()
  }

  #close(): void {
    this.#done = true
    this.#file.closed?.()
  }

  #requireOpen(): void {
    this.#file.requireOpen()
    if (this.#done) throw new UsageError('The file is finished')
  }
}

function wrongSize(received: string, promised: number): FormatError {
  return new FormatError('file content', `Writing content object: ${promised} bytes promised, got ${received}`)
}
