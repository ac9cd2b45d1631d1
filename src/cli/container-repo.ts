/** Repositories the container commands name by position. */
import { existsSync } from 'node:fs'
import type { Repo } from '../repo/index.ts'
import { createRepo, isSqlitePath, openRepo } from '../repo/node/index.ts'

/** A single-file store comes into being when it is first pulled into; a directory has a mode to be chosen first. */
export function openOrCreateStore(path: string): Promise<Repo> {
  return isSqlitePath(path) && !existsSync(path) ? createRepo(path) : openRepo(path)
}
