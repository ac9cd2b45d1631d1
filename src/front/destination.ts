/**
 * The directory that an image is unpacked into. One that does not exist, or is to be replaced, is made beside its place and
 * renamed at the end; one that is empty is filled, since it may be a mount point, and emptied again on failure.
 *
 * A directory with content is exchanged with the new one by renameat2(2), so that a process that is killed leaves the old
 * or the new one, complete. That needs koffi and a file system that can do it (ext4, XFS, Btrfs and tmpfs can). Elsewhere
 * the old directory is renamed first and then the new one: a process that is killed between the two leaves nothing at the place.
 */

import {
  chmodSync,
  chownSync,
  lstatSync,
  readdirSync,
  realpathSync,
  renameSync,
  rmdirSync,
  type Stats,
  statSync,
  utimesSync,
} from 'node:fs'
import { basename, dirname, resolve } from 'node:path'
import { ConflictError, IoError } from '../errors.ts'
import { ioError, withIo } from '../system/errno.ts'
import { loadLinkCalls } from '../system/native-link.ts'
import { type FileName, OpenDirectory } from '../system/open-directory.ts'
import { createTemporary } from '../system/temporary.ts'

/** Where a directory will be. */
export interface Place {
  /** Absolute, without a link at its end. */
  readonly path: string
  readonly has: 'nothing' | 'empty' | 'content'
}

export class Destination {
  /** The directory to fill. */
  readonly path: string
  readonly #place: Place
  readonly #before: Stats | undefined
  #done = false

  private constructor(place: Place, path: string, before: Stats | undefined) {
    this.path = path
    this.#place = place
    this.#before = before
  }

  /** Finds the place of a target. @throws {ConflictError} when there is something that may not be replaced */
  static find(target: string, overwrite: boolean): Place {
    const asked = resolve(target)
    const stat = withIo(target, () => lstatSync(asked, { throwIfNoEntry: false }))
    if (stat === undefined) return { path: asked, has: 'nothing' }
    const path = withIo(target, () => realpathSync(asked))
    if (withIo(target, () => readdirSync(path)).length === 0) return { path, has: 'empty' }
    if (overwrite && path !== '/') return { path, has: 'content' }
    throw new ConflictError(target, `${target} exists and is not empty; the option overwrite replaces it`)
  }

  /** @throws {IoError} when the directory cannot be made */
  static async open(place: Place): Promise<Destination> {
    if (place.has === 'empty') {
      return new Destination(
        place,
        place.path,
        withIo(place.path, () => statSync(place.path)),
      )
    }
    try {
      return new Destination(place, await createTemporary(dirname(place.path)), undefined)
    } catch (error) {
      throw ioError(error, dirname(place.path))
    }
  }

  /** Moves the complete directory to its place. @throws {IoError} when that is not possible; the place is unchanged then */
  async commit(): Promise<void> {
    const { path, has } = this.#place
    if (has === 'nothing') withIo(path, () => renameSync(this.path, path))
    const old = has === 'content' ? await this.#exchange() : undefined
    this.#done = true
    if (old !== undefined) within(dirname(path), (parent) => remove(parent, basename(old)))
  }

  /** Puts the directory in the place of another one. @returns where that one is now */
  async #exchange(): Promise<string> {
    const { path } = this.#place
    const calls = loadLinkCalls()
    if (calls !== undefined && calls.exchange(this.path, path) === undefined) return this.path
    const old = await createTemporary(dirname(path))
    try {
      withIo(path, () => renameSync(path, old))
    } catch (error) {
      rmdirSync(old)
      throw error
    }
    try {
      withIo(path, () => renameSync(this.path, path))
    } catch (error) {
      renameSync(old, path)
      throw error
    }
    return old
  }

  /** Undoes everything, unless the directory has been moved to its place. */
  close(): void {
    if (this.#done) return
    this.#done = true
    const before = this.#before
    if (before === undefined) {
      within(dirname(this.path), (parent) => remove(parent, basename(this.path)))
      return
    }
    within(this.path, (directory) => {
      for (const name of readdirSync(this.path, { encoding: 'buffer' })) remove(directory, name)
    })
    if (process.geteuid?.() === 0) chownSync(this.path, before.uid, before.gid)
    chmodSync(this.path, before.mode & 0o7777)
    utimesSync(this.path, before.atime, before.mtime)
  }
}

/** Removes an entry of a directory, also a tree with directories that may not be written. */
function remove(parent: OpenDirectory, name: FileName): void {
  try {
    parent.removeTree(name)
  } catch (error) {
    if (!(error instanceof IoError) || !['EACCES', 'EPERM'].includes(error.data.errno)) throw error
    openUp(parent, name)
    parent.removeTree(name)
  }
}

/** Lets the owner write to all directories of a tree. */
function openUp(parent: OpenDirectory, name: FileName): void {
  const levels: { directory: OpenDirectory; names: Buffer[] }[] = []
  const enter = (from: OpenDirectory, entry: FileName): void => {
    const path = from.path(entry)
    if (!lstatSync(path).isDirectory()) return
    chmodSync(path, 0o700)
    const directory = from.openDirectory(entry)
    levels.push({ directory, names: readdirSync(directory.prefix, { encoding: 'buffer' }) })
  }
  try {
    withIo(name.toString(), () => {
      enter(parent, name)
      for (let level = levels.at(-1); level !== undefined; level = levels.at(-1)) {
        const entry = level.names.pop()
        if (entry !== undefined) enter(level.directory, entry)
        else levels.pop()?.directory.close()
      }
    })
  } finally {
    for (const { directory } of levels) directory.close()
  }
}

/** Runs `work` with an open directory. */
function within(path: string, work: (directory: OpenDirectory) => void): void {
  const directory = OpenDirectory.at(path)
  try {
    work(directory)
  } finally {
    directory.close()
  }
}
