/** Translates errors of SQLite to OstreeErrors by their result codes. Source: sqlite.org/rescode.html. */

import { FormatError, IoError, LimitError, OstreeError, ReadOnlyError, RepoLockedError } from '../../../errors.ts'

/** Primary result codes by number, which is how `node:sqlite` reports them; better-sqlite3 reports names. */
const NAMES: Readonly<Record<number, string>> = {
  3: 'SQLITE_PERM',
  5: 'SQLITE_BUSY',
  6: 'SQLITE_LOCKED',
  7: 'SQLITE_NOMEM',
  8: 'SQLITE_READONLY',
  10: 'SQLITE_IOERR',
  11: 'SQLITE_CORRUPT',
  13: 'SQLITE_FULL',
  14: 'SQLITE_CANTOPEN',
  18: 'SQLITE_TOOBIG',
  26: 'SQLITE_NOTADB',
}

/** Bytes of the largest blob that SQLite stores by default (SQLITE_MAX_LENGTH). */
const MAX_BLOB = 1_000_000_000

/** Returns the OstreeError for an error of SQLite; any other error unchanged. */
export function translateSqliteError(error: unknown, path: string): unknown {
  if (!(error instanceof Error) || error instanceof OstreeError) return error
  const options = { cause: error }
  switch (resultCode(error)) {
    case 'SQLITE_BUSY':
    case 'SQLITE_LOCKED':
      return new RepoLockedError('shared', options)
    case 'SQLITE_READONLY':
      return new ReadOnlyError(path, `Cannot write to repository: ${path}: ${error.message}`, options)
    case 'SQLITE_FULL':
      return new IoError(`write(${path}): No space left on device`, 'ENOSPC', path, options)
    case 'SQLITE_IOERR':
      return new IoError(`${path}: Input/output error (${error.message})`, 'EIO', path, options)
    case 'SQLITE_NOMEM':
      return new IoError(`${path}: Cannot allocate memory`, 'ENOMEM', path, options)
    case 'SQLITE_PERM':
    case 'SQLITE_CANTOPEN':
      return new IoError(`open(${path}): ${error.message}`, 'EACCES', path, options)
    case 'SQLITE_CORRUPT':
    case 'SQLITE_NOTADB':
      return new FormatError(path, `${path}: ${error.message}`, options)
    case 'SQLITE_TOOBIG':
      return new LimitError('object', MAX_BLOB)
    default:
      return error
  }
}

/** Returns the name of the primary result code, also for an extended one (`SQLITE_IOERR_WRITE`, 778). */
function resultCode(error: Error & { code?: unknown; errcode?: unknown }): string | undefined {
  if (typeof error.errcode === 'number') return NAMES[error.errcode & 0xff]
  return typeof error.code === 'string' ? /^SQLITE_[A-Z]+/.exec(error.code)?.[0] : undefined
}
