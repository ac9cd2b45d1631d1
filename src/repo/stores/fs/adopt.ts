/**
 * Objects of another repository directory taken over as they are: by a hard link where both directories have one owner
 * and one file system, else by a copy of the loose file, which file systems that share blocks make for nothing.
 *
 *   object          from               into
 *   metadata        any                any
 *   file            any                the same mode
 *   regular file    bare-user          bare-user-only: the content is the same, the attribute is not looked at there
 *
 * Source: ostree-repo-commit.c, _ostree_repo_import_object and import_one_object_direct.
 */

import { chmodSync, constants, copyFileSync, linkSync, lstatSync, statSync } from 'node:fs'
import { isMetaObject, isSymlink, type ObjectName } from '../../../objects/index.ts'
import { errnoOf, ioError, withIo } from '../../../system/errno.ts'
import type { Adopted, ObjectStore } from '../../core/interface.ts'
import { LooseObjects } from './loose/loose.ts'

/** A link cannot be made, a copy can. */
const NO_LINK = ['EMLINK', 'EXDEV', 'EPERM']
const NOTHING_THERE = ['ENOENT', 'ENOTDIR']

export class Adoption {
  readonly #into: LooseObjects
  /** Whether a store's directory has the owner of ours. */
  readonly #sameOwner = new Map<ObjectStore, boolean>()

  constructor(into: LooseObjects) {
    this.#into = into
  }

  /** @param place where the loose file goes; asked when it is known that it does */
  take(from: ObjectStore, name: ObjectName, trusted: boolean, place: () => string): Adopted {
    if (!(from instanceof LooseObjects) || !this.#sameForm(from, name)) return 'unlike'
    const sameOwner = this.#hasSameOwner(from)
    if (!sameOwner && !trusted) return 'unlike'
    const path = from.path(name)
    return (sameOwner ? link(path, place()) : undefined) ?? this.#copy(from, name, place())
  }

  #sameForm(from: LooseObjects, name: ObjectName): boolean {
    if (isMetaObject(name.type) || from.mode === this.#into.mode) return true
    if (from.mode !== 'bare-user' || this.#into.mode !== 'bare-user-only' || name.type !== 'file') return false
    // Links are files in the one, and links in the other.
    return from.has(name) && !isSymlink(from.statFile(name.checksum).header)
  }

  #hasSameOwner(from: LooseObjects): boolean {
    let same = this.#sameOwner.get(from)
    if (same === undefined) {
      same = withIo(from.root, () => statSync(from.root).uid === statSync(this.#into.root).uid)
      this.#sameOwner.set(from, same)
    }
    return same
  }

  #copy(from: LooseObjects, name: ObjectName, to: string): Adopted {
    const path = from.path(name)
    const stat = withIo(path, () => lstatSync(path, { throwIfNoEntry: false }))
    if (stat === undefined) return 'absent'
    // What else belongs to an inode is in its header, and is written best by who knows how.
    if (!stat.isFile() || (name.type === 'file' && from.mode !== 'archive')) return 'unlike'
    try {
      copyFileSync(path, to, constants.COPYFILE_FICLONE)
      chmodSync(to, stat.mode & 0o7777)
    } catch (error) {
      throw ioError(error)
    }
    return 'taken'
  }
}

/** @returns `undefined` when no link can be made, but perhaps a copy */
function link(from: string, to: string): Adopted | undefined {
  try {
    linkSync(from, to)
    return 'taken'
  } catch (error) {
    const errno = errnoOf(error) ?? ''
    if (errno === 'EEXIST') return 'taken'
    if (NOTHING_THERE.includes(errno)) return 'absent'
    if (NO_LINK.includes(errno)) return undefined
    throw ioError(error)
  }
}
