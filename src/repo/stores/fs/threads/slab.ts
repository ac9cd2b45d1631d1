/**
 * Many small files on their way to a writer thread: their contents lie one after another in a buffer that is transferred
 * to the thread, and back to be filled again.
 */

import { SMALL_FILE } from '../../../../bytes.ts'
import type { FileHeader } from '../../../../objects/index.ts'

/** Bytes: room for one file of the largest size that is written whole, or for some hundred common ones. */
const SLAB_SIZE = SMALL_FILE
const FIELDS = 3

/** A slab as it is sent to a thread: the buffer is transferred, the rest is cloned. */
export interface PackedSlab {
  readonly bytes: Uint8Array
  readonly paths: readonly string[]
  readonly headers: readonly FileHeader[]
  /** For each path: index of its header, offset and length of its content. */
  readonly table: readonly number[]
}

export class Slab {
  readonly #bytes: Uint8Array
  #used = 0
  #paths: string[] = []
  #headers: FileHeader[] = []
  #table: number[] = []
  /** Index in #headers of a header object: neighbouring files often share theirs. */
  #headerIndex = new Map<FileHeader, number>()

  /** @param bytes buffer of an earlier slab, to be used again */
  constructor(bytes: Uint8Array = new Uint8Array(SLAB_SIZE)) {
    this.#bytes = bytes
  }

  get empty(): boolean {
    return this.#paths.length === 0
  }

  /** Adds a copy of a file. @returns false if it does not fit */
  add(path: string, header: FileHeader, body: Uint8Array): boolean {
    if (this.#used + body.length > this.#bytes.length) return false
    let index = this.#headerIndex.get(header)
    if (index === undefined) {
      index = this.#headers.push(compact(header)) - 1
      this.#headerIndex.set(header, index)
    }
    this.#bytes.set(body, this.#used)
    this.#paths.push(path)
    this.#table.push(index, this.#used, body.length)
    this.#used += body.length
    return true
  }

  pack(): PackedSlab {
    return { bytes: this.#bytes, paths: this.#paths, headers: this.#headers, table: this.#table }
  }
}

/** Copies xattrs: cloning a view clones its whole buffer, which may be a chunk of a tar archive. */
function compact(header: FileHeader): FileHeader {
  if (header.xattrs.length === 0) return header
  const xattrs = header.xattrs.map(([name, value]) => [new Uint8Array(name), new Uint8Array(value)] as const)
  return { ...header, xattrs }
}

/** Calls `write` for each file, in the order they were added. Bodies are views of the buffer. */
export function unpackSlab(
  { bytes, paths, headers, table }: PackedSlab,
  write: (path: string, header: FileHeader, body: Uint8Array) => void,
): void {
  for (let i = 0; i < paths.length; i++) {
    const [index, offset, length] = table.slice(FIELDS * i, FIELDS * i + FIELDS) as [number, number, number]
    write(paths[i] as string, headers[index] as FileHeader, bytes.subarray(offset, offset + length))
  }
}
