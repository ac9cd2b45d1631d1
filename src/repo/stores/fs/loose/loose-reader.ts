/** Reads loose files, in `objects/` or in the staging directory of a transaction. */

import { existsSync, lstatSync } from 'node:fs'
import type { Checksum, MaybePromise } from '../../../../bytes.ts'
import { IoError, ObjectNotFoundError, OstreeError, withContext } from '../../../../errors.ts'
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
import { readWholeFollowing } from '../../../../system/file-io.ts'
import type { ContentMode } from '../content/content-mode.ts'

const NOTHING_THERE = ['ENOENT', 'ENOTDIR']

export class LooseReader {
  /** Replaced when the configuration changes. */
  content: ContentMode
  readonly archive: boolean

  constructor(content: ContentMode) {
    this.content = content
    this.archive = content.suffix === 'filez'
  }

  /** Returns the path of an object in the repository: `objects/ab/cdef….dirtree`. */
  relativePath(name: ObjectName): string {
    return loosePath(name, this.archive)
  }

  /** @param link whether the object may be a symbolic link in the file system */
  exists(path: string, type: ObjectType, link = this.#mayBeLink(type)): boolean {
    // existsSync takes half the time of lstat if the file exists; but it follows links, whose target may be missing.
    if (!link) return existsSync(path)
    return unless(NOTHING_THERE, path, () => lstatSync(path, { throwIfNoEntry: false })) !== undefined
  }

  #mayBeLink(type: ObjectType): boolean {
    return type === 'payload-link' || (type === 'file' && this.content.realLinks)
  }

  /**
   * Reads a metadata object, also through a symbolic link.
   * @throws {ObjectNotFoundError} if nothing is at `path`, as do `stat` and `file`; if a symbolic link without a target is,
   *   an IoError is its cause
   */
  meta(path: string, type: MetaType, checksum: Checksum): Uint8Array {
    return found(path, () => readWholeFollowing(path), { checksum, type })
  }

  attached(path: string): Uint8Array | undefined {
    return readWholeFollowing(path)
  }

  stat(path: string, checksum: Checksum): FileInfo {
    return this.#opened(path, checksum, () => this.content.stat(path, checksum))
  }

  file(path: string, checksum: Checksum): MaybePromise<FileObject> {
    return this.#opened(path, checksum, () => this.content.read(path, checksum))
  }

  #opened<T>(path: string, checksum: Checksum, open: () => T | undefined): T {
    try {
      return found(path, open, { checksum, type: 'file' })
    } catch (error) {
      if (this.archive) throw error instanceof OstreeError ? withShortPath(error, path) : error
      throw withContext(`Opening content object ${checksum}`, withoutPath(error, path))
    }
  }
}

/** Returns what `read` reads. A link without a target at `path` counts as no object; another missing file does not. */
function found<T>(path: string, read: () => T | undefined, name: ObjectName): T {
  let value: T | undefined
  try {
    value = read()
  } catch (error) {
    const isMissing = error instanceof IoError && error.data.errno === 'ENOENT'
    if (!isMissing || !lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink()) {
      throw error instanceof OstreeError && name.type !== 'file' ? withShortPath(error, path) : error
    }
    throw new ObjectNotFoundError(formatObjectName(name), { cause: error })
  }
  if (value === undefined) throw new ObjectNotFoundError(formatObjectName(name))
  return value
}

/** Names the file in the message of an error as ostree does, below `objects`: `openat(ab/cdef….dirtree): Permission denied`. */
function withShortPath(error: OstreeError, path: string): OstreeError {
  if (!error.message.includes(path)) return error
  const short = path.split('/').slice(-2).join('/')
  return error.withMessage(error.message.replaceAll(path, short), { cause: error })
}

/** Leaves the path out of the message on a content object that is a file of its own, as ostree does. */
function withoutPath(error: unknown, path: string): unknown {
  if (!(error instanceof OstreeError)) return error
  if (error instanceof IoError && error.data.errno === 'EISDIR') {
    return error.withMessage('Not a regular file or symlink', { cause: error })
  }
  const message = error.message
    .replace(`openat(${path})`, 'openat')
    .replace(/(?<=Not a regular file or symlink): .*$/s, '')
  return message === error.message ? error : error.withMessage(message, { cause: error })
}
