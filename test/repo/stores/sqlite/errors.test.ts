/** Result codes of SQLite, as both libraries report them. */
import { describe, expect, test } from 'vitest'
import { OstreeError } from '../../../../src/errors.ts'
import { translateSqliteError } from '../../../../src/repo/stores/sqlite/errors.ts'

/** All primary result codes that mean a failure, by number, but MISUSE (21) and RANGE (25). */
const CODES: Readonly<Record<string, readonly [number, string]>> = {
  SQLITE_ERROR: [1, 'corrupt'],
  SQLITE_INTERNAL: [2, 'io'],
  SQLITE_PERM: [3, 'io'],
  SQLITE_ABORT: [4, 'io'],
  SQLITE_BUSY: [5, 'conflict'],
  SQLITE_LOCKED: [6, 'conflict'],
  SQLITE_NOMEM: [7, 'io'],
  SQLITE_READONLY: [8, 'read-only'],
  SQLITE_INTERRUPT: [9, 'io'],
  SQLITE_IOERR: [10, 'io'],
  SQLITE_CORRUPT: [11, 'corrupt'],
  SQLITE_NOTFOUND: [12, 'corrupt'],
  SQLITE_FULL: [13, 'io'],
  SQLITE_CANTOPEN: [14, 'io'],
  SQLITE_PROTOCOL: [15, 'conflict'],
  SQLITE_EMPTY: [16, 'corrupt'],
  SQLITE_SCHEMA: [17, 'corrupt'],
  SQLITE_IOERR_SHORT_READ: [522, 'corrupt'],
  SQLITE_TOOBIG: [18, 'limit'],
  SQLITE_CONSTRAINT: [19, 'corrupt'],
  SQLITE_MISMATCH: [20, 'corrupt'],
  SQLITE_NOLFS: [22, 'io'],
  SQLITE_AUTH: [23, 'io'],
  SQLITE_FORMAT: [24, 'corrupt'],
  SQLITE_NOTADB: [26, 'corrupt'],
  // Extended codes.
  SQLITE_BUSY_SNAPSHOT: [517, 'conflict'],
  SQLITE_READONLY_ROLLBACK: [776, 'io'],
  SQLITE_READONLY_DBMOVED: [1032, 'io'],
  SQLITE_READONLY_DIRECTORY: [1544, 'read-only'],
  SQLITE_IOERR_FSTAT: [1802, 'io'],
  SQLITE_IOERR_NOMEM: [3082, 'io'],
  SQLITE_CANTOPEN_ISDIR: [526, 'io'],
  SQLITE_CORRUPT_INDEX: [779, 'corrupt'],
  SQLITE_CONSTRAINT_PRIMARYKEY: [1555, 'corrupt'],
}

describe('translateSqliteError', () => {
  test.each(Object.entries(CODES))('%s becomes an OstreeError that names the file', (name, [number, code]) => {
    const reported = [
      { code: name },
      { code: 'ERR_SQLITE_ERROR', errcode: number },
      { code: `UNKNOWN_SQLITE_ERROR_${number}` },
    ]
    const translated = reported.map((fields) =>
      translateSqliteError(Object.assign(new Error('it failed'), fields), '/r.sqlite'),
    )
    for (const error of translated) {
      expect(error).toBeInstanceOf(OstreeError)
      expect(error).toMatchObject({ code })
      if (code !== 'conflict' && code !== 'limit') expect((error as Error).message).toContain('/r.sqlite')
    }
    expect(new Set(translated.map(String)).size).toBe(1)
  })

  test('a code that no version of SQLite had so far is an I/O error', () => {
    const error = Object.assign(new Error('it failed'), { code: 'UNKNOWN_SQLITE_ERROR_99' })
    expect(translateSqliteError(error, '/r.sqlite')).toMatchObject({ code: 'io', data: { errno: 'EIO' } })
  })

  test('an integer that JavaScript cannot represent is a fault of the file', () => {
    const error = Object.assign(new RangeError('Value is too large'), { code: 'ERR_OUT_OF_RANGE' })
    expect(translateSqliteError(error, '/r.sqlite')).toMatchObject({ code: 'corrupt', data: { what: '/r.sqlite' } })
  })

  test('a programming error is not changed', () => {
    const error = new TypeError('The database connection is not open')
    expect(translateSqliteError(error, '/r.sqlite')).toBe(error)
  })
})
