/**
 * The SQLite library: better-sqlite3, or where that is not installed `node:sqlite` of newer versions of Node. Both are
 * synchronous, and one narrow interface fits both.
 */

import { readFileSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { IoError, UnsupportedError } from '../../../errors.ts'

export type SqlValue = null | number | string | Uint8Array
/** Columns by name. A blob is a Uint8Array, or of a subclass, that nothing else refers to. */
export type SqlRow = Record<string, unknown>

export interface SqliteStatement {
  run(...values: SqlValue[]): { readonly changes: number | bigint }
  get(...values: SqlValue[]): unknown
  all(...values: SqlValue[]): unknown[]
}

/** One open file. `translateSqliteError` makes an OstreeError of what it throws. */
export interface SqliteHandle {
  exec(sql: string): void
  prepare(sql: string): SqliteStatement
  close(): void
}

export interface SqliteDriver {
  readonly name: string
  open(path: string, access: SqliteAccess): SqliteHandle
}

export type SqliteAccess = 'read' | 'write' | 'create'

/** From this major version on better-sqlite3 is built for Node-API 10; loading it crashes an older Node without a message. */
const FIRST_NAPI_10_MAJOR = 13

let loaded: Promise<SqliteDriver> | undefined

/** Loads one of the two libraries, once. @throws {UnsupportedError} if neither can be loaded, with both reasons */
export function loadSqliteDriver(): Promise<SqliteDriver> {
  loaded ??= load().catch((error: unknown) => {
    loaded = undefined
    throw error
  })
  return loaded
}

async function load(): Promise<SqliteDriver> {
  const reasons: unknown[] = []
  for (const attempt of [loadBetterSqlite3, loadNodeSqlite]) {
    try {
      return await attempt()
    } catch (error) {
      reasons.push(error)
    }
  }
  const [first, second] = reasons.map((reason) => (reason instanceof Error ? reason.message.split('\n')[0] : reason))
  throw new UnsupportedError(
    'sqlite',
    `A .sqlite repository needs the package better-sqlite3 (${first}) or Node's own node:sqlite (${second})`,
    { cause: new AggregateError(reasons) },
  )
}

async function loadBetterSqlite3(): Promise<SqliteDriver> {
  const version = installedVersion('better-sqlite3/package.json')
  const refusal = betterSqlite3Refusal(version, process.versions['napi'])
  if (refusal !== undefined) throw new Error(refusal)
  const { default: Database } = await import('better-sqlite3')
  // Only opening a database loads the native part.
  new Database(':memory:').close()
  return {
    name: `better-sqlite3 ${version}`,
    open: (path, access) =>
      // timeout 0: `withBusyRetry` (busy.ts) waits without blocking the thread.
      new Database(path, { readonly: access === 'read', fileMustExist: access !== 'create', timeout: 0 }),
  }
}

/** Returns why a version of better-sqlite3 must not be loaded by this Node. `undefined` if it may. */
export function betterSqlite3Refusal(version: string, napi: string | undefined): string | undefined {
  if (Number.parseInt(version, 10) < FIRST_NAPI_10_MAJOR || Number(napi) >= 10) return undefined
  return `version ${version} would crash this Node, which has Node-API ${napi}; install better-sqlite3@12`
}

function installedVersion(manifest: string): string {
  const text = readFileSync(createRequire(import.meta.url).resolve(manifest), 'utf8')
  const { version }: { version?: unknown } = JSON.parse(text)
  return typeof version === 'string' ? version : ''
}

/** The part of `node:sqlite` used here; the types of the oldest supported Node do not declare it. */
interface NodeSqlite {
  DatabaseSync: new (path: string, options: { readOnly: boolean }) => SqliteHandle
}

async function loadNodeSqlite(): Promise<SqliteDriver> {
  // Imported through a variable, so that bundlers and older versions of Node do not try to resolve it.
  const name = 'node:sqlite'
  const { DatabaseSync }: NodeSqlite = await import(name)
  return {
    name,
    open: (path, access) => {
      if (access !== 'create' && statSync(path, { throwIfNoEntry: false }) === undefined) {
        throw new IoError(`open(${path}): No such file or directory`, 'ENOENT', path)
      }
      return new DatabaseSync(path, { readOnly: access === 'read' })
    },
  }
}
