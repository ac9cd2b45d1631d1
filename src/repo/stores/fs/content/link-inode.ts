/**
 * Makes a file of the local file system an object without copying it: by a hard link in staging, if the inode, read as an
 * object of the repository, has the wanted header.
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

/** Errors of link(2) if the file system or owner is another, or the file has too many links. */
const NO_LINK = ['EMLINK', 'EXDEV', 'EPERM', 'EACCES']

/** For messages of `ContentMode.read`, as long as the checksum is not known. */
const UNKNOWN = '0'.repeat(64) as Checksum

/**
 * Links a file into staging.
 * @param from a regular file; a bare-user-only repository changes its permissions to those of `header`
 * @param to path of the new link; nothing is left there if no object is returned
 * @returns the object, or `undefined` if the file cannot be it
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
