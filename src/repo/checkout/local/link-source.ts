/** Files to link. Their folder is opened once: names are found quicker from there than from the root each time. */

import { closeSync, constants, linkSync, lstatSync, openSync } from 'node:fs'
import { unless, withIo } from '../../../system/errno.ts'
import type { LinkCalls } from '../../../system/native-link.ts'
import type { OpenDirectory } from '../../../system/open-directory.ts'
import type { FilePlace, TargetStat } from '../target.ts'
import { refusal } from './pending-file.ts'

const NOTHING_THERE = ['ENOENT', 'ENOTDIR', 'EACCES']

export class LinkSource {
  readonly linkCalls: LinkCalls | undefined
  readonly #folders = new Map<string, number>()

  constructor(linkCalls: LinkCalls | undefined) {
    this.linkCalls = linkCalls
  }

  /** @returns the errno when refused */
  link({ folder, path }: FilePlace, into: OpenDirectory, name: string): string | undefined {
    if (this.linkCalls === undefined) return refusal(() => linkSync(`${folder}/${path}`, into.path(name)))
    const fd = this.#open(folder)
    return fd === undefined ? 'ENOENT' : this.linkCalls.link(fd, path, into.fd, name)
  }

  stat({ folder, path }: FilePlace): Omit<TargetStat, 'identity'> | undefined {
    if (this.linkCalls === undefined) {
      return withIo(path, () => lstatSync(`${folder}/${path}`, { throwIfNoEntry: false }))
    }
    const fd = this.#open(folder)
    return fd === undefined ? undefined : this.linkCalls.inode(fd, path)
  }

  /** @returns `undefined` when it is not there, or not yet: then there is nothing to link */
  #open(folder: string): number | undefined {
    let fd = this.#folders.get(folder)
    if (fd === undefined) {
      fd = unless(NOTHING_THERE, folder, () => openSync(folder, constants.O_RDONLY | constants.O_DIRECTORY))
      if (fd !== undefined) this.#folders.set(folder, fd)
    }
    return fd
  }

  close(): void {
    for (const fd of this.#folders.values()) closeSync(fd)
    this.#folders.clear()
  }
}
