/**
 * A file of the local file system that becomes an object without being copied: a hard link to it in staging, provided
 * that the inode, read as an object of the repository, is what the object has to be.
 *
 * Source: ostree-repo-commit.c, adopt_and_commit_regfile.
 */

import { chmodSync, linkSync } from 'node:fs'
import type { Checksum } from '../../../../bytes.ts'
import { type FileHeader, type FileObject, S_IFMT, S_IFREG, xattrsEqual } from '../../../../objects/index.ts'
import { errnoOf, withIo } from '../../../../system/errno.ts'
import { removeFile } from '../../../../system/file-io.ts'
import type { RepoMode } from '../../../core/interface.ts'
import type { ContentMode } from './content-mode.ts'

/** A link cannot be made here: of another file system, of somebody else's file, or there are too many. */
const NO_LINK = ['EMLINK', 'EXDEV', 'EPERM', 'EACCES']

/** Reading takes a name for messages; there is none yet. */
const UNKNOWN = '0'.repeat(64) as Checksum

/**
 * @param from a regular file; its permissions are changed where a bare-user-only repository wants others
 * @param to a path in staging, where it is when the call gives an object
 * @returns the object, or `undefined` when the file cannot be it
 */
export async function linkInode(
  from: string,
  to: string,
  header: FileHeader,
  { mode, content }: { mode: RepoMode; content: ContentMode },
): Promise<FileObject | undefined> {
  if (mode !== 'bare' && mode !== 'bare-user-only') return undefined
  try {
    linkSync(from, to)
  } catch (error) {
    if (NO_LINK.includes(errnoOf(error) ?? '')) return undefined
    return withIo(from, () => {
      throw error
    })
  }
  const file = await content.read(to, UNKNOWN)
  if (file !== undefined && (file.header.mode & S_IFMT) === S_IFREG) {
    if (mode === 'bare-user-only' && file.header.mode !== header.mode) {
      withIo(from, () => chmodSync(to, header.mode & 0o7777))
      return { ...file, header }
    }
    if (sameHeader(file.header, header)) return file
  }
  removeFile(to, from)
  return undefined
}

function sameHeader(a: FileHeader, b: FileHeader): boolean {
  return a.uid === b.uid && a.gid === b.gid && a.mode === b.mode && xattrsEqual(a.xattrs, b.xattrs)
}
