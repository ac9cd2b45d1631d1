/**
 * What an import remembers of the objects of a repository in a layer and of the links to them, in few bytes: a layer may
 * have a hundred thousand.
 */

import { displayUtf8, EMPTY_BYTES } from '../../bytes.ts'
import { LimitError, TarFormatError } from '../../errors.ts'
import type { TarHeader } from '../../tar/index.ts'
import type { Place } from './early-links.ts'
import type { ObjectFacts } from './object-table.ts'
import { componentsOf } from './path-rules.ts'

/** Bytes counted for a file in addition to its path. */
const FILE_OVERHEAD = 384

/** Bytes counted for another name in addition to its length. */
const NAME_OVERHEAD = 128

/** Counts bytes that are held in memory for one layer. */
export class HeldMemory {
  readonly #max: number
  #bytes = 0

  constructor(max: number) {
    this.#max = max
  }

  /** Returns whether that many bytes more are within the limit. */
  fits(bytes: number): boolean {
    return this.#bytes + bytes <= this.#max
  }

  /** Counts bytes, or releases a negative number of them. @throws {LimitError} which names `path` */
  add(bytes: number, path: Uint8Array): void {
    this.#bytes += bytes
    if (this.#bytes > this.#max) throw this.exceeded(path)
  }

  exceeded(path: Uint8Array): LimitError {
    return new LimitError('memory of held layer entries', this.#max, undefined, displayUtf8(path))
  }
}

/** The file that an object became in a stream that is rewritten. */
interface FirstFile {
  readonly path: Uint8Array
  /** Number of entries passed on up to it. */
  readonly since: number
}

/** The files that objects became in a stream that is rewritten, and whether later entries replace them. */
export class FirstFiles {
  readonly #memory: HeldMemory
  readonly #files = new Map<number, FirstFile>()
  /** Whether a path is that of a file, for the paths of files and of the directories above them. */
  readonly #watched = new Map<string, boolean>()
  /** Watched paths that were replaced, with the number of entries passed on before. */
  readonly #replaced = new Map<string, number>()
  #passed = 0

  constructor(memory: HeldMemory) {
    this.#memory = memory
  }

  /** Notes that an entry is passed on, which may replace a file. */
  passed({ type, path }: Pick<TarHeader, 'type' | 'path'>): void {
    this.#passed++
    if (this.#watched.size === 0) return
    const key = keyOf(path)
    const isFile = this.#watched.get(key)
    if (isFile !== undefined && (type !== 'directory' || isFile)) this.#replaced.set(key, this.#passed)
  }

  /** Adds the file that the object with a number becomes. @throws {LimitError} */
  add(id: number, path: Uint8Array): void {
    this.#memory.add(FILE_OVERHEAD + path.length, path)
    this.#files.set(id, { path: new Uint8Array(path), since: ++this.#passed })
    const names = componentsOf(displayUtf8(path))
    for (let depth = 1; depth <= names.length; depth++) {
      const key = names.slice(0, depth).join('/')
      if (!this.#watched.has(key)) this.#memory.add(NAME_OVERHEAD + key.length, path)
      this.#watched.set(key, depth === names.length || this.#watched.get(key) === true)
    }
  }

  /**
   * Returns the path of the file that an object became.
   * @param name of the object, for messages
   * @returns `undefined` if it is that of the link itself
   * @throws {TarFormatError} when a later entry has replaced the file
   */
  targetOf(id: number, name: string, { path, offset }: Place): Uint8Array | undefined {
    const file = this.#files.get(id)
    if (file === undefined) return undefined
    const names = this.#replaced.size === 0 ? [] : componentsOf(displayUtf8(file.path))
    for (let depth = names.length; depth > 0; depth--) {
      const at = this.#replaced.get(names.slice(0, depth).join('/'))
      if (at === undefined || at <= file.since) continue
      const shown = displayUtf8(file.path)
      throw new TarFormatError(`${name} became ${shown}, which a later entry has replaced`, offset, displayUtf8(path))
    }
    return keyOf(file.path) === keyOf(path) ? undefined : file.path
  }
}

/** Owner, mode and time of links whose entries are not remembered. */
export const PLAIN = { uid: 0, gid: 0, mode: 0o644, mtime: 0, size: 0, target: undefined }

/** Returns the header of an object as a file at a path. It has no PAX records, as in ostree-ext. */
export function headerOf(
  object: ObjectFacts & { readonly target: Uint8Array | undefined },
  { path, offset }: Place,
): TarHeader {
  const { uid, gid, mode, mtime, size, target } = object
  return {
    offset,
    type: target === undefined ? 'file' : 'symlink',
    typeflag: target === undefined ? 0x30 : 0x32,
    path,
    linkPath: target ?? EMPTY_BYTES,
    headerLinkName: EMPTY_BYTES,
    mode,
    uid,
    gid,
    size,
    mtime,
    headerMtime: mtime,
    devMajor: 0,
    devMinor: 0,
    userName: EMPTY_BYTES,
    groupName: EMPTY_BYTES,
    pax: [],
  }
}

function keyOf(path: Uint8Array): string {
  return componentsOf(displayUtf8(path)).join('/')
}
