/**
 * Files of a directory by their relative path: in a repository, those that are not objects or refs; or the directory in
 * which the remotes of a system are configured, one file each.
 *
 * Source: ostree-repo.c, _ostree_repo_file_replace_contents.
 */

import { mkdirSync } from 'node:fs'
import { compareUtf8 } from '../../../bytes.ts'
import { namesIn } from '../../../system/directories.ts'
import { withIo } from '../../../system/errno.ts'
import { readWhole, removeFile, replaceFile } from '../../../system/file-io.ts'
import { type RepoFiles, requireFilePath, type WriteFileOptions } from '../../core/repo-files.ts'

export class FsFiles implements RepoFiles {
  readonly location: string
  readonly #tmp: string
  readonly #requireWritable: (call?: string) => void
  readonly #fsync: () => boolean

  /** @param tmp directory on the same file system, for files that are being written */
  constructor(root: string, tmp: string, requireWritable: (call?: string) => void, fsync: () => boolean) {
    this.location = root
    this.#tmp = tmp
    this.#requireWritable = requireWritable
    this.#fsync = fsync
  }

  read(path: string): Uint8Array | undefined {
    return readWhole(this.#place(path))
  }

  list(path: string): string[] {
    const place = path === '' ? this.location : this.#place(path)
    return namesIn(place, path).sort(compareUtf8)
  }

  write(path: string, bytes: Uint8Array, { mode, modified }: WriteFileOptions = {}): void {
    this.#requireWritable(`open(${path})`)
    const place = this.#place(path)
    withIo(path, () => mkdirSync(place.slice(0, place.lastIndexOf('/')), { recursive: true, mode: 0o777 }))
    replaceFile(place, bytes, { tmp: this.#tmp, fsync: this.#fsync(), shown: path, mode, modified })
  }

  delete(path: string): boolean {
    this.#requireWritable(`unlinkat(${path})`)
    return removeFile(this.#place(path), path)
  }

  #place(path: string): string {
    requireFilePath(path)
    return `${this.location}/${path}`
  }
}
