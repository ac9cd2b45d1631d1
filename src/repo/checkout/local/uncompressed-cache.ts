/**
 * The cache of uncompressed files of an archive repository, `uncompressed-objects-cache/ab/cdef….file`, which user
 * checkouts hard-link to. The files have the committed permissions, and the owner of the process.
 *
 * Source: ostree-repo-checkout.c, checkout_object_for_uncompressed_cache and ostree_repo_checkout_gc.
 */

import { fchmodSync, fsyncSync, lstatSync, mkdirSync, readdirSync, unlinkSync } from 'node:fs'
import type { Checksum, Content } from '../../../bytes.ts'
import { UnsupportedError } from '../../../errors.ts'
import { loosePath } from '../../../objects/index.ts'
import { unless, withIo } from '../../../system/errno.ts'
import { writeAll } from '../../../system/file-io.ts'
import { loadLinkCalls } from '../../../system/native-link.ts'
import { OpenDirectory } from '../../../system/open-directory.ts'
import type { Repo } from '../../repo.ts'
import type { FilePlace, UncompressedCache } from '../target.ts'
import { PendingFile } from './pending-file.ts'

const FOLDER = 'uncompressed-objects-cache'
const DIRECTORY_MODE = 0o777

/** The cache of a repository in a directory. */
export interface LocalUncompressedCache extends UncompressedCache {
  /**
   * Deletes files that no checkout links to any more, in those subdirectories that files were added to.
   * @returns the number of files deleted
   */
  collect(): number
}

/** Creates the cache of a repository. @throws {UnsupportedError} when the repository is not a directory */
export function createUncompressedCache(repo: Repo): LocalUncompressedCache {
  const { directory, location } = repo.storage
  if (directory === undefined) {
    throw new UnsupportedError(FOLDER, `${location} is not a directory, and has no ${FOLDER}`)
  }
  return new DirectoryCache(`${directory.path}/${FOLDER}`, repo.settings.fsync)
}

class DirectoryCache implements LocalUncompressedCache {
  readonly #root: string
  readonly #fsync: boolean
  /** Subdirectories that files were added to. */
  readonly #touched = new Set<string>()

  constructor(root: string, fsync: boolean) {
    this.#root = root
    this.#fsync = fsync
  }

  place(checksum: Checksum): FilePlace {
    return { folder: this.#root, path: relativePath(checksum) }
  }

  async add(checksum: Checksum, body: Content, permissions: number): Promise<void> {
    const [head, name] = relativePath(checksum).split('/') as [string, string]
    for (const directory of [this.#root, `${this.#root}/${head}`]) {
      unless(['EEXIST'], directory, () => mkdirSync(directory, DIRECTORY_MODE))
    }
    this.#touched.add(head)
    const directory = OpenDirectory.at(`${this.#root}/${head}`)
    try {
      const pending = PendingFile.open(directory, loadLinkCalls())
      try {
        if (body instanceof Uint8Array) withIo(undefined, () => writeAll(pending.fd, body))
        else for await (const chunk of body) withIo(undefined, () => writeAll(pending.fd, chunk))
        withIo(undefined, () => {
          if (this.#fsync) fsyncSync(pending.fd)
          fchmodSync(pending.fd, permissions)
        })
        pending.place(name, 'keep')
      } finally {
        pending.close()
      }
    } finally {
      directory.close()
    }
  }

  collect(): number {
    let removed = 0
    for (const head of this.#touched) {
      const directory = `${this.#root}/${head}`
      for (const name of withIo(directory, () => readdirSync(directory))) {
        const file = `${directory}/${name}`
        withIo(file, () => {
          if (lstatSync(file).nlink !== 1) return
          unlinkSync(file)
          removed++
        })
      }
    }
    this.#touched.clear()
    return removed
  }
}

/** Returns the path of a file in the cache, `ab/cdef….file`. */
function relativePath(checksum: Checksum): string {
  return loosePath({ checksum, type: 'file' }, false).slice('objects/'.length)
}
