/** What this process can do on this machine. */
import { spawnSync } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, rmSync, statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadNative } from '../../src/system/native.ts'

/** Only root can give files to other owners, which a repository of mode `bare` needs. */
export const isRoot = process.getuid?.() === 0

/** Whether this process may mount file systems, which containers often forbid, even to root. */
export function canMount(): boolean {
  if (!isRoot) return false
  const probe = mkdtempSync(join(tmpdir(), 'mount-'))
  const mounted = spawnSync('mount', ['-t', 'tmpfs', 'tmpfs', probe]).status === 0
  if (mounted) spawnSync('umount', ['-l', probe])
  rmSync(probe, { recursive: true })
  return mounted
}

/** Space in bytes below which `/dev/shm` is not used. Containers often limit it to 64 MiB. */
const ENOUGH_MEMORY = 1 << 30

/**
 * Returns a directory for temporary directories that is in memory, because many tests would wait for the disk. It is
 * `/dev/shm` if that has enough space and keeps extended attributes (Linux 6.6 and later), and else the same as `tmpdir()`.
 */
export function memoryDirectory(): string {
  return hasSpace('/dev/shm') && keepsXattrs('/dev/shm') ? '/dev/shm' : tmpdir()
}

function hasSpace(directory: string): boolean {
  try {
    const { bavail, bsize } = statfsSync(directory)
    return bavail * bsize >= ENOUGH_MEMORY
  } catch {
    return false
  }
}

function keepsXattrs(directory: string): boolean {
  try {
    const probe = mkdtempSync(join(directory, 'ostree-ts-tests-probe-'))
    try {
      closeSync(openSync(join(probe, 'file'), 'wx'))
      loadNative()?.setXattr(join(probe, 'file'), 'user.ostreemeta', Uint8Array.of(1))
      return true
    } finally {
      rmSync(probe, { recursive: true })
    }
  } catch {
    return false
  }
}
