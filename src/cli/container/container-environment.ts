/** Whether we run in a container made of an OSTree commit, and tidying one up before it becomes an image. */
import { existsSync, lstatSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { KeyFile } from '../../keyfile/index.ts'

const REPO_CONFIGS = ['sysroot/ostree/repo/config', 'sysroot/config']
/** What is in them is of the moment: emptied, not removed. */
const TRANSIENT = ['run', 'tmp', 'var/tmp', 'var/cache']

type Environment = Readonly<Record<string, string | undefined>>

/** @param root the file system, `/` but in tests */
export function isOstreeContainer(root: string, env: Environment): boolean {
  const config = REPO_CONFIGS.map((path) => join(root, path)).find((path) => existsSync(path))
  if (config === undefined) return false
  const mode = KeyFile.parse(readFileSync(config, 'utf8'), config).getString('core', 'mode', '')
  return mode === 'bare-split-xattrs' && isContainer(root, env)
}

/** `ostree-container`, `ostree` (a system of its own), `container`, or `none`. */
export function detectEnvironment(root: string, env: Environment): string {
  if (isOstreeContainer(root, env)) return 'ostree-container'
  if (existsSync(join(root, 'run/ostree-booted'))) return 'ostree'
  return isContainer(root, env) ? 'container' : 'none'
}

function isContainer(root: string, env: Environment): boolean {
  if (env['container'] !== undefined) return true
  if (existsSync(join(root, 'run/.containerenv')) || existsSync(join(root, '.dockerenv'))) return true
  // A build step, and no booted system.
  return env['INVOCATION_ID'] === undefined && !existsSync(join(root, 'run/ostree-booted'))
}

/** Empties what is transient. Links are not followed, and other file systems that are mounted there stay as they are. */
export function emptyTransient(root: string): void {
  for (const path of TRANSIENT) {
    const directory = join(root, path)
    const stats = lstatSync(directory, { throwIfNoEntry: false })
    if (stats?.isDirectory() === true) empty(directory, stats.dev)
  }
}

/** @returns whether nothing is left */
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
