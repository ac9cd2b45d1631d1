/** Opens the repository of the sysroot that `--sysroot` names. Source: ostree-sysroot.c, ostree_sysroot_load. */
import { closeSync, constants, existsSync, openSync } from 'node:fs'
import { resolve } from 'node:path'
import { IoError, withContext } from '../errors.ts'
import type { Repo } from '../repo/index.ts'
import { checkRemoteFiles } from '../repo/internal.ts'
import { fileError } from './values.ts'

type OpenRepo = (path: string, sysroot?: string) => Promise<Repo>

const OPENING = 'Opening sysroot repo'

/**
 * Opens `SYSROOT/ostree/repo`, whose remotes are also those of `SYSROOT/etc/ostree/remotes.d`.
 * @throws {FormatError} `loading sysroot: Opening sysroot repo: Reloading remotes: …` when one of those files is invalid
 * @throws {IoError} `loading sysroot: …` when the sysroot, its repository or `ostree/deploy` does not exist. Errors of
 *   opening the repository get the same prefix
 */
export async function openRepoOfSysroot(sysroot: string, openRepo: OpenRepo): Promise<Repo> {
  // `resolve('')` would give the current directory.
  if (sysroot === '')
    throw new IoError('loading sysroot: Initializing sysroot: opendir((null)): Bad address', 'EFAULT', sysroot)
  const root = resolve(sysroot)
  const repo = `${root}/ostree/repo`
  requireDirectory(root, `Initializing sysroot: opendir(${root})`)
  requireDirectory(repo, `${OPENING}: opendir(ostree/repo)`)
  let opened: Repo
  try {
    opened = await openRepo(repo, root)
    try {
      await checkRemoteFiles(opened)
    } catch (error) {
      await opened.close()
      throw error
    }
  } catch (error) {
    throw withContext(`loading sysroot: ${OPENING}`, error)
  }
  if (existsSync(`${root}/ostree/deploy`)) return opened
  await opened.close()
  const reason = 'fstatat(ostree/deploy): No such file or directory'
  throw new IoError(`loading sysroot: ${reason}`, 'ENOENT', root)
}

/** @param call what fails, in the words of ostree */
function requireDirectory(path: string, call: string): void {
  try {
    closeSync(openSync(path, constants.O_RDONLY | constants.O_DIRECTORY))
  } catch (error) {
    throw fileError(error, path, (reason) => `loading sysroot: ${call}: ${reason}`)
  }
}
