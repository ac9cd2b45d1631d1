/**
 * Hard-links files from a directory. Where native calls are available, the directory is opened once, since looking up a
 * path relative to it is faster than an absolute one.
 */

import { closeSync, constants, linkSync, lstatSync, openSync } from 'node:fs'
import { unless, withIo } from '../../../system/errno.ts'
import type { LinkCalls } from '../../../system/native-link.ts'
import type { OpenDirectory } from '../../../system/open-directory.ts'
import type { FilePlace, TargetStat } from '../target.ts'
import { refusal } from './pending-file.ts'

/** Errors on opening the directory after which it is treated as empty. */
const MISSING = ['ENOENT', 'ENOTDIR', 'EACCES']

/** Links files, and keeps their directories open until `close`. */
export class LinkSource {
  readonly linkCalls: LinkCalls | undefined
  readonly #folders = new Map<string, number>()

  constructor(linkCalls: LinkCalls | undefined) {
    this.linkCalls = linkCalls
  }

  /** Creates a hard link. @returns the name of the errno when that fails, else `undefined` */
  link({ folder, path }: FilePlace, into: OpenDirectory, name: string): string | undefined {
    if (this.linkCalls === undefined) return refusal(() => linkSync(`${folder}/${path}`, into.path(name)))
    const fd = this.#open(folder)
    return fd === undefined ? 'ENOENT' : this.linkCalls.link(fd, path, into.fd, name)
  }

  /** Returns the metadata of a file to link, or `undefined` when it does not exist. */
  stat({ folder, path }: FilePlace): Omit<TargetStat, 'identity'> | undefined {
    if (this.linkCalls === undefined) {
      return withIo(path, () => lstatSync(`${folder}/${path}`, { throwIfNoEntry: false }))
    }
    const fd = this.#open(folder)
    return fd === undefined ? undefined : this.linkCalls.inode(fd, path)
  }

  /** Opens a directory, unless it is open. @returns `undefined` when it does not exist; a later call tries again */
  #open(folder: string): number | undefined {
    let fd = this.#folders.get(folder)
    if (fd === undefined) {
      fd = unless(MISSING, folder, () => openSync(folder, constants.O_RDONLY | constants.O_DIRECTORY))
      if (fd !== undefined) this.#folders.set(folder, fd)
    }
    return fd
  }

  close(): void {
    for (const fd of this.#folders.values()) closeSync(fd)
    this.#folders.clear()
  }
}
