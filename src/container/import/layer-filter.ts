/**
 * Filters the entries of a layer between the tar parser and the sink that builds a tree: each entry gets the path that
 * it has in a deployment (path-rules.ts), or is left out.
 *
 * In a system whose files are hard links into the object store of a repository, a container build that changes a file
 * puts the object into the layer, and a hard link to it for each path of the file. Such an object is held until the
 * first link to it: there it becomes an ordinary file, and the other links become links to that file. Links that come
 * before their object, because names are sorted, are held until it comes.
 *
 * ```
 * sysroot/ostree/repo/objects/ab/cd….file   held
 * usr/bin/bash    => the above              file usr/bin/bash
 * usr/bin/sh      => the above              hard link to usr/bin/bash
 * etc/shell       => the above              hard link usr/etc/shell to usr/bin/bash
 * run/shell       => the above              left out, as every file in run
 * ```
 *
 * Links may be written with a leading `/` or `./`. An object that is a hard link to another one is a second name of that. A link whose object is not in the layer is left out: the file did not
 * change, so the layers below have it.
 *
 * Source: ostree-ext, tar/write.rs, filter_tar; it loses files of links in `etc` and of links before their object.
 */

import { type Checksum, displayUtf8, EMPTY_BYTES, type MaybePromise } from '../../bytes.ts'
import { InvalidNameError, LimitError, TarFormatError } from '../../errors.ts'
import type { FileSink } from '../../repo/index.ts'
import type { TarHeader, TarSink } from '../../tar/index.ts'
import {
  normalisePath,
  normaliseSymlinkTarget,
  type PathRules,
  remapLinkTarget,
  storePathOf,
} from '../layers/path-rules.ts'
import type { HeldFiles } from './held-files.ts'

/** Bytes that the filter may hold for one layer: objects whose links have not come, and names. */
export const MAX_HELD_BYTES = 1 << 27

/** Bytes of content held in memory when there is a store to write to; further objects are written to that. */
const HELD_CONTENT = 1 << 24

/** Bytes counted for each held object or name in addition to its length. */
const HELD_OVERHEAD = 512

/** How the entries of a layer are filtered. */
export interface LayerFilterOptions extends PathRules {
  /** Bytes that the filter may hold in memory. Default MAX_HELD_BYTES. */
  readonly maxHeldBytes?: number | undefined
  /** Stores the objects that are too large to be held in memory, and adds them to the tree of the sink. */
  readonly files?: HeldFiles | undefined
}

/** An object whose path is not known before the first link to it. */
interface Held {
  readonly header: TarHeader
  /** The content, unless it is stored. */
  readonly parts: Uint8Array[]
  /** Takes the content of an object that is stored, until the content is complete. */
  stored: FileSink | undefined
  /** The checksum of the stored object. */
  checksum: MaybePromise<Checksum> | undefined
}

/** What is done with the data of the current entry. */
type Course = 'pass' | 'hold' | 'drop'

/** Passes the entries of a layer on to another sink, under the paths of a deployment. */
export class LayerFilter implements TarSink {
  /** The number of entries left out, by the name they are counted under. */
  readonly filtered = new Map<string, number>()
  readonly #sink: TarSink
  readonly #rules: PathRules
  readonly #maxHeld: number
  readonly #files: HeldFiles | undefined
  readonly #objects = new Map<string, Held>()
  /** The path of the file that each object became, by the name of the object. */
  readonly #moved = new Map<string, Uint8Array>()
  /** Names of objects that are hard links to other objects. */
  readonly #aliases = new Map<string, string>()
  /** Links that came before their object, by the name of the object. */
  readonly #early = new Map<string, TarHeader[]>()
  /** Links to pass on when the current entry, their object, has ended. */
  #waiting: readonly TarHeader[] = []
  #heldBytes = 0
  #heldContent = 0
  #course: Course = 'drop'
  #held: Held | undefined

  constructor(sink: TarSink, options: LayerFilterOptions = {}) {
    this.#sink = sink
    this.#rules = options
    this.#maxHeld = options.maxHeldBytes ?? MAX_HELD_BYTES
    this.#files = options.files
  }

  /** Begins an entry. @throws {TarFormatError} on a path with `..` or not in UTF-8; {LimitError}; what the sink throws */
  entry(header: TarHeader): void {
    this.#course = 'drop'
    this.#held = undefined
    const outgoing = this.#place(header)
    if (outgoing === undefined) return
    this.#course = 'pass'
    this.#sink.entry(outgoing)
  }

  data(bytes: Uint8Array): void {
    if (this.#course === 'pass') this.#sink.data(bytes)
    else if (this.#course === 'hold') {
      if (this.#held?.stored === undefined) this.#held?.parts.push(bytes.slice())
      else this.#held.stored.write(bytes)
    }
  }

  end(): void {
    if (this.#course === 'pass') {
      this.#sink.end()
      const [object, ...links] = this.#waiting
      this.#waiting = []
      for (const link of links) this.#passLink(link, (object as TarHeader).path)
    } else if (this.#course === 'hold' && this.#held?.stored !== undefined) {
      const checksum = this.#held.stored.finish()
      // The sink may have buffers, and many objects may wait for their links.
      this.#held.stored = undefined
      this.#held.checksum = checksum
      // Avoids an unhandled rejection when no hard link ever uses the file.
      if (checksum instanceof Promise) checksum.catch(() => undefined)
    }
  }

  /** Returns the header to pass on, or `undefined` for an entry that is left out, held, or was passed on already. */
  #place(header: TarHeader): TarHeader | undefined {
    try {
      // The time of the ustar header, not that of the PAX records, as in ostree-ext.
      if (header.headerMtime > 0 && this.#isAboutObject(header)) return undefined
      const path = normalisePath(header.path, this.#rules)
      if (typeof path === 'string') {
        this.#count(path)
        return undefined
      }
      // Its name was counted above if the rules leave that out. Its records belong to no entry.
      if (header.type === 'pax-global') return undefined
      return rewritten(header, path, this.#rules)
    } catch (error) {
      if (!(error instanceof InvalidNameError)) throw error
      throw new TarFormatError(error.message, header.offset, displayUtf8(header.path), { cause: error })
    }
  }

  /** Holds an object, or resolves a link to one. @returns false when the entry is neither */
  #isAboutObject(header: TarHeader): boolean {
    if (header.type === 'hardlink') {
      const target = storePathOf(header.linkPath)
      if (target === undefined) return false
      const alias = storePathOf(header.path)
      if (alias === undefined) this.#link(header, this.#objectOf(target))
      else this.#addAlias(header, alias, this.#objectOf(target))
      return true
    }
    if (header.type !== 'file') return false
    const name = storePathOf(header.path)
    if (name === undefined) return false
    this.#aliases.delete(name)
    const early = this.#early.get(name)
    if (early !== undefined) this.#passObject(header, name, early)
    else this.#holdObject(header, name)
    return true
  }

  /** Follows hard links between objects. Chains are shortened on the way. */
  #objectOf(name: string): string {
    let object = name
    for (let next = this.#aliases.get(object); next !== undefined; next = this.#aliases.get(object)) object = next
    for (let at = name; at !== object; ) {
      const next = this.#aliases.get(at) ?? object
      this.#aliases.set(at, object)
      at = next
    }
    return object
  }

  /** Makes `alias` another name of an object, also for the links that came before. */
  #addAlias(header: TarHeader, alias: string, object: string): void {
    // A cycle has no content.
    if (alias === object) return
    this.#hold(alias.length + object.length, header.path)
    this.#aliases.set(alias, object)
    const early = this.#early.get(alias) ?? []
    this.#early.delete(alias)
    for (const link of early) this.#link(link, object)
  }

  #holdObject(header: TarHeader, name: string): void {
    const inStore = this.#files !== undefined && this.#heldContent + header.size > HELD_CONTENT
    const stored = inStore ? this.#files?.hold(header) : undefined
    const bytes = stored === undefined ? header.size : 0
    this.#heldContent += bytes
    this.#hold(bytes + name.length, header.path)
    this.#held = { header: detachedHeader(header), parts: [], stored, checksum: undefined }
    this.#objects.set(name, this.#held)
    this.#course = 'hold'
  }

  /** Passes an object on as the file of the first link that came before it. */
  #passObject(header: TarHeader, name: string, early: readonly TarHeader[]): void {
    this.#early.delete(name)
    const { path } = early[0] as TarHeader // a list is added with its first link
    this.#moved.set(name, path)
    this.#waiting = early
    this.#course = 'pass'
    this.#sink.entry({ ...detachedHeader(header), path })
  }

  #link(header: TarHeader, target: string): void {
    const path = normalisePath(header.path, this.#rules)
    if (typeof path === 'string') {
      this.#count(path)
      return
    }
    const object = this.#objects.get(target)
    if (object !== undefined) {
      this.#objects.delete(target)
      const bytes = object.checksum === undefined ? object.header.size : 0
      this.#heldContent -= bytes
      this.#hold(path.length - bytes, header.path)
      this.#moved.set(target, path.slice())
      const place = { ...object.header, offset: header.offset, path }
      if (object.checksum !== undefined) {
        this.#files?.place(place, object.checksum)
        return
      }
      this.#sink.entry(place)
      for (const part of object.parts) this.#sink.data(part)
      this.#sink.end()
      return
    }
    const linkPath = this.#moved.get(target)
    if (linkPath !== undefined) {
      this.#passLink({ ...header, path }, linkPath)
      return
    }
    this.#hold(path.length, header.path)
    const link: TarHeader = { ...detachedHeader(header), type: 'hardlink', path: path.slice() }
    const early = this.#early.get(target)
    if (early === undefined) this.#early.set(target, [link])
    else early.push(link)
  }

  #passLink(header: TarHeader, linkPath: Uint8Array): void {
    this.#sink.entry({ ...header, linkPath, size: 0, pax: [] })
    this.#sink.end()
  }

  #hold(bytes: number, path: Uint8Array): void {
    this.#heldBytes += bytes + HELD_OVERHEAD
    if (this.#heldBytes <= this.#maxHeld) return
    throw new LimitError('memory of held layer entries', this.#maxHeld, undefined, displayUtf8(path))
  }

  #count(name: string): void {
    const seen = this.filtered.get(name)
    if (seen === undefined) this.#hold(2 * name.length, EMPTY_BYTES)
    this.filtered.set(name, (seen ?? 0) + 1)
  }
}

/** Returns a header with another path and with its link target rewritten; the same header when nothing changes. */
function rewritten(header: TarHeader, path: Uint8Array, rules: PathRules): TarHeader {
  let linkPath = header.linkPath
  if (header.type === 'symlink') linkPath = normaliseSymlinkTarget(linkPath)
  else if (header.type === 'hardlink') linkPath = remapLinkTarget(linkPath, rules)
  if (path === header.path && linkPath === header.linkPath) return header
  return { ...header, path, linkPath }
}

/** Returns a copy without views of the parser's buffers. The PAX records are dropped, as in ostree-ext. */
function detachedHeader(header: TarHeader): TarHeader {
  return {
    ...header,
    type: 'file',
    path: EMPTY_BYTES,
    linkPath: EMPTY_BYTES,
    headerLinkName: EMPTY_BYTES,
    userName: EMPTY_BYTES,
    groupName: EMPTY_BYTES,
    pax: [],
  }
}
