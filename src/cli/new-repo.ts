/** SQLite files that commands create because they do not exist, and that they remove again if nothing is stored in them. */
import { existsSync, unlinkSync } from 'node:fs'
import { OstreeError } from '../errors.ts'
import type { Repo } from '../repo/index.ts'
import { isSqlitePath } from '../repo/local.ts'
import { createRepo } from './local-repo.ts'

/**
 * Creates the SQLite file that a path names. A directory is not created, because `ostree init` has to choose its mode.
 * @returns `undefined` when the path does not name a SQLite file, or when the file exists
 */
export async function createMissing(path: string): Promise<Repo | undefined> {
  return isSqlitePath(path) && !existsSync(path) ? await createRepo(path) : undefined
}

/**
 * Removes the file of a repository that `createMissing` has created, if it has neither refs nor objects. The repository is
 * locked meanwhile, and the file is kept when another process has locked it; a process that has opened it gets an error
 * instead of writing to a file that is gone.
 */
export async function removeIfEmpty(repo: Repo, path: string): Promise<void> {
  try {
    await using _ = await repo.storage.lock('exclusive', { timeout: 0 })
    if ((await repo.refs.list('')).length > 0) return
    for await (const _ of repo.objects.list()) return
    unlinkSync(path)
  } catch (error) {
    // Damaged, locked, or removed already: the error of the command is the one that counts.
    if (!(error instanceof OstreeError) && (error as NodeJS.ErrnoException).code === undefined) throw error
  }
}
