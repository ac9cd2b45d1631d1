/**
 * Takes objects of another repository directory over unread: by a hard link if both directories have the same owner and
 * file system, else by a copy of the loose file, which shares blocks (FICLONE) where the file system can.
 *
 *   object          from               into
 *   metadata        any                any
 *   file            any                the same mode
 *   regular file    bare-user          bare-user-only: same content; the attribute user.ostreemeta is not read there
 *
 * Source: ostree-repo-commit.c, _ostree_repo_import_object and import_one_object_direct.
 */

import { chmodSync, constants, copyFileSync, linkSync, lstatSync, statSync } from 'node:fs'
import { isMetaObject, isSymlink, type ObjectName } from '../../../objects/index.ts'
import { errnoOf, ioError, withIo } from '../../../system/errno.ts'
import type { Adopted, ObjectStore } from '../../core/interface.ts'
import { LooseObjects } from './loose/loose.ts'

/** Errors of link(2) after which a copy may succeed. */
const NO_LINK = ['EMLINK', 'EXDEV', 'EPERM']
const NOTHING_THERE = ['ENOENT', 'ENOTDIR']

export class Adoption {
  readonly #into: LooseObjects
  /** Whether the directory of a store has the same owner as the target. */
  readonly #sameOwner = new Map<ObjectStore, boolean>()

  constructor(into: LooseObjects) {
    this.#into = into
  }

  /**
   * Takes one object over.
   * @param trusted as in `Transaction.adopt`
   * @param place returns the path of the new loose file; called only if there will be one
   */
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
    // Symbolic links are files in bare-user and links in bare-user-only.
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
    // A copy would lack the owner and xattrs that other modes keep on the inode: the caller reads and writes the object.
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

/** Makes a hard link. @returns `undefined` if that is impossible, but a copy may not be */
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
