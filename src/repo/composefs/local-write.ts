/** Writes a composefs image into a directory of this machine. Source: ostree-repo-composefs.c; libglnx, glnx_link_tmpfile_at. */

import { closeSync, fchmodSync, fsyncSync, openSync, renameSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { IoError } from '../../errors.ts'
import { errnoOf, errnoText, withIo } from '../../system/errno.ts'
import { CREATE_FLAGS, randomName, removeFile, writeAll } from '../../system/file-io.ts'
import type { ComposefsImage } from './image.ts'

const MODE = 0o644

/**
 * Writes an image to a file, with mode 0644 whatever the umask is. A file or link at `path` is replaced atomically; when
 * writing fails it stays as it is, and no other file is left.
 * @throws {IoError} when the file cannot be written
 */
export function writeComposefsFile(image: ComposefsImage, path: string): void {
  const temporary = `${dirname(path)}/tmp.${randomName()}`
  const fd = createFile(temporary, path)
  let placed = false
  try {
    withIo(undefined, () => {
      fchmodSync(fd, MODE)
      for (const chunk of image.bytes()) writeAll(fd, chunk)
      fsyncSync(fd)
    })
    withIo(`${temporary}, ${path}`, () => renameSync(temporary, path))
    placed = true
  } finally {
    closeSync(fd)
    if (!placed) removeFile(temporary, basename(temporary))
  }
}

/** Creates the temporary file. libostree links it there when it is complete, and so names that call in the error. */
function createFile(temporary: string, path: string): number {
  try {
    return openSync(temporary, CREATE_FLAGS, MODE)
  } catch (error) {
    const errno = errnoOf(error)
    if (errno === undefined) throw error
    throw new IoError(`linkat: ${errnoText(errno)}`, errno, path, { cause: error })
  }
}
