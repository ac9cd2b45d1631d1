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

import { UsageError } from '../errors.ts'
import type { Repo } from '../repo/index.ts'
import * as local from '../repo/local.ts'

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

/** Opens a repository with the options of the environment. Errors are those of the library's `openRepo`. */
export function openRepo(path: string): Promise<Repo> {
  return local.openRepo(path, environmentOptions())
}

/** Creates a repository with the options of the environment. Errors are those of the library's `createRepo`. */
export function createRepo(path: string, options: local.CreateRepoOptions = {}): Promise<Repo> {
  return local.createRepo(path, { ...environmentOptions(), ...options })
}
