/** Reading loose files, wherever they lie: in `objects/`, or in the staging of a transaction. */

import { existsSync, lstatSync } from 'node:fs'
import type { Checksum, MaybePromise } from '../../../../bytes.ts'
import { ObjectNotFoundError, withContext } from '../../../../errors.ts'
import {
  type FileInfo,
  type FileObject,
  formatObjectName,
  loosePath,
  type MetaType,
  type ObjectName,
  type ObjectType,
} from '../../../../objects/index.ts'
import { unless } from '../../../../system/errno.ts'
import { readWhole } from '../../../../system/file-io.ts'
import type { ContentMode } from '../content/content-mode.ts'

const NOTHING_THERE = ['ENOENT', 'ENOTDIR']

export class LooseReader {
  /** Another one when the configuration changes. */
  content: ContentMode
  readonly archive: boolean

  constructor(content: ContentMode) {
    this.content = content
    this.archive = content.suffix === 'filez'
  }

  /** `objects/ab/cdef….dirtree` */
  relativePath(name: ObjectName): string {
    return loosePath(name, this.archive)
  }

  /** @param link whether the object may be a symbolic link in the file system, as far as the caller knows */
  exists(path: string, type: ObjectType, link = this.#mayBeLink(type)): boolean {
    // Half the price of lstat when it is there; but a link that leads nowhere does not exist for it.
    if (!link) return existsSync(path)
    return unless(NOTHING_THERE, path, () => lstatSync(path, { throwIfNoEntry: false })) !== undefined
  }

  #mayBeLink(type: ObjectType): boolean {
    return type === 'payload-link' || (type === 'file' && this.content.realLinks)
  }

  /** @throws {ObjectNotFoundError} when nothing is at `path` */
  meta(path: string, type: MetaType, checksum: Checksum): Uint8Array {
    return found(readWhole(path), { checksum, type })
  }

  attached(path: string): Uint8Array | undefined {
    return readWhole(path)
  }

  stat(path: string, checksum: Checksum): FileInfo {
    return this.#opened(checksum, () => this.content.stat(path, checksum))
  }

  file(path: string, checksum: Checksum): MaybePromise<FileObject> {
    return this.#opened(checksum, () => this.content.read(path, checksum))
  }

  #opened<T>(checksum: Checksum, open: () => T | undefined): T {
    try {
      return found(open(), { checksum, type: 'file' })
    } catch (error) {
      throw this.archive ? error : withContext(`Opening content object ${checksum}`, error)
    }
  }
}

function found<T>(value: T | undefined, name: ObjectName): T {
  if (value === undefined) throw new ObjectNotFoundError(formatObjectName(name))
  return value
}
