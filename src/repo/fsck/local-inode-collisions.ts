/**
 * Finds file objects whose inode numbers agree in the low 32 bits, on a file system with larger inode numbers. A
 * program that keeps only 32 bits of an inode number takes such files for one.
 *
 * Source: ostree-ext, repair.rs (check_inode_collision).
 */

import { lstatSync } from 'node:fs'
import { UnsupportedError } from '../../errors.ts'
import type { ProgressOptions } from '../../progress.ts'
import type { Repo } from '../repo.ts'

const LOW_32_BITS = 0xffffffffn

/** The result of a search for collisions. */
export interface InodeCollisions {
  /** Number of inodes whose numbers fit into 32 bits. */
  readonly inode32: number
  /** Number of inodes whose numbers do not fit into 32 bits. */
  readonly inode64: number
  /** The numbers above 32 bits whose low 32 bits are those of a smaller inode number, ascending. */
  readonly collisions: readonly bigint[]
}

/** Examines the inodes of all file objects. @throws {UnsupportedError} when the repository is not a directory */
export async function findInodeCollisions(
  repo: Repo,
  { signal }: Pick<ProgressOptions, 'signal'> = {},
): Promise<InodeCollisions> {
  const { objects } = repo
  const { loose } = objects
  if (loose === undefined) {
    throw new UnsupportedError('inode', `Objects of ${repo.storage.location} are not files with inodes`)
  }
  const inodes = new Set<bigint>()
  for await (const name of objects.list('file')) {
    signal?.throwIfAborted()
    const path = loose.path(name)
    const stats = path === undefined ? path : lstatSync(path, { bigint: true, throwIfNoEntry: false })
    if (stats !== undefined) inodes.add(stats.ino)
  }
  return collisionsAmong(inodes)
}

/** Finds the collisions among inode numbers, of which duplicates are ignored. */
export function collisionsAmong(inodes: Iterable<bigint>): InodeCollisions {
  const ascending = [...new Set(inodes)].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0))
  const seen = new Set<bigint>()
  const collisions: bigint[] = []
  let inode64 = 0
  for (const inode of ascending) {
    const truncated = inode & LOW_32_BITS
    if (inode > LOW_32_BITS) inode64++
    if (seen.has(truncated)) collisions.push(inode)
    seen.add(truncated)
  }
  return { inode32: ascending.length - inode64, inode64, collisions }
}
