/**
 * A repository in one SQLite file: objects, refs and configuration.
 *
 * ```
 * NAME.sqlite            everything; tables in schema.ts
 * NAME.sqlite-journal    exists while a transaction writes; SQLite rolls back one that a dead process left
 * NAME.sqlite-lock       exists while a process holds the lock of the repository (lock.ts)
 * ```
 *
 * The mode decides which files the repository accepts, as in a directory; all modes store them in the same way.
 *
 * Durability: `core.fsync` true (the default) is `synchronous=FULL`, and a commit that returned survives a power cut;
 * false is `synchronous=OFF`, which survives the death of the process but not of the machine: the file may be lost.
 */

import { accessSync, constants, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { IoError, OstreeError, UsageError, withContext } from '../../../errors.ts'
import { KeyFile } from '../../../keyfile/index.ts'
import type { Platform } from '../../../platform/index.ts'
import { DEFAULT_LOCK_TIMEOUT_SECS, initialConfig } from '../../core/config.ts'
import type { RepoMode, Storage } from '../../core/interface.ts'
import { withBusyRetry } from './busy.ts'
import { Connection } from './connection.ts'
import { loadSqliteDriver, type SqliteDriver, type SqliteHandle } from './driver.ts'
import { translateSqliteError } from './errors.ts'
import { createSchema } from './schema.ts'
import { isPackingLevel, SqliteStorage } from './storage.ts'

/** Compression of content in the file. Stored in the configuration: `[sqlite] compression=deflate`, `compression-level=6`. */
export type SqliteCompression = 'none' | 'deflate'

export interface OpenSqliteOptions {
  readonly platform: Platform
  /** Opens for reading even if writing would be possible. */
  readonly readOnly?: boolean | undefined
  /**
   * Seconds to wait for a file that another process has locked; -1 waits forever. Default 300, the default of
   * `core.lock-timeout-secs`: while the file is locked its configuration cannot be read, which counts from then on.
   */
  readonly lockTimeout?: number | undefined
}

export interface CreateSqliteOptions extends OpenSqliteOptions {
  /** Default `archive`. */
  readonly mode?: RepoMode | undefined
  readonly collectionId?: string | undefined
  /** Default `none`, which reads and writes faster. */
  readonly compression?: SqliteCompression | undefined
  /** 1 (fastest) to 9 (smallest); default 6. */
  readonly compressionLevel?: number | undefined
}

/**
 * Creates the file and opens it. A file that is a repository already is opened unchanged.
 * @throws {IoError}, {FormatError} if something else is at `path`: `Creating repo: …`
 * @throws {RepoLockedError} after `lockTimeout`
 * @throws {UnsupportedError} if no SQLite library can be loaded
 * @throws {UsageError} on an unknown `compression`, or a `compressionLevel` that is not a whole number from 1 to 9
 */
export async function createSqliteStorage(path: string, options: CreateSqliteOptions): Promise<Storage> {
  const { mode = 'archive', collectionId, compression = 'none', compressionLevel = 6, ...opening } = options
  if (compression !== 'none' && compression !== 'deflate') {
    throw new UsageError(`Invalid compression '${String(compression)}': must be none or deflate`, String(compression))
  }
  if (!isPackingLevel(compressionLevel)) {
    throw new UsageError(`Invalid compressionLevel ${compressionLevel}: must be 1 to 9`, `${compressionLevel}`)
  }
  const config = KeyFile.parse(initialConfig(mode, collectionId))
  if (compression !== 'none') {
    config.set('sqlite', 'compression', compression)
    config.set('sqlite', 'compression-level', `${compressionLevel}`)
  }
  const driver = await loadSqliteDriver()
  try {
    await withBusyRetry('exclusive', timeoutOf(opening), () => createFile(driver, path, config.toString()))
  } catch (error) {
    throw withContext('Creating repo', error)
  }
  return openSqliteStorage(path, opening)
}

function createFile(driver: SqliteDriver, path: string, config: string): void {
  if (statSync(dirname(path), { throwIfNoEntry: false }) === undefined) throw noSuchFile(path)
  const handle = openHandle(driver, path, 'create')
  try {
    createSchema(handle, path, config)
  } catch (error) {
    throw translateSqliteError(error, path)
  } finally {
    handle.close()
  }
}

/**
 * Opens a repository in an SQLite file.
 * @throws {IoError} if there is no such file, {FormatError} if it is damaged or not a repository: `opening repo: …`
 * @throws {RepoLockedError} after `lockTimeout`
 * @throws {UnsupportedError} if a newer version wrote it, or no SQLite library can be loaded
 */
export async function openSqliteStorage(path: string, options: OpenSqliteOptions): Promise<Storage> {
  const driver = await loadSqliteDriver()
  try {
    return await withBusyRetry('shared', timeoutOf(options), () => openFile(driver, path, options))
  } catch (error) {
    throw withContext('opening repo', error)
  }
}

function openFile(driver: SqliteDriver, path: string, { platform, readOnly = false }: OpenSqliteOptions): Storage {
  if (statSync(path, { throwIfNoEntry: false }) === undefined) throw noSuchFile(path)
  const writable = !readOnly && mayWrite(path)
  const handle = openHandle(driver, path, writable ? 'write' : 'read')
  // No timeout until the configuration has been read: the caller waits.
  const connection = new Connection(handle, { path, writable, lockTimeout: 0, fsync: true })
  try {
    return SqliteStorage.open(connection, driver, platform)
  } catch (error) {
    connection.close()
    throw error
  }
}

function timeoutOf({ lockTimeout = DEFAULT_LOCK_TIMEOUT_SECS }: OpenSqliteOptions): number {
  return lockTimeout
}

function openHandle(driver: SqliteDriver, path: string, access: 'read' | 'write' | 'create'): SqliteHandle {
  try {
    return driver.open(path, access)
  } catch (error) {
    const translated = translateSqliteError(error, path)
    if (translated instanceof OstreeError) throw translated
    throw new IoError(`open(${path}): ${error instanceof Error ? error.message : error}`, 'EIO', path, { cause: error })
  }
}

/** Whether the file and, for its journal, the directory are writable. */
function mayWrite(path: string): boolean {
  try {
    accessSync(path, constants.W_OK)
    accessSync(dirname(path), constants.W_OK)
    return true
  } catch {
    return false
  }
}

function noSuchFile(path: string): IoError {
  return new IoError(`open(${path}): No such file or directory`, 'ENOENT', path)
}
