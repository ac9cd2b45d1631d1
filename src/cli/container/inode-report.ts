/** What `provisional-repair` says of inodes. */

import type { Repo } from '../../repo/index.ts'
import { findInodeCollisions, type InodeCollisions } from '../../repo/local.ts'
import type { Output } from '../text/output.ts'

export async function analyzeInodes(repo: Repo, out: Output, signal: AbortSignal): Promise<InodeCollisions> {
  out.line('Looking for files that may have been mistaken for one another by their inodes.\n')
  out.line('Gathering inodes for ostree objects...')
  return await findInodeCollisions(repo, { signal })
}

/** The members in the order canonical JSON has them; numbers in full. */
export function inodesAsJson({ collisions, inode32, inode64 }: InodeCollisions): string {
  return `{"collisions":[${collisions.join(',')}],"inode32":${inode32},"inode64":${inode64}}`
}
