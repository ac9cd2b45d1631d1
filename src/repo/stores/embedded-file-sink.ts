/** One file on its way into an embedded store: counted and hashed as it comes, small bodies gathered into one array. */

import type { Checksum } from '../../bytes.ts'
import { FormatError, UsageError, withContext } from '../../errors.ts'
import { createFileHasher, createFileVerifier, type FileHeader } from '../../objects/index.ts'
import type { Platform } from '../../platform/index.ts'
import type { FileSink } from '../interface.ts'
import type { BodyWriter } from './embedded-transaction.ts'

export interface IncomingFile {
  readonly header: FileHeader
  /** Bytes of content promised. */
  readonly size: number
  readonly expected: Checksum | undefined
  /** Where content goes that is too large to be gathered. */
  readonly large: BodyWriter | undefined
  /** @throws {UsageError} when the transaction has ended */
  requireOpen(): void
  /** Takes the file in, whose content is all there and which is what was expected. */
  store(checksum: Checksum, content: Uint8Array | BodyWriter): void
}

export class EmbeddedFileSink implements FileSink {
  readonly #file: IncomingFile
  readonly #content: Uint8Array | BodyWriter
  readonly #update: (bytes: Uint8Array) => void
  readonly #checksum: () => Checksum
  #received = 0
  #done = false

  constructor(platform: Platform, file: IncomingFile) {
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
    this.#update(bytes)
    if (this.#content instanceof Uint8Array) this.#content.set(bytes, this.#received)
    else this.#content.write(bytes)
    this.#received += bytes.length
  }

  finish(): Checksum {
    this.#requireOpen()
    try {
      if (this.#received !== this.#file.size) throw wrongSize(`${this.#received}`, this.#file.size)
      const checksum = this.#checksum()
      this.#file.store(checksum, this.#content)
      this.#done = true
      return checksum
    } catch (error) {
      this.abort()
      throw withContext('Writing content object', error)
    }
  }

  abort(): void {
    if (this.#done) return
    this.#done = true
    this.#file.large?.drop()
  }

  #requireOpen(): void {
    this.#file.requireOpen()
    if (this.#done) throw new UsageError('The file is finished')
  }
}

function wrongSize(received: string, promised: number): FormatError {
  return new FormatError('file content', `Writing content object: ${promised} bytes promised, got ${received}`)
}
