/**
 * Files of a directory by their relative path: in a repository, those that are not objects or refs; or the directory in
 * which the remotes of a system are configured, one file each.
 *
 * Source: ostree-repo.c, _ostree_repo_file_replace_contents.
 */

import { mkdirSync, readdirSync, statSync } from 'node:fs'
import { compareUtf8 } from '../../../bytes.ts'
import { IoError } from '../../../errors.ts'
import { namesIn } from '../../../system/directories.ts'
import { errnoText, unless, withIo } from '../../../system/errno.ts'
import { readWhole, readWholeFollowing, removeFile, replaceFile } from '../../../system/file-io.ts'
import { type RemoteFiles, type RepoFiles, requireFilePath, type WriteFileOptions } from '../../core/repo-files.ts'

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
    return readWhole(this.place(path))
  }

  list(path: string): string[] {
    const place = path === '' ? this.location : this.place(path)
    return namesIn(place, path).sort(compareUtf8)
  }

  write(path: string, bytes: Uint8Array, { mode, modified }: WriteFileOptions = {}): void {
    this.#requireWritable(`open(${path})`)
    const place = this.place(path)
    withIo(path, () => mkdirSync(place.slice(0, place.lastIndexOf('/')), { recursive: true, mode: 0o777 }))
    replaceFile(place, bytes, { tmp: this.#tmp, fsync: this.#fsync(), shown: path, mode, modified })
  }

  delete(path: string): boolean {
    this.#requireWritable(`unlinkat(${path})`)
    return removeFile(this.place(path), path)
  }

  protected place(path: string): string {
    requireFilePath(path)
    return `${this.location}/${path}`
  }
}

/**
 * The files that configure the remotes of a system. Unlike the files of a repository, these may be symbolic links.
 * Source: ostree-repo.c, append_remotes_d.
 */
export class FsRemoteFiles extends FsFiles implements RemoteFiles {
  readonly takesNew: boolean

  constructor(root: string, takesNew: boolean, requireWritable: (call?: string) => void, fsync: () => boolean) {
    super(root, root, requireWritable, fsync)
    this.takesNew = takesNew
  }

  /** @throws {IoError} with the reason alone, as `Permission denied` */
  override read(path: string): Uint8Array | undefined {
    const place = this.place(path)
    try {
      return readWholeFollowing(place)
    } catch (error) {
      throw reworded(error, place, (reason) => reason)
    }
  }

  /** Lists the regular files and the links to some. @throws {IoError} `Error opening directory '…': …` */
  override list(): string[] {
    const { location } = this
    let names: string[] | undefined
    try {
      names = unless(['ENOENT'], location, () => readdirSync(location))
    } catch (error) {
      throw reworded(error, location, (reason) => `Error opening directory '${location}': ${reason}`)
    }
    return (names ?? []).filter((name) => isRegularFile(`${location}/${name}`)).sort(compareUtf8)
  }
}

function isRegularFile(path: string): boolean {
  return unless(['ENOENT', 'ELOOP', 'ENOTDIR'], path, () => statSync(path))?.isFile() === true
}

function reworded(error: unknown, path: string, text: (reason: string) => string): unknown {
  if (!(error instanceof IoError)) return error
  const { errno } = error.data
  return new IoError(text(errnoText(errno)), errno, path, { cause: error })
}
