/** The repository of the system at a path, as `--sysroot` names it. Source: ostree-sysroot.c, ostree_sysroot_load. */
import { closeSync, constants, openSync } from 'node:fs'
import { resolve } from 'node:path'
import { IoError, withContext } from '../errors.ts'
import type { Repo } from '../repo/index.ts'
import { fileError } from './values.ts'

/** @throws {IoError} `loading sysroot: …`, as for whatever is wrong with the repository */
export async function openRepoOfSysroot(sysroot: string, openRepo: (path: string) => Promise<Repo>): Promise<Repo> {
  // Resolved, nothing would be the current directory.
  if (sysroot === '') throw new IoError('loading sysroot: opendir((null)): Bad address', 'EFAULT', sysroot)
  const root = resolve(sysroot)
  const repo = `${root}/ostree/repo`
  requireDirectory(root, root)
  requireDirectory(repo, 'ostree/repo')
  try {
    return await openRepo(repo)
  } catch (error) {
    throw withContext('loading sysroot', error)
  }
}

function requireDirectory(path: string, shown: string): void {
  try {
    closeSync(openSync(path, constants.O_RDONLY | constants.O_DIRECTORY))
  } catch (error) {
    throw fileError(error, path, (reason) => `loading sysroot: opendir(${shown}): ${reason}`)
  }
}
