/**
 * Lists the inodes of a repository's loose files. A file with the same device and inode is a hard link to that object.
 *
 * Source: ostree-repo-commit.c, ostree_repo_scan_hardlinks.
 */

import { lstatSync } from 'node:fs'
import type { Checksum } from '../../bytes.ts'
import { parseLoosePath } from '../../objects/index.ts'
import { namesIn } from '../../system/directories.ts'
import type { Repo } from '../repo.ts'
import type { DevInoCache } from './modifier.ts'

/**
 * Returns the checksum of each loose file of a repository and its parents, by `DEVICE:INODE`. Empty for repositories
 * that are not directories, and for archives: files linked from the cache of an archive have lost owner and xattrs, so
 * ostree commits them as new files.
 */
export function scanHardLinks(repo: Repo): DevInoCache {
  const known = new Map<string, Checksum>()
  for (let at: Repo | undefined = repo; at !== undefined; at = at.parent) scan(`${at.storage.location}/objects`, known)
  return known
}

function scan(folder: string, known: Map<string, Checksum>): void {
  for (const prefix of namesIn(folder)) {
    if (!/^[0-9a-f]{2}$/.test(prefix)) continue
    for (const name of namesIn(`${folder}/${prefix}`)) {
      const object = name.endsWith('.file') ? parseLoosePath(`${prefix}/${name}`) : undefined
      if (object === undefined) continue
      const stat = lstatSync(`${folder}/${prefix}/${name}`, { bigint: true, throwIfNoEntry: false })
      if (stat !== undefined) known.set(`${stat.dev}:${stat.ino}`, object.checksum)
    }
  }
}
