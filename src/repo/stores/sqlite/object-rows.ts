/**
 * The table `objects`, with the content that lies in `chunks`. Statements are prepared once; reading an object takes one.
 *
 * One connection serves the open transaction and all other readers of this process, and SQLite shows it what the
 * transaction has inserted. Row numbers only grow, so the rows that the others may see are those up to `#snapshotRow`,
 * the last one there was when the transaction began.
 */

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
import type { LargeBody } from '../incoming-file.ts'
import { Chunks, MAX_CONTENT, type Packing } from './bodies.ts'
import type { Connection, Statement } from './connection.ts'
import { blobOf, countOf } from './values.ts'

const FILE = objectTypeNumber('file')
/** Names read at a time when listing. */
const PAGE = 1000
/** Checksums of one type remembered as present; 64 Ki of them take about 8 MB. */
const MOST_SEEN = 1 << 16
/** Above every row number. */
const EVERY_ROW = Number.MAX_SAFE_INTEGER

/** `committed` leaves out what the open transaction has inserted. */
export type RowScope = 'committed' | 'all'

interface Row {
  readonly size: unknown
  readonly header: unknown
  readonly body: unknown
}

interface NameRow {
  readonly checksum: unknown
  readonly type: unknown
}

/** Reads and writes in whatever transaction the connection has open. */
export class ObjectRows {
  readonly #connection: Connection
  readonly #chunks: Chunks
  readonly #packing: Packing
  /** By type: objects that the open transaction need not insert. */
  readonly #seen = new Map<ObjectType, Set<Checksum>>()
  readonly #key = Buffer.alloc(32)
  #snapshotRow = EVERY_ROW
  #nextRow = 0
  /** Whether there may be space to give back to the file system. */
  #deleted = false

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
    this.#connection = connection
    this.#packing = packing
    this.#chunks = new Chunks(connection, packing)
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

  /** Takes the snapshot that `committed` means. To be called when the transaction has begun, and after a checkpoint. */
  startWriting(): void {
    this.#snapshotRow = this.#last.get()?.n ?? 0
    this.#nextRow = this.#snapshotRow + 1
  }

  /** To be called when the transaction has ended: until the next one begins, other processes may delete objects. */
  stopWriting(): void {
    this.#snapshotRow = EVERY_ROW
    this.#seen.clear()
  }

  #lastRow(scope: RowScope): number {
    return scope === 'all' ? EVERY_ROW : this.#snapshotRow
  }

  has({ checksum, type }: ObjectName, scope: RowScope): boolean {
    return this.#find.get(this.#bind(checksum), objectTypeNumber(type), this.#lastRow(scope)) !== undefined
  }

  /** @throws {ObjectNotFoundError}, {FormatError}, {CompressionError}, as do the next two */
  readMeta(type: MetaType, checksum: Checksum, scope: RowScope): Uint8Array {
    const row = this.#select.get(this.#bind(checksum), objectTypeNumber(type), this.#lastRow(scope))
    if (row === undefined) throw new ObjectNotFoundError(formatObjectName({ checksum, type }))
    return this.#packing.unpack(row.body, sizeOf(row, { checksum, type }))
  }

  statFile(checksum: Checksum, scope: RowScope): FileInfo {
    const row = this.#stat.get(this.#bind(checksum), FILE, this.#lastRow(scope))
    if (row === undefined) throw new ObjectNotFoundError(formatObjectName({ checksum, type: 'file' }))
    return info(checksum, row)
  }

  readFile(checksum: Checksum, scope: RowScope): FileObject {
    const row = this.#select.get(this.#bind(checksum), FILE, this.#lastRow(scope))
    if (row === undefined) throw new ObjectNotFoundError(formatObjectName({ checksum, type: 'file' }))
    const { header, size } = info(checksum, row)
    const { body } = row
    if (typeof body === 'number') return { header, size, body: this.#chunks.read(body, size) }
    if (size > SMALL_FILE) throw new FormatError(`${checksum}.file`, `${size} bytes of content in one row`)
    return { header, size, body: this.#packing.unpack(body, size) }
  }

  /** Inserts a copy of `bytes`. @returns whether the object is new */
  insertMeta(type: MetaType, checksum: Checksum, bytes: Uint8Array): boolean {
    const seen = this.#seenOf(type)
    if (seen.has(checksum)) return false
    const key = this.#bind(checksum)
    const fresh = this.#insert.run(this.#nextRow++, key, objectTypeNumber(type), bytes.length, null, bytes) > 0
    seen.add(checksum)
    return fresh
  }

  /** As `insertMeta`. @param content at most SMALL_FILE bytes */
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
      // A lookup costs less than compressing an object that is there already.
      if (this.#find.get(key, FILE, EVERY_ROW) !== undefined) return false
      body = this.#packing.pack(content)
    }
    return this.#insert.run(this.#nextRow++, key, FILE, content.length, framedHeader, body) > 0
  }

  /** Takes content larger than SMALL_FILE, and stores it in chunks. @throws {LimitError} */
  openBody(framedHeader: Uint8Array, size: number): LargeBody {
    if (size > MAX_CONTENT) throw new LimitError('file size', MAX_CONTENT)
    const chunks = this.#chunks.writer()
    return {
      write: (bytes) => chunks.write(bytes),
      keep: (checksum) => {
        const body = chunks.end()
        const isNew = this.#insert.run(this.#nextRow++, this.#bind(checksum), FILE, size, framedHeader, body) > 0
        if (!isNew) chunks.drop()
        return isNew
      },
      abort: () => chunks.drop(),
    }
  }

  /** Deletes a committed object. @returns whether there was one */
  delete({ checksum, type }: ObjectName): boolean {
    const key = this.#bind(checksum)
    const number = objectTypeNumber(type)
    const row = this.#stored.get(key, number, this.#snapshotRow)
    if (row === undefined) return false
    if (row.body !== null) this.#chunks.delete(row.body)
    this.#delete.run(key, number)
    this.#seen.clear()
    this.#deleted = true
    return true
  }

  /** Returns the bytes that a committed object takes. `undefined` if it is not there. */
  storedSize({ checksum, type }: ObjectName): number | undefined {
    const row = this.#stored.get(this.#bind(checksum), objectTypeNumber(type), this.#snapshotRow)
    if (row === undefined || row.body === null) return row?.stored
    return row.stored + this.#chunks.storedSize(row.body)
  }

  /**
   * Gives the space of deleted objects back to the file system, also that of large files which another process began and
   * never finished. To be called in a write transaction, under an exclusive lock.
   */
  reclaimSpace(): void {
    if (!this.#deleted) return
    this.#chunks.deleteOrphans()
    this.#connection.exec('PRAGMA incremental_vacuum')
    this.#deleted = false
  }

  /** Returns the committed names after `last`, sorted by checksum, then type: one page of them; none at the end. */
  namesAfter(last: ObjectName | undefined, type: ObjectType | undefined): ObjectName[] {
    const key = last === undefined ? Buffer.alloc(0) : this.#bind(last.checksum)
    const rows =
      type === 'commit'
        ? this.#listCommits.all(key, this.#snapshotRow)
        : this.#list.all(key, last === undefined ? 0 : objectTypeNumber(last.type), this.#snapshotRow)
    return rows.map(nameOf)
  }

  /** Returns the checksum as bytes, to be bound at once: all share one buffer, since SQLite copies what is bound. */
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

/** Reads an object name from a row. @throws {FormatError} */
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
