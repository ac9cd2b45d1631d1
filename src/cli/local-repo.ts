/**
 * Opens and creates repositories with the options that the environment sets:
 *
 *     OSTREE_BOOTID=ID                       names this boot in the staging directories of transactions
 *     OSTREE_SKIP_CACHE=…                    opening creates no `tmp/cache`
 *     OSTREE_REPO_TEST_ERROR=pre-commit      every transaction fails before anything of it is visible
 *     OSTREE_EXP_WRITE_BARE_SPLIT_XATTRS=…   files are written in mode bare-split-xattrs, of which only content is kept
 *
 * Source: ostree-repo.c, ostree_repo_init and ostree_repo_open; ostree-repo-commit.c.
 */

import { mkdirSync } from 'node:fs'
import { resolve } from 'node:path'
import { hasEscapedBytes } from '../bytes.ts'
import { IoError, UsageError, withContext } from '../errors.ts'
import type { Repo } from '../repo/index.ts'
import * as local from '../repo/local.ts'
import { unless } from '../system/errno.ts'
import { directoryPath, fsPath } from '../system/raw-path.ts'
import { fileError } from './values.ts'

/** Returns the options that the environment sets. */
export function environmentOptions(env: NodeJS.ProcessEnv = process.env): local.OpenRepoOptions {
  return {
    bootId: env['OSTREE_BOOTID'],
    makeCache: env['OSTREE_SKIP_CACHE'] === undefined,
    writeSplitXattrs: env['OSTREE_EXP_WRITE_BARE_SPLIT_XATTRS'] !== undefined,
    beforePublish: env['OSTREE_REPO_TEST_ERROR'] === 'pre-commit' ? failBeforePublish : undefined,
  }
}

function failBeforePublish(): never {
  throw new UsageError('OSTREE_REPO_TEST_ERROR_PRE_COMMIT specified')
}

/**
 * Opens a repository with the options of the environment. Errors are those of the library's `openRepo`.
 * @param sysroot root of the system that the repository belongs to, if the command line names one
 */
export function openRepo(path: string, sysroot?: string): Promise<Repo> {
  return local.openRepo(usablePath(path), { ...environmentOptions(), sysroot })
}

/**
 * Opens a repository that an argument names. Errors have its absolute path, as those of ostree.
 * @throws {IoError} `opening repo: opendir((null)): Bad address` for the empty path, which is not the current directory;
 *   and as `openRepo`
 */
export async function openGivenRepo(path: string, sysroot?: string): Promise<Repo> {
  if (path === '') throw new IoError('opening repo: opendir((null)): Bad address', 'EFAULT', path)
  return openRepo(resolve(path), sysroot)
}

/** Creates a repository with the options of the environment. Errors are those of the library's `createRepo`. */
export function createRepo(path: string, options: local.CreateRepoOptions = {}): Promise<Repo> {
  if (hasEscapedBytes(path)) makeDirectory(path)
  return local.createRepo(usablePath(path), { ...environmentOptions(), ...options })
}

/** Creates the directory of a repository, which may exist. @throws {IoError} `Creating repo: mkdirat: …` */
function makeDirectory(path: string): void {
  try {
    unless(['EEXIST'], undefined, () => mkdirSync(fsPath(path), 0o775))
  } catch (error) {
    throw withContext('Creating repo', error)
  }
}

/** Returns a path that the library can use (`directoryPath`). @throws {IoError} `opening repo: opendir(PATH): …` */
function usablePath(path: string): string {
  try {
    return directoryPath(path)
  } catch (error) {
    throw fileError(error, path, (reason) => `opening repo: opendir(${path}): ${reason}`)
  }
}
