/** Files of a deployment: copied with all that is known of them, linked, removed. */

import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  copyFileSync,
  lchownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs'
import { join } from 'node:path'
import { UnsupportedError } from '../errors.ts'
import { loadNative } from '../repo/local.ts'

const PERMISSIONS = 0o7777

/**
 * Where the regular file or directory at a path of a tree really is. A commit may have any link, so one that leads out of
 * its tree leads nowhere.
 */
export function within(tree: string, path: string, kind: 'file' | 'directory'): string | undefined {
  const asked = join(tree, path)
  const stats = statSync(asked, { throwIfNoEntry: false })
  if (stats === undefined || !(kind === 'file' ? stats.isFile() : stats.isDirectory())) return undefined
  const real = realpathSync(asked)
  return real.startsWith(`${realpathSync(tree)}/`) ? real : undefined
}

/** A file or link, its owner, permissions and xattrs. @throws {UnsupportedError} for anything else */
export function copyEntry(from: string, to: string, shown: string): void {
  const stats = lstatSync(from)
  if (stats.isSymbolicLink()) {
    symlinkSync(readlinkSync(from), to)
    lchownSync(to, stats.uid, stats.gid)
    copyXattrs(from, to)
  } else if (stats.isFile()) {
    copyFileSync(from, to)
    copyMetadata(from, to)
  } else {
    throw new UnsupportedError('device', `Unsupported non-regular/non-symlink file in /etc '${shown}'`)
  }
}

/** With all that is in it. */
export function copyDirectory(from: string, to: string, shown: string): void {
  mkdirSync(to, { mode: 0o700 })
  for (const name of readdirSync(from)) {
    const [source, target] = [join(from, name), join(to, name)]
    if (lstatSync(source).isDirectory()) copyDirectory(source, target, `${shown}/${name}`)
    else copyEntry(source, target, `${shown}/${name}`)
  }
  copyMetadata(from, to)
}

/** Owner first: the kernel takes set-id bits away with it. */
export function copyMetadata(from: string, to: string): void {
  const stats = lstatSync(from)
  chownSync(to, stats.uid, stats.gid)
  chmodSync(to, stats.mode & PERMISSIONS)
  copyXattrs(from, to)
}

function copyXattrs(from: string, to: string): void {
  const native = loadNative()
  for (const [name, value] of native?.readXattrs(from) ?? []) native?.setXattr(to, name, value)
}

/** The same file in two places, or a copy where there can be no link. What is there stays. */
export function install(from: string, to: string): void {
  if (lstatSync(to, { throwIfNoEntry: false }) !== undefined) return
  try {
    linkSync(from, to)
  } catch {
    const temporary = `${to}.tmp`
    rmSync(temporary, { force: true })
    copyFileSync(from, temporary)
    copyMetadata(from, temporary)
    renameSync(temporary, to)
  }
}

/** Whatever is there goes at once. */
export function replaceLink(target: string, path: string): void {
  const temporary = `${path}.tmp`
  rmSync(temporary, { force: true })
  symlinkSync(target, temporary)
  renameSync(temporary, path)
}

/** Deployments are marked, so that nobody writes into them by mistake. Where nothing can do it, they are not. */
export function setImmutable(path: string, on: boolean): void {
  spawnSync('chattr', [on ? '+i' : '-i', path], { stdio: 'ignore' })
}
