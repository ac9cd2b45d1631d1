/**
 * A repository in one SQLite file: objects, refs and configuration, and so a ref can never outrun its objects.
 *
 * ```
 * NAME.sqlite            everything; tables in sqlite-schema.ts
 * NAME.sqlite-journal    while a transaction writes; SQLite finishes or undoes it when it is found later
 * NAME.sqlite-lock       while somebody holds the lock of the repository (sqlite-lock.ts)
 * ```
 *
 * The mode decides which files are taken in, as in a directory; how they lie in the file is the same for all.
 *
 * Durability: `core.fsync` true (the default) is `synchronous=FULL`, and a commit that returned survives a power cut;
 * false is `synchronous=OFF`, which survives the death of the process but not that of the machine: the file may be lost.
 */

import { accessSync, constants, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { IoError, OstreeError, withContext } from '../../../errors.ts'
import { KeyFile } from '../../../keyfile/index.ts'
import type { Platform } from '../../../platform/index.ts'
import { initialConfig } from '../../core/config.ts'
import type { RepoMode, Storage } from '../../core/interface.ts'
import { Connection } from './connection.ts'
import { loadSqliteDriver, type SqliteDriver, type SqliteHandle } from './driver.ts'
import { translateSqliteError } from './errors.ts'
import { createSchema, requireSchema } from './schema.ts'
import { SqliteStorage } from './storage.ts'

/** Of content in the file. Kept in the configuration: `[sqlite] compression=deflate`, `compression-level=6`. */
export type SqliteCompression = 'none' | 'deflate'

export interface OpenSqliteOptions {
  readonly platform: Platform
  /** Open for reading even where writing would be possible. */
  readonly readOnly?: boolean | undefined
}

export interface CreateSqliteOptions extends OpenSqliteOptions {
  /** Default `archive`. */
  readonly mode?: RepoMode | undefined
  readonly collectionId?: string | undefined
  /** Default `none`: content is mostly read more often than it is worth the space. */
  readonly compression?: SqliteCompression | undefined
  /** 1 to 9; default 6. */
  readonly compressionLevel?: number | undefined
}

/**
 * Makes the file and opens it. A file that is a repository already is opened as it is.
 * @throws {IoError}, {FormatError} when something else is there: `Creating repo: …`; {UnsupportedError} without SQLite
 */
export async function createSqliteStorage(path: string, options: CreateSqliteOptions): Promise<Storage> {
  const { platform, mode = 'archive', collectionId, compression = 'none', compressionLevel = 6 } = options
  const config = KeyFile.parse(initialConfig(mode, collectionId))
  if (compression !== 'none') {
    config.set('sqlite', 'compression', compression)
    config.set('sqlite', 'compression-level', `${compressionLevel}`)
  }
  const driver = await loadSqliteDriver()
  try {
    if (statSync(dirname(path), { throwIfNoEntry: false }) === undefined) throw noSuchFile(path)
    const handle = openHandle(driver, path, 'create')
    try {
      createSchema(handle, path, config.toString())
    } catch (error) {
      throw translateSqliteError(error, path)
    } finally {
      handle.close()
    }
  } catch (error) {
    throw withContext('Creating repo', error)
  }
  return openSqliteStorage(path, { platform, readOnly: options.readOnly })
}

/**
 * @throws {IoError} when there is no such file, {FormatError} when it is no repository or damaged, {UnsupportedError}
 *   when it is one of a newer version or there is no SQLite to read it with: `opening repo: …`
 */
export async function openSqliteStorage(path: string, options: OpenSqliteOptions): Promise<Storage> {
  const driver = await loadSqliteDriver()
  try {
    if (statSync(path, { throwIfNoEntry: false }) === undefined) throw noSuchFile(path)
    const writable = !options.readOnly && mayWrite(path)
    const handle = openHandle(driver, path, writable ? 'write' : 'read')
    const connection = new Connection(handle, { path, writable, lockTimeout: 0, fsync: true })
    try {
      await connection.read(() => requireRepository(handle, path))
      return await SqliteStorage.open(connection, driver, options.platform)
    } catch (error) {
      connection.close()
      throw error
    }
  } catch (error) {
    throw withContext('opening repo', error)
  }
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

function requireRepository(handle: SqliteHandle, path: string): void {
  try {
    requireSchema(handle, path)
  } catch (error) {
    throw translateSqliteError(error, path)
  }
}

/** The journal is a file beside it, so the directory has to be writable too. */
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
