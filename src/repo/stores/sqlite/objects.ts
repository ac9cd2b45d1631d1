/** Objects in rows. Statements are prepared once; every read of an object is one of them. */

import { type Checksum, SMALL_FILE } from '../../../bytes.ts'
import { FormatError, LimitError, ObjectNotFoundError } from '../../../errors.ts'
import {
  checksumFromBytes,
  decodeFileHeader,
  type FileInfo,
  type FileObject,
  formatObjectName,
  type MetaType,
  type ObjectName,
  type ObjectType,
  objectTypeFromNumber,
  objectTypeNumber,
} from '../../../objects/index.ts'
import type { BodyWriter } from '../embedded-transaction.ts'
import { Chunks, MAX_CONTENT, type Packing } from './bodies.ts'
import type { Connection, Statement } from './connection.ts'
import { blobOf, countOf } from './values.ts'

const FILE = objectTypeNumber('file')
/** Names read at a time when listing. */
const PAGE = 1000
/** Checksums remembered as being there; 64 Ki of them are about 8 MB. */
const MOST_SEEN = 1 << 16

interface Row {
  readonly size: unknown
  readonly header: unknown
  readonly body: unknown
}

interface NameRow {
  readonly checksum: unknown
  readonly type: unknown
}

/** Rows as values. What it reads and writes is in whatever transaction the connection has open. */
export class ObjectRows {
  readonly chunks: Chunks
  /** Rows with higher numbers belong to the open transaction, and are seen by nobody else. */
  visible = Number.MAX_SAFE_INTEGER
  /** There may be space to give back. */
  deleted = false
  readonly #packing: Packing
  readonly #seen = new Map<ObjectType, Set<Checksum>>()
  readonly #key = Buffer.alloc(32)
  #next = 0

  readonly #insert: Statement
  readonly #find: Statement<{ n: number }>
  readonly #select: Statement<Row>
  readonly #stat: Statement<Omit<Row, 'body'>>
  readonly #stored: Statement<{ stored: number; body: number | null }>
  readonly #delete: Statement
  readonly #list: Statement<NameRow>
  readonly #listCommits: Statement<NameRow>
  readonly #last: Statement<{ n: number | null }>

  constructor(connection: Connection, packing: Packing) {
    this.#packing = packing
    this.chunks = new Chunks(connection, packing)
    const named = 'FROM objects WHERE checksum = ? AND type = ? AND n <= ?'
    // ifnull: node:sqlite binds an empty array as NULL.
    this.#insert = connection.prepare(
      "INSERT INTO objects VALUES (?, ?, ?, ?, ?, ifnull(?, x'')) ON CONFLICT (checksum, type) DO NOTHING",
    )
    this.#find = connection.prepare(`SELECT n ${named}`)
    this.#select = connection.prepare(`SELECT size, header, body ${named}`)
    this.#stat = connection.prepare(`SELECT size, header ${named}`)
    this.#stored = connection.prepare(
      `SELECT ifnull(length(header), 0) + length(body) AS stored, iif(typeof(body) = 'blob', NULL, body) AS body ${named}`,
    )
    this.#delete = connection.prepare('DELETE FROM objects WHERE checksum = ? AND type = ?')
    this.#list = connection.prepare(
      `SELECT checksum, type FROM objects WHERE (checksum, type) > (?, ?) AND n <= ? ORDER BY checksum, type LIMIT ${PAGE}`,
    )
    this.#listCommits = connection.prepare(
      `SELECT checksum, type FROM objects WHERE type = 4 AND checksum > ? AND n <= ? ORDER BY checksum LIMIT ${PAGE}`,
    )
    this.#last = connection.prepare('SELECT max(n) AS n FROM objects')
  }

  /** To be called once a transaction is open, or open again: what is there now is what others see. */
  startWriting(): void {
    this.visible = this.#last.get()?.n ?? 0
    this.#next = this.visible + 1
  }

  /** The transaction is over. Until the next one begins, others may delete what was seen. */
  stopWriting(): void {
    this.visible = Number.MAX_SAFE_INTEGER
    this.#seen.clear()
  }

  has({ checksum, type }: ObjectName, visible: number): boolean {
    return this.#find.get(this.#bind(checksum), objectTypeNumber(type), visible) !== undefined
  }

  readMeta(type: MetaType, checksum: Checksum, visible: number): Uint8Array {
    const row = this.#select.get(this.#bind(checksum), objectTypeNumber(type), visible)
    if (row === undefined) throw new ObjectNotFoundError(formatObjectName({ checksum, type }))
    return this.#packing.unpack(row.body, sizeOf(row, { checksum, type }))
  }

  statFile(checksum: Checksum, visible: number): FileInfo {
    const row = this.#stat.get(this.#bind(checksum), FILE, visible)
    if (row === undefined) throw new ObjectNotFoundError(formatObjectName({ checksum, type: 'file' }))
    return info(checksum, row)
  }

  readFile(checksum: Checksum, visible: number): FileObject {
    const row = this.#select.get(this.#bind(checksum), FILE, visible)
    if (row === undefined) throw new ObjectNotFoundError(formatObjectName({ checksum, type: 'file' }))
    const { header, size } = info(checksum, row)
    const { body } = row
    if (typeof body === 'number') return { header, size, body: this.chunks.read(body, size) }
    if (size > SMALL_FILE) throw new FormatError(`${checksum}.file`, `${size} bytes of content in one row`)
    return { header, size, body: this.#packing.unpack(body, size) }
  }

  insertMeta(type: MetaType, checksum: Checksum, bytes: Uint8Array): boolean {
    const seen = this.#seenOf(type)
    if (seen.has(checksum)) return false
    const key = this.#bind(checksum)
    const fresh = this.#insert.run(this.#next++, key, objectTypeNumber(type), bytes.length, null, bytes) > 0
    seen.add(checksum)
    return fresh
  }

  insertFile(checksum: Checksum, framedHeader: Uint8Array, content: Uint8Array): boolean {
    const seen = this.#seenOf('file')
    if (seen.has(checksum)) return false
    const fresh = this.#insertNew(checksum, framedHeader, content)
    seen.add(checksum)
    return fresh
  }

  #insertNew(checksum: Checksum, framedHeader: Uint8Array, content: Uint8Array): boolean {
    const key = this.#bind(checksum)
    let body = content
    if (this.#packing.level > 0) {
      // Looking first is cheaper than packing in vain.
      if (this.#find.get(key, FILE, Number.MAX_SAFE_INTEGER) !== undefined) return false
      body = this.#packing.pack(content)
    }
    return this.#insert.run(this.#next++, key, FILE, content.length, framedHeader, body) > 0
  }

  /** A body that goes into chunks; `keep` makes it a file. */
  openBody(size: number): BodyWriter {
    if (size > MAX_CONTENT) throw new LimitError('file size', MAX_CONTENT)
    const chunks = this.chunks.writer()
    return {
      write: (bytes) => chunks.write(bytes),
      keep: (checksum, framedHeader, length) => {
        const body = chunks.end()
        this.#insert.run(this.#next++, this.#bind(checksum), FILE, length, framedHeader, body)
      },
      abort: () => chunks.drop(),
    }
  }

  /** @returns false when there is no such object among the visible ones */
  delete({ checksum, type }: ObjectName): boolean {
    const key = this.#bind(checksum)
    const number = objectTypeNumber(type)
    const row = this.#stored.get(key, number, this.visible)
    if (row === undefined) return false
    if (row.body !== null) this.chunks.delete(row.body)
    this.#delete.run(key, number)
    this.#seen.clear()
    this.deleted = true
    return true
  }

  /** Bytes stored, or `undefined` when there is no such object. */
  storedSize({ checksum, type }: ObjectName): number | undefined {
    const row = this.#stored.get(this.#bind(checksum), objectTypeNumber(type), this.visible)
    if (row === undefined || row.body === null) return row?.stored
    return row.stored + this.chunks.storedSize(row.body)
  }

  /** The names after `last`, in an order of their own; none when there are no more. */
  namesAfter(last: ObjectName | undefined, type: ObjectType | undefined): ObjectName[] {
    const key = last === undefined ? Buffer.alloc(0) : this.#bind(last.checksum)
    const rows =
      type === 'commit'
        ? this.#listCommits.all(key, this.visible)
        : this.#list.all(key, last === undefined ? 0 : objectTypeNumber(last.type), this.visible)
    return rows.map(nameOf)
  }

  /** The checksum as it is bound next: one buffer serves them all, since binding copies. */
  #bind(checksum: Checksum): Uint8Array {
    this.#key.write(checksum, 'hex')
    return this.#key
  }

  #seenOf(type: ObjectType): Set<Checksum> {
    let seen = this.#seen.get(type)
    if (seen === undefined || seen.size >= MOST_SEEN) {
      seen = new Set()
      this.#seen.set(type, seen)
    }
    return seen
  }
}

/** A row of the index as an object name. @throws {FormatError} */
export function nameOf({ checksum, type }: NameRow): ObjectName {
  return {
    checksum: checksumFromBytes(blobOf(checksum, 'checksum')),
    type: objectTypeFromNumber(countOf(type, 'object type')),
  }
}

function sizeOf({ size }: { readonly size: unknown }, name: ObjectName): number {
  return countOf(size, formatObjectName(name))
}

function info(checksum: Checksum, row: Omit<Row, 'body'>): FileInfo {
  const name: ObjectName = { checksum, type: 'file' }
  const { header } = decodeFileHeader(blobOf(row.header, formatObjectName(name)))
  return { header, size: sizeOf(row, name) }
}
