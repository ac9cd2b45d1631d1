/** Detects whether the process runs in a container made from an OSTree commit, and cleans such a container up. */
import { existsSync, lstatSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { KeyFile } from '../../keyfile/index.ts'
import { withIo } from '../../system/errno.ts'
import { readTextFile } from '../values.ts'

const REPO_CONFIGS = ['sysroot/ostree/repo/config', 'sysroot/config']
/** Directories whose content does not belong in an image. They are emptied, not removed. */
const TRANSIENT = ['run', 'tmp', 'var/tmp', 'var/cache']

type Environment = Readonly<Record<string, string | undefined>>

/**
 * Tells whether the process runs in a container whose OSTree repository has the mode `bare-split-xattrs`.
 * @param root root of the file system: `/`, except in tests
 */
export function isOstreeContainer(root: string, env: Environment): boolean {
  const config = REPO_CONFIGS.map((path) => join(root, path)).find((path) => existsSync(path))
  if (config === undefined) return false
  const mode = KeyFile.parse(readTextFile(config), config).getString('core', 'mode', '')
  return mode === 'bare-split-xattrs' && isContainer(root, env)
}

/** Returns `ostree-container`, `ostree` (a booted OSTree system), `container` (any other container), or `none`. */
export function detectEnvironment(root: string, env: Environment): string {
  if (isOstreeContainer(root, env)) return 'ostree-container'
  if (existsSync(join(root, 'run/ostree-booted'))) return 'ostree'
  return isContainer(root, env) ? 'container' : 'none'
}

function isContainer(root: string, env: Environment): boolean {
  if (env['container'] !== undefined) return true
  if (existsSync(join(root, 'run/.containerenv')) || existsSync(join(root, '.dockerenv'))) return true
  // Neither started by systemd nor on a booted OSTree system: a build step of an image.
  return env['INVOCATION_ID'] === undefined && !existsSync(join(root, 'run/ostree-booted'))
}

/** Empties the transient directories. Symlinks are not followed, and mounted file systems are left alone. */
export function emptyTransient(root: string): void {
  for (const path of TRANSIENT) {
    const directory = join(root, path)
    const stats = lstatSync(directory, { throwIfNoEntry: false })
    if (stats?.isDirectory() === true) withIo(directory, () => empty(directory, stats.dev))
  }
}

/** Empties a directory, except for other file systems. @returns whether the directory is empty now */
function empty(directory: string, device: number): boolean {
  let isEmpty = true
  for (const name of readdirSync(directory)) {
    const path = join(directory, name)
    const stats = lstatSync(path)
    const removable = stats.dev === device && (!stats.isDirectory() || empty(path, device))
    if (removable) rmSync(path, { recursive: true })
    else isEmpty = false
  }
  return isEmpty
}
