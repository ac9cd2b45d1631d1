/**
 * Many small files on their way to a writer thread: contents one after another in a buffer that is handed over, and
 * handed back to be filled again.
 */

import { SMALL_FILE } from '../../../../bytes.ts'
import type { FileHeader } from '../../../../objects/index.ts'

/** Room for one file of the largest size that travels whole, or some hundred common ones. */
const SLAB_SIZE = SMALL_FILE
const FIELDS = 3

/** Structured-cloned to the thread, but for the buffer, which is moved. */
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
  /** Neighbours often share their header: the same object, or one that was seen in this slab. */
  #headerIndex = new Map<FileHeader, number>()

  /** @param bytes of an earlier slab, to be used again */
  constructor(bytes: Uint8Array = new Uint8Array(SLAB_SIZE)) {
    this.#bytes = bytes
  }

  get empty(): boolean {
    return this.#paths.length === 0
  }

  /** Copies. @returns `false` when it does not fit */
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

/** Cloning a view clones all it is a view of: perhaps a whole chunk of a tar for one attribute. */
function compact(header: FileHeader): FileHeader {
  if (header.xattrs.length === 0) return header
  const xattrs = header.xattrs.map(([name, value]) => [new Uint8Array(name), new Uint8Array(value)] as const)
  return { ...header, xattrs }
}

/** Calls `write` for each file, in the order they were added; bodies are views. */
export function unpackSlab(
  { bytes, paths, headers, table }: PackedSlab,
  write: (path: string, header: FileHeader, body: Uint8Array) => void,
): void {
  for (let i = 0; i < paths.length; i++) {
    const [index, offset, length] = table.slice(FIELDS * i, FIELDS * i + FIELDS) as [number, number, number]
    write(paths[i] as string, headers[index] as FileHeader, bytes.subarray(offset, offset + length))
  }
}
