/**
 * `uncompressed-objects-cache/ab/cdef….file` in a repository directory: files of an archive repository as a user would
 * have them, with the permissions of the file and the owner of the process, for checkouts to link.
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

export interface LocalUncompressedCache extends UncompressedCache {
  /** Removes files that nothing links any more, from the parts of the cache that were added to. @returns how many */
  collect(): number
}

/** @throws {UnsupportedError} unless the repository is a directory */
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

/** `ab/cdef….file` */
function relativePath(checksum: Checksum): string {
  return loosePath({ checksum, type: 'file' }, false).slice('objects/'.length)
}
