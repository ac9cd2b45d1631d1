/**
 * Inodes that a program would confuse which keeps but 32 bits of them: a file system with more inodes than that may have
 * two files whose numbers end in the same bits.
 *
 * Source: ostree-ext, repair.rs (check_inode_collision).
 */

import { lstatSync } from 'node:fs'
import { UnsupportedError } from '../../errors.ts'
import type { ProgressOptions } from '../../progress.ts'
import type { Repo } from '../repo.ts'

const TRUNCATED = 0xffffffffn

export interface InodeCollisions {
  /** Files on inodes whose numbers fit into 32 bits. */
  readonly inode32: number
  /** The others. */
  readonly inode64: number
  /** Of the others those that end like an inode before, ascending. */
  readonly collisions: readonly bigint[]
}

/** @throws {UnsupportedError} for a store that is no directory */
export async function findInodeCollisions(
  repo: Repo,
  { signal }: Pick<ProgressOptions, 'signal'> = {},
): Promise<InodeCollisions> {
  const { objects } = repo
  if (objects.loosePath === undefined) {
    throw new UnsupportedError('inode', `Objects of ${repo.storage.location} lie on no inodes of their own`)
  }
  const inodes = new Set<bigint>()
  for await (const name of objects.list('file')) {
    signal?.throwIfAborted()
    const path = objects.loosePath(name)
    const stats = path === undefined ? path : lstatSync(path, { bigint: true, throwIfNoEntry: false })
    if (stats !== undefined) inodes.add(stats.ino)
  }
  return collisionsAmong(inodes)
}

export function collisionsAmong(inodes: Iterable<bigint>): InodeCollisions {
  const ascending = [...new Set(inodes)].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0))
  const seen = new Set<bigint>()
  const collisions: bigint[] = []
  let inode64 = 0
  for (const inode of ascending) {
    const truncated = inode & TRUNCATED
    if (inode > TRUNCATED) inode64++
    if (seen.has(truncated)) collisions.push(inode)
    seen.add(truncated)
  }
  return { inode32: ascending.length - inode64, inode64, collisions }
}
