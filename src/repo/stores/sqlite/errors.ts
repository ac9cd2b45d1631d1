/** Translates errors of SQLite to OstreeErrors by their result codes. Source: sqlite.org/rescode.html. */

import { FormatError, IoError, LimitError, OstreeError, ReadOnlyError, RepoLockedError } from '../../../errors.ts'

/**
 * Primary result codes by number, which is how `node:sqlite` reports them; better-sqlite3 reports names. 21 (MISUSE) and
 * 25 (RANGE) would be faults of this program, as would be a number that is not here.
 */
const PRIMARY: Readonly<Record<number, string>> = {
  1: 'SQLITE_ERROR',
  2: 'SQLITE_INTERNAL',
  3: 'SQLITE_PERM',
  4: 'SQLITE_ABORT',
  5: 'SQLITE_BUSY',
  6: 'SQLITE_LOCKED',
  7: 'SQLITE_NOMEM',
  8: 'SQLITE_READONLY',
  9: 'SQLITE_INTERRUPT',
  10: 'SQLITE_IOERR',
  11: 'SQLITE_CORRUPT',
  12: 'SQLITE_NOTFOUND',
  13: 'SQLITE_FULL',
  14: 'SQLITE_CANTOPEN',
  15: 'SQLITE_PROTOCOL',
  16: 'SQLITE_EMPTY',
  17: 'SQLITE_SCHEMA',
  18: 'SQLITE_TOOBIG',
  19: 'SQLITE_CONSTRAINT',
  20: 'SQLITE_MISMATCH',
  22: 'SQLITE_NOLFS',
  23: 'SQLITE_AUTH',
  24: 'SQLITE_FORMAT',
  26: 'SQLITE_NOTADB',
}

/** The extended result codes that mean something else than their primary code. */
const EXTENDED: Readonly<Record<number, string>> = {
  264: 'SQLITE_READONLY_RECOVERY',
  520: 'SQLITE_READONLY_CANTLOCK',
  522: 'SQLITE_IOERR_SHORT_READ',
  776: 'SQLITE_READONLY_ROLLBACK',
  1032: 'SQLITE_READONLY_DBMOVED',
  1288: 'SQLITE_READONLY_CANTINIT',
  3082: 'SQLITE_IOERR_NOMEM',
}

/** Bytes of the largest blob that SQLite stores by default (SQLITE_MAX_LENGTH). */
const MAX_BLOB = 1_000_000_000

/** Returns the OstreeError for an error that an SQLite library threw. Only programming errors are returned unchanged. */
export function translateSqliteError(error: unknown, path: string): unknown {
  if (!(error instanceof Error) || error instanceof OstreeError) return error
  const options = { cause: error }
  const { message } = error
  const code = resultCode(error)
  switch (code) {
    case 'SQLITE_BUSY':
    case 'SQLITE_LOCKED':
    case 'SQLITE_PROTOCOL':
      return new RepoLockedError('shared', options)
    case 'SQLITE_READONLY_DBMOVED':
      return new IoError(`${path} was moved, replaced or deleted while it was open`, 'ESTALE', path, options)
    case 'SQLITE_READONLY_ROLLBACK':
    case 'SQLITE_READONLY_RECOVERY':
    case 'SQLITE_READONLY_CANTLOCK':
    case 'SQLITE_READONLY_CANTINIT':
      return new IoError(
        `open(${path}): an interrupted transaction has to be undone first, which needs permission to write`,
        'EACCES',
        path,
        options,
      )
    case 'SQLITE_READONLY':
      return new ReadOnlyError(path, `Cannot write to repository: ${path}: ${message}`, options)
    case 'SQLITE_FULL':
      return new IoError(`write(${path}): No space left on device`, 'ENOSPC', path, options)
    case 'SQLITE_NOMEM':
    case 'SQLITE_IOERR_NOMEM':
      return new IoError(`${path}: Cannot allocate memory`, 'ENOMEM', path, options)
    case 'SQLITE_PERM':
    case 'SQLITE_AUTH':
    case 'SQLITE_CANTOPEN':
      return new IoError(`open(${path}): ${message}`, 'EACCES', path, options)
    case 'SQLITE_NOLFS':
      return new IoError(`${path}: File too large`, 'EFBIG', path, options)
    case 'SQLITE_TOOBIG':
      return new LimitError('object', MAX_BLOB)
    // The file ends before a page that another one names.
    case 'SQLITE_IOERR_SHORT_READ':
      return new FormatError(path, `${path}: the file is shorter than its tables (${message})`, options)
    // The statements are always the same, so SQLite rejects one only if the file has not the tables they were written for.
    case 'SQLITE_ERROR':
    case 'SQLITE_CORRUPT':
    case 'SQLITE_NOTADB':
    case 'SQLITE_FORMAT':
    case 'SQLITE_EMPTY':
    case 'SQLITE_NOTFOUND':
    case 'SQLITE_SCHEMA':
    case 'SQLITE_CONSTRAINT':
    case 'SQLITE_MISMATCH':
      return new FormatError(path, `${path}: ${message}`, options)
    case undefined:
      // `node:sqlite` on an integer above 2^53.
      return 'code' in error && error.code === 'ERR_OUT_OF_RANGE'
        ? new FormatError(path, `${path}: ${message}`, options)
        : error
    default:
      return new IoError(`${path}: Input/output error (${message})`, 'EIO', path, options)
  }
}

/** Errors of empty databases: another process may be about to create the tables. */
const emptyDatabases = new WeakSet<object>()

/** Returns the error of a file that holds an empty database. */
export function emptyDatabaseError(path: string, message: string): FormatError {
  const error = new FormatError(path, message)
  emptyDatabases.add(error)
  return error
}

/**
 * Tells whether an error can be the passing effect of another process that is creating the file, or ending a transaction:
 * SQLite then takes the journal for one that a dead process left.
 */
export function isUnsettled(error: unknown): boolean {
  if (typeof error === 'object' && error !== null && emptyDatabases.has(error)) return true
  if (!(error instanceof OstreeError) || !(error.cause instanceof Error)) return false
  return resultCode(error.cause)?.startsWith('SQLITE_READONLY_R') === true
}

/** Returns the name of a result code: of an extended one only if it is listed above, otherwise of its primary code. */
function resultCode(error: Error & { code?: unknown; errcode?: unknown }): string | undefined {
  if (typeof error.errcode === 'number') return nameOfCode(error.errcode)
  if (typeof error.code !== 'string') return undefined
  const unnamed = /^UNKNOWN_SQLITE_ERROR_(\d+)$/.exec(error.code)?.[1]
  if (unnamed !== undefined) return nameOfCode(Number(unnamed))
  if (Object.values(EXTENDED).includes(error.code)) return error.code
  return /^SQLITE_[A-Z]+/.exec(error.code)?.[0]
}

function nameOfCode(code: number): string {
  return EXTENDED[code] ?? PRIMARY[code & 0xff] ?? `SQLITE_${code}`
}
