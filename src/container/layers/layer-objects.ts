/**
 * What an import remembers of the objects of a repository in a layer and of the links to them, in few bytes: a layer may
 * have a hundred thousand.
 */

import { type Checksum, displayUtf8, EMPTY_BYTES, encodeUtf8, type MaybePromise } from '../../bytes.ts'
import { LimitError, TarFormatError } from '../../errors.ts'
import type { TarHeader } from '../../tar/index.ts'
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

/** An object, in few bytes: a layer may have many. */
export interface LayerObject {
  readonly uid: number
  readonly gid: number
  readonly mode: number
  readonly mtime: number
  readonly size: number
  /** Target of a symbolic link. */
  readonly target: Uint8Array | undefined
  readonly isModified: boolean
  /** The content, unless it is stored or was passed on. */
  parts: Uint8Array[] | undefined
  /** The checksum of the stored object. */
  checksum: MaybePromise<Checksum> | undefined
  /** Bytes of content in memory, counted with an overhead. */
  bytes: number
  /** Whether a link has become a file with its content. */
  isLinked: boolean
}

/** A link that waits for its object, in a ring of those that wait for the same one. */
export interface EarlyLink {
  /** The bytes of a path that is not in UTF-8. */
  readonly path: string | Uint8Array
  readonly offset: number
  next: EarlyLink
}

/** A path in a deployment, and the offset of its entry in the archive, in bytes. */
export interface Place {
  readonly path: Uint8Array
  readonly offset: number
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
  readonly #files = new Map<string, FirstFile>()
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

  /** Adds the file that an object becomes. @throws {LimitError} */
  add(name: string, path: Uint8Array): void {
    this.#memory.add(FILE_OVERHEAD + path.length, path)
    this.#files.set(name, { path: path.slice(), since: ++this.#passed })
    const names = componentsOf(displayUtf8(path))
    for (let depth = 1; depth <= names.length; depth++) {
      const key = names.slice(0, depth).join('/')
      if (!this.#watched.has(key)) this.#memory.add(NAME_OVERHEAD + key.length, path)
      this.#watched.set(key, depth === names.length || this.#watched.get(key) === true)
    }
  }

  /**
   * Returns the path of the file that an object became.
   * @returns `undefined` if it is that of the link itself
   * @throws {TarFormatError} when a later entry has replaced the file
   */
  targetOf(name: string, { path, offset }: Place): Uint8Array | undefined {
    const file = this.#files.get(name)
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

/** Sets the checksum of an object, at the latest when it is known. */
export function keepChecksum(object: LayerObject, checksum: MaybePromise<Checksum>): void {
  object.checksum = checksum
  if (!(checksum instanceof Promise)) return
  // The string takes less memory. An error is that of the link that places the file, if there is one.
  checksum.then(
    (known) => {
      object.checksum = known
    },
    () => undefined,
  )
}

/** Owner, mode and time of links whose entries are not remembered. */
export const PLAIN = { uid: 0, gid: 0, mode: 0o644, mtime: 0, size: 0, target: undefined }

/** Returns the header of an object as a file at a path. It has no PAX records, as in ostree-ext. */
export function headerOf(
  object: Omit<typeof PLAIN, 'target'> & Pick<LayerObject, 'target'>,
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

/** Yields the links of a ring, the oldest first. */
export function* inRing(last: EarlyLink): Generator<EarlyLink> {
  let link = last
  do {
    link = link.next
    yield link
  } while (link !== last)
}

export function pathOf({ path }: EarlyLink): Uint8Array {
  return typeof path === 'string' ? encodeUtf8(path) : path
}

function keyOf(path: Uint8Array): string {
  return componentsOf(displayUtf8(path)).join('/')
}
