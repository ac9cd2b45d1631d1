/** Searches for inode collisions and reports them, for the `provisional-repair` commands. */

import type { Repo } from '../../repo/index.ts'
import { findInodeCollisions, type InodeCollisions } from '../../repo/local.ts'
import type { Output } from '../text/output.ts'

/** Prints an introduction and finds the files whose inode numbers collide. */
export async function analyzeInodes(repo: Repo, out: Output, signal: AbortSignal): Promise<InodeCollisions> {
  out.line('Looking for files that may have been mixed up because their inode numbers collide.\n')
  out.line('Gathering inodes for ostree objects...')
  return await findInodeCollisions(repo, { signal })
}

/**
 * Formats the result as canonical JSON. Inode numbers are printed in full, beyond what a JavaScript number can hold.
 */
export function inodesAsJson({ collisions, inode32, inode64 }: InodeCollisions): string {
  return `{"collisions":[${collisions.join(',')}],"inode32":${inode32},"inode64":${inode64}}`
}
