/** Keeps the content of the files of an unpacked image in memory. */

import { type Content, EMPTY_BYTES } from '../../bytes.ts'
import { LimitError } from '../../errors.ts'
import type { Inode, RootWriter } from './root-tree.ts'

/** Default of `maxBytes`: content of all files, in bytes, 2 GiB. */
export const MAX_MEMORY_ROOT: number = 2 ** 31

/** Reads the content of a file that a writer has kept. */
export interface RootContent {
  read(inode: Inode): Content
}

/** A writer that changes nothing but memory. Content that no name leads to any more is freed. */
export class MemoryRoot implements RootWriter, RootContent {
  readonly #maxBytes: number
  #bytes = 0
  #parts: Uint8Array[] = []

  constructor(maxBytes: number = MAX_MEMORY_ROOT) {
    this.#maxBytes = maxBytes
  }

  makeDirectory(): void {}
  remove(): void {}
  link(): void {}

  make(): void {
    this.#parts = []
  }

  data(bytes: Uint8Array): void {
    this.#bytes += bytes.length
    if (this.#bytes > this.#maxBytes) throw new LimitError('content of the image in memory', this.#maxBytes)
    this.#parts.push(new Uint8Array(bytes))
  }

  end(inode: Inode): void {
    inode.content = this.#parts.length === 1 ? this.#parts[0] : this.#parts
    this.#parts = []
  }

  read({ content }: Inode): Content {
    if (content instanceof Uint8Array) return content
    const parts = (content as Uint8Array[] | undefined) ?? []
    if (parts.length === 0) return EMPTY_BYTES
    return chunks(parts)
  }
}

async function* chunks(parts: readonly Uint8Array[]): AsyncGenerator<Uint8Array, void, undefined> {
  yield* parts
}
