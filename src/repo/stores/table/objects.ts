/** Objects in a table: how they are encoded, and how they are read, listed and deleted. */

import { type Checksum, concatBytes, decodeUtf8, EMPTY_BYTES, encodeUtf8 } from '../../../bytes.ts'
import { FormatError, ObjectNotFoundError } from '../../../errors.ts'
import {
  type AttachedType,
  decodeFileHeader,
  type FileInfo,
  type FileObject,
  formatObjectName,
  type MetaType,
  type ObjectName,
  type ObjectType,
} from '../../../objects/index.ts'
import type { CommitState, ObjectReader, ObjectStore } from '../../core/interface.ts'
import type { ValueTable } from './value-table.ts'

/** The types of objects that a table can hold. */
const TYPES: readonly ObjectType[] = ['file', 'dirtree', 'dirmeta', 'commit', 'commitmeta', 'tombstone-commit']

/** First byte of a file: its content follows the header, or lies in a body. */
const INLINE = 0
const IN_BODY = 1
/** Bytes before the header of a file in a body: the first byte, its size and the number of its body, both float64. */
const BODY_HEAD = 17

export function objectKey({ type, checksum }: ObjectName): string {
  return `${type}/${checksum}`
}

export function pieceKey(body: number, piece: number): string {
  return `body/${body}/${piece}`
}

export function openKey(body: number): string {
  return `open/${body}`
}

/** Encodes a file with its content: `00 │ framed header │ content`. */
export function inlineFile(framedHeader: Uint8Array, body: Uint8Array): Uint8Array {
  return concatBytes([Uint8Array.of(INLINE), framedHeader, body])
}

/** Encodes a file whose content is in a body: `01 │ size │ number of the body │ framed header`. */
export function bodyFile(framedHeader: Uint8Array, size: number, body: number): Uint8Array {
  const head = new DataView(new ArrayBuffer(BODY_HEAD))
  head.setUint8(0, IN_BODY)
  head.setFloat64(1, size)
  head.setFloat64(9, body)
  return concatBytes([new Uint8Array(head.buffer), framedHeader])
}

/** A file as it is stored. */
export interface StoredFile extends FileInfo {
  /** `undefined` if the content is in a body. */
  readonly content: Uint8Array | undefined
  readonly body: number
}

/** Reads a file, whose header and content are copies. @throws {FormatError} */
export function decodeFile(stored: Uint8Array, checksum: Checksum): StoredFile {
  const value = new Uint8Array(stored)
  if (value[0] === INLINE) {
    const { header, bodyOffset } = decodeFileHeader(value.subarray(1))
    const content = value.subarray(1 + bodyOffset)
    return { header, size: content.length, content, body: -1 }
  }
  if (value[0] !== IN_BODY || value.length < BODY_HEAD) {
    throw new FormatError('file', `Opening content object ${checksum}: damaged entry of the table`)
  }
  const head = new DataView(value.buffer)
  const { header } = decodeFileHeader(value.subarray(BODY_HEAD))
  return { header, size: head.getFloat64(1), content: undefined, body: head.getFloat64(9) }
}

/** Reads the objects of a table, and those of a transaction above it. */
export class TableReader implements ObjectReader {
  readonly #table: ValueTable
  readonly #above: ReadonlyMap<string, Uint8Array>

  constructor(table: ValueTable, above: ReadonlyMap<string, Uint8Array> = new Map()) {
    this.#table = table
    this.#above = above
  }

  has(name: ObjectName): boolean {
    return this.find(name) !== undefined
  }

  find(name: ObjectName): Uint8Array | undefined {
    const key = objectKey(name)
    return this.#above.get(key) ?? this.#table.get(key)
  }

  #require(name: ObjectName): Uint8Array {
    const stored = this.find(name)
    if (stored === undefined) throw new ObjectNotFoundError(formatObjectName(name))
    return stored
  }

  readMeta(type: MetaType, checksum: Checksum): Uint8Array {
    return new Uint8Array(this.#require({ type, checksum }))
  }

  readAttached(type: AttachedType, commit: Checksum): Uint8Array | undefined {
    const stored = this.find({ type, checksum: commit })
    return stored && new Uint8Array(stored)
  }

  file(checksum: Checksum): StoredFile {
    return decodeFile(this.#require({ type: 'file', checksum }), checksum)
  }

  statFile(checksum: Checksum): FileInfo {
    const { header, size } = this.file(checksum)
    return { header, size }
  }

  readFile(checksum: Checksum): FileObject {
    const { header, size, content, body } = this.file(checksum)
    return { header, size, body: content ?? this.#pieces(checksum, body, size) }
  }

  async *#pieces(checksum: Checksum, body: number, size: number): AsyncIterable<Uint8Array> {
    let read = 0
    for (let piece = 0; read < size; piece++) {
      const bytes = this.#table.get(pieceKey(body, piece))
      if (bytes === undefined) throw new ObjectNotFoundError(formatObjectName({ type: 'file', checksum }))
      read += bytes.length
      yield new Uint8Array(bytes)
    }
  }
}

export class TableObjects extends TableReader implements ObjectStore {
  readonly #table: ValueTable

  constructor(table: ValueTable) {
    super(table)
    this.#table = table
  }

  async *list(type?: ObjectType): AsyncIterable<ObjectName> {
    for (const each of type === undefined ? TYPES : [type]) {
      for (const key of this.#table.keys(`${each}/`)) {
        yield { checksum: key.slice(each.length + 1) as Checksum, type: each }
      }
    }
  }

  delete(name: ObjectName): void {
    const size = this.find(name)
    if (size === undefined) throw new ObjectNotFoundError(formatObjectName(name))
    const keys = [objectKey(name)]
    const body = name.type === 'file' ? this.file(name.checksum).body : -1
    if (body >= 0) for (const key of this.#table.keys(`body/${body}/`)) keys.push(key)
    this.#table.write(new Map(keys.map((key) => [key, undefined])))
  }

  storageSize(name: ObjectName): number {
    const stored = this.find(name)
    if (stored === undefined) throw new ObjectNotFoundError(formatObjectName(name))
    if (name.type !== 'file') return stored.length
    const { body, size } = this.file(name.checksum)
    return stored.length + (body >= 0 ? size : 0)
  }

  commitState(commit: Checksum): CommitState {
    const state = decodeUtf8(this.#table.get(`state/${commit}`) ?? EMPTY_BYTES)
    return state === 'partial' || state === 'fsck-partial' ? state : 'complete'
  }

  setCommitState(commit: Checksum, state: CommitState): void {
    this.#table.write(new Map([stateChange(commit, state)]))
  }

  writeAttached(type: AttachedType, commit: Checksum, bytes: Uint8Array | undefined): void {
    this.#table.write(new Map([[objectKey({ type, checksum: commit }), bytes && new Uint8Array(bytes)]]))
  }
}

export function stateChange(commit: Checksum, state: CommitState): [key: string, value: Uint8Array | undefined] {
  return [`state/${commit}`, state === 'complete' ? undefined : encodeUtf8(state)]
}
