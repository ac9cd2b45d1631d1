/**
 * The tables of the single-file store, and the checks that a file has exactly these.
 *
 * ```
 * objects    n │ checksum │ type │ size │ header │ body      a file: framed header, content
 *                                                            a commit, dirtree, dirmeta: NULL, its bytes
 *                                              └ a number    the content is in chunks n = number << 20 | 0, 1, 2 …
 * chunks     n │ data                                        1 MiB of content each, the last one less
 * attached   checksum │ type │ bytes                         detached metadata, tombstones
 * refs       path │ target │ alias
 * states     checksum │ state                                one row for each commit that is not complete
 * settings   name │ value                                    `config`: the key file
 * files      path │ bytes                                    summary, static deltas, …; schema 1 lacks it (files.ts)
 * ```
 *
 * A body or chunk shorter than the content it stands for is that content as a raw deflate stream (RFC 1951). Short
 * columns, which are also read alone, come before long ones: SQLite reads a row from its start.
 *
 * Integer keys and a separate index make appending cheap and let lists be read from the index alone; a table without
 * row ids is slower to fill and, with bodies in its inner pages, to search.
 */

import { FormatError, UnsupportedError } from '../../../errors.ts'
import type { SqliteHandle } from './driver.ts'
import { emptyDatabaseError } from './errors.ts'

/** `OSTR`, in the header of the file at byte 68, big-endian. */
export const APPLICATION_ID = 0x4f535452
/** Stored as `user_version`; raised when older versions cannot read the new layout. */
export const SCHEMA_VERSION = 2
/** The oldest layout that is still read and written. */
const OLDEST_VERSION = 1

/** Bytes. Most bodies fit in a page: rows of 4 KiB are inserted a quarter faster than with pages of 4096 (bench/sqlite-layout.mjs). */
const PAGE_SIZE = 16_384

/** The table that schema 2 adds. */
const FILES = 'CREATE TABLE files (path TEXT PRIMARY KEY, bytes BLOB NOT NULL)'
/** Makes a file of schema 1 one of schema 2, in the transaction that is open. */
export const CREATE_FILES: string = `${FILES}; PRAGMA user_version = 2`

/** SQLite stores these texts letter for letter in `sqlite_schema`, and `requireSchema` compares them. */
const SCHEMA: readonly string[] = [
  'CREATE TABLE objects (n INTEGER PRIMARY KEY, checksum BLOB NOT NULL, type INTEGER NOT NULL, size INTEGER NOT NULL, header BLOB, body BLOB NOT NULL)',
  'CREATE UNIQUE INDEX objects_by_name ON objects (checksum, type)',
  'CREATE INDEX commits ON objects (checksum) WHERE type = 4',
  'CREATE INDEX large ON objects (body) WHERE size > 1048576',
  'CREATE TABLE chunks (n INTEGER PRIMARY KEY, data BLOB NOT NULL)',
  'CREATE TABLE attached (checksum BLOB, type INTEGER, bytes BLOB NOT NULL, PRIMARY KEY (checksum, type))',
  'CREATE TABLE refs (path TEXT PRIMARY KEY, target TEXT NOT NULL, alias INTEGER NOT NULL) WITHOUT ROWID',
  'CREATE TABLE states (checksum BLOB PRIMARY KEY, state TEXT NOT NULL) WITHOUT ROWID',
  'CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID',
  FILES,
]

/**
 * Creates the tables in an empty file. Another process may do the same at the same time.
 * @throws {FormatError}, {UnsupportedError} as `requireSchema` if the file is not empty
 */
export function createSchema(handle: SqliteHandle, path: string, config: string): void {
  // Both have an effect only while the file is empty.
  handle.exec(`PRAGMA page_size = ${PAGE_SIZE}; PRAGMA auto_vacuum = INCREMENTAL`)
  handle.exec('BEGIN EXCLUSIVE')
  try {
    if (isEmpty(handle)) {
      handle.exec(SCHEMA.join(';'))
      handle.prepare("INSERT INTO settings VALUES ('config', ?)").run(config)
      handle.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${SCHEMA_VERSION}`)
    } else {
      requireSchema(handle, path)
    }
    handle.exec('COMMIT')
  } catch (error) {
    rollback(handle)
    throw error
  }
}

function rollback(handle: SqliteHandle): void {
  try {
    handle.exec('ROLLBACK')
  } catch {
    // After some errors SQLite has rolled back by itself.
  }
}

function isEmpty(handle: SqliteHandle): boolean {
  return pragma(handle, 'application_id') === 0 && count(handle, 'SELECT count(*) AS value FROM sqlite_schema') === 0
}

/** @throws {FormatError} if the file has other tables than these, {UnsupportedError} if a newer version wrote it */
export function requireSchema(handle: SqliteHandle, path: string): void {
  const id = pragma(handle, 'application_id')
  if (id !== APPLICATION_ID) {
    const found = `application id 0x${(id >>> 0).toString(16).padStart(8, '0')}`
    const message = `${path} is an SQLite database, but not an ostree-ts repository (${found})`
    throw isEmpty(handle) ? emptyDatabaseError(path, message) : new FormatError(path, message)
  }
  const version = pragma(handle, 'user_version')
  if (version > SCHEMA_VERSION) {
    throw new UnsupportedError(
      `sqlite schema ${version}`,
      `${path} was written by a newer version (schema ${version}, this one knows ${SCHEMA_VERSION})`,
    )
  }
  // A view, a trigger or a generated column could make a statement do something else, or never end.
  const found = handle.prepare('SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL').all() as { sql: string }[]
  const expected = new Set(SCHEMA)
  if (version === OLDEST_VERSION) expected.delete(FILES)
  if (version < OLDEST_VERSION || found.length !== expected.size || !found.every(({ sql }) => expected.has(sql))) {
    throw new FormatError(path, `${path} has other tables than schema ${version}`)
  }
}

function pragma(handle: SqliteHandle, name: string): number {
  return count(handle, `SELECT ${name} AS value FROM pragma_${name}`)
}

function count(handle: SqliteHandle, sql: string): number {
  const row = handle.prepare(sql).get() as { value: number } // one row, one number
  return row.value
}
