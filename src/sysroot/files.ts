/** File operations on deployments: copies with all metadata, hard links, replaced links, the immutable flag. */

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
 * Resolves a path in a tree to a real path. A commit may have any symbolic link, so links out of the tree are not
 * followed.
 * @returns `undefined` when the path is not of the given kind, or leads out of the tree
 */
export function within(tree: string, path: string, kind: 'file' | 'directory'): string | undefined {
  const asked = join(tree, path)
  const stats = statSync(asked, { throwIfNoEntry: false })
  if (stats === undefined || !(kind === 'file' ? stats.isFile() : stats.isDirectory())) return undefined
  const real = realpathSync(asked)
  return real.startsWith(`${realpathSync(tree)}/`) ? real : undefined
}

/**
 * Copies a regular file or symbolic link with owner, permissions and xattrs.
 * @param shown path for error messages
 * @throws {UnsupportedError} when the entry is neither
 */
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

/** Copies a directory and everything below it. @throws {UnsupportedError} when it has a device, socket or FIFO */
export function copyDirectory(from: string, to: string, shown: string): void {
  mkdirSync(to, { mode: 0o700 })
  for (const name of readdirSync(from)) {
    const [source, target] = [join(from, name), join(to, name)]
    if (lstatSync(source).isDirectory()) copyDirectory(source, target, `${shown}/${name}`)
    else copyEntry(source, target, `${shown}/${name}`)
  }
  copyMetadata(from, to)
}

/** Copies owner, permissions and xattrs, the owner first: the kernel clears set-id bits when the owner changes. */
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

/** Hard-links a file, or copies it when it cannot be linked. Does nothing when `to` exists. */
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

/** Creates a symbolic link, atomically replacing what is at `path`. */
export function replaceLink(target: string, path: string): void {
  const temporary = `${path}.tmp`
  rmSync(temporary, { force: true })
  symlinkSync(target, temporary)
  renameSync(temporary, path)
}

/** Sets or clears the immutable flag, which protects deployments from accidental writes. Failure is ignored. */
export function setImmutable(path: string, on: boolean): void {
  spawnSync('chattr', [on ? '+i' : '-i', path], { stdio: 'ignore' })
}
