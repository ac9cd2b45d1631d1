/**
 * Opens and creates repositories on the local file system. A path `NAME.sqlite` is a SQLite file, any other path a
 * directory in ostree's layout.
 *
 * Source: ostree-repo.c, ostree_repo_open and ostree_repo_create.
 */

import { resolve } from 'node:path'
import { FormatError, withContext } from '../errors.ts'
import { validateCollectionId } from '../objects/index.ts'
import type { Platform } from '../platform/index.ts'
import { loadNative } from '../system/native.ts'
import { threadedPlatform } from '../system/threaded-platform.ts'
import { parseConfig } from './core/config.ts'
import type { RepoMode, Storage } from './core/interface.ts'
import type { SummaryCache } from './core/summary-cache.ts'
import { checkRemoteFiles } from './remotes/remotes.ts'
import { Repo } from './repo.ts'
import { FsSummaryCache } from './stores/fs/deltas.ts'
import {
  initFsStorage,
  type OpenFsStorageOptions,
  openFsStorage,
  type RepoDirectoryOptions,
} from './stores/fs/index.ts'
import { createSqliteStorage, openSqliteStorage } from './stores/sqlite/open.ts'

/** Maximum length of a chain of parent repositories. A longer one is taken for a loop. */
export const MAX_PARENT_REPOS = 16

export type { RepoDirectoryOptions }

/** How to open a repository. The options of a repository directory have no effect on a SQLite file. */
export interface OpenRepoOptions extends RepoDirectoryOptions {
  readonly platform?: Platform | undefined
}

/** The properties of a new repository. */
export interface CreateRepoOptions extends OpenRepoOptions {
  /** Default `bare`, as `ostree init`. */
  readonly mode?: RepoMode | undefined
  readonly collectionId?: string | undefined
}

/** Tells whether a path names a SQLite file, by its suffix `.sqlite`. */
export function isSqlitePath(path: string): boolean {
  return path.endsWith('.sqlite')
}

/**
 * Opens a repository and its parent repositories. Closing it closes them too.
 *
 * @example
 * await using repo = await openRepo('/srv/repo')
 * console.log(await repo.resolve('main'))
 * @throws {IoError} `opening repo: …` when a repository does not exist or cannot be read
 * @throws {FormatError} or {UnsupportedError} `opening repo: …` when its configuration is invalid
 */
export function openRepo(path: string, options: OpenRepoOptions = {}): Promise<Repo> {
  return openWithParents(path, { ...options, platform: options.platform ?? threadedPlatform }, 0)
}

async function openWithParents(path: string, options: OpenFsStorageOptions, depth: number): Promise<Repo> {
  if (depth > MAX_PARENT_REPOS) {
    throw new FormatError(path, `opening repo: more than ${MAX_PARENT_REPOS} parent repositories`)
  }
  const { platform } = options
  const storage = await openStorage(path, options)
  const own = { ...options, sysroot: undefined }
  let parent: Repo | undefined
  try {
    const { settings } = parseConfig(await storage.readConfig())
    if (settings.parent !== undefined) parent = await openParent(resolve(settings.parent), own, depth + 1)
    const checkParent = async (parent: string) => (await openParent(resolve(parent), own, depth + 1)).close()
    const repo = await Repo.open(storage, platform, { parent, closeParent: true, checkParent, updateSummary })
    if (options.sysroot === undefined) await checkRemoteFiles(repo)
    return repo
  } catch (error) {
    await parent?.close()
    await storage[Symbol.asyncDispose]()
    throw withContext('opening repo', error)
  }
}

async function openParent(path: string, options: OpenFsStorageOptions, depth: number): Promise<Repo> {
  try {
    return await openWithParents(path, options, depth)
  } catch (error) {
    throw withContext(`While checking parent repository '${path}'`, error)
  }
}

async function updateSummary(repo: Repo): Promise<void> {
  const summary = await import('./summary/update.ts')
  await summary.updateSummary(repo, { timestamp: BigInt(Math.floor(Date.now() / 1000)) })
}

function openStorage(path: string, options: OpenFsStorageOptions): Promise<Storage> | Storage {
  const { platform } = options
  return isSqlitePath(path) ? openSqliteStorage(path, { platform }) : openFsStorage(path, options)
}

/**
 * Creates a repository and opens it. An existing repository is opened unchanged.
 *
 * @example
 * await using file = await createRepo('images.sqlite')
 * await using directory = await createRepo('/srv/repo', { mode: 'archive' })
 * @throws {IoError} `Creating repo: …` when it cannot be created
 * @throws {InvalidNameError} when the collection ID is not valid
 * @throws {UnsupportedError} when the file system or the platform lacks what the mode requires
 */
export async function createRepo(path: string, options: CreateRepoOptions = {}): Promise<Repo> {
  const { mode = 'bare', collectionId, ...opening } = options
  const { platform = threadedPlatform } = opening
  if (collectionId !== undefined) validateCollectionId(collectionId)
  const storage = isSqlitePath(path)
    ? await createSqliteStorage(path, { mode, platform, collectionId })
    : await initFsStorage(path, { ...opening, platform, mode, collectionId })
  await storage[Symbol.asyncDispose]()
  return openRepo(path, opening)
}

/** Returns a cache of summaries in a directory, which is created when something is first kept. */
export function createSummaryCache(directory: string): SummaryCache {
  return new FsSummaryCache(directory, () => {}, loadNative)
}
