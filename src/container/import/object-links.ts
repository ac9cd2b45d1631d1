/**
 * Objects of the store of a repository in a layer, and the hard links to them. Each object becomes the file of every link
 * to it, whatever the modification times are, also when a later entry replaces one of these files.
 *
 * An object that was modified is held until its links come; so is one that was not, unless the rules keep it at its path.
 * Links that come before their object wait for it. The content of an object is written to the store once, and its
 * checksum is placed for each link. Without a store, which is so when a tar stream is rewritten, the first link becomes
 * the file and the others become hard links to that.
 */

import { displayUtf8, EMPTY_BYTES, encodeUtf8, SMALL_FILE } from '../../bytes.ts'
import type { FileSink } from '../../repo/index.ts'
import type { TarHeader, TarSink } from '../../tar/index.ts'
import { EarlyLinks, LINK_MEMORY, type Place } from '../layers/early-links.ts'
import { FirstFiles, type HeldMemory, headerOf, PLAIN } from '../layers/layer-objects.ts'
import {
  IS_ALIAS,
  IS_IN_PLACE,
  IS_LINKED,
  IS_MODIFIED,
  IS_MODIFIED_ALIAS,
  IS_OBJECT,
  memoryOf,
  ObjectTable,
} from '../layers/object-table.ts'
import { normalisePath, normaliseSymlinkTarget, type PathRules, storePathOf } from '../layers/path-rules.ts'
import type { HeldFiles } from './held-files.ts'
import type { LostEntries } from './import-result.ts'

/** Bytes of content held in memory when there is a store to write to; further objects are written to that. */
const HELD_CONTENT = 1 << 20

/**
 * Bytes counted for each object in addition to its name and content: those of the file that a link becomes in the tree,
 * and of the garbage of making it. With the default limit a layer may have 260,000 objects whose links come later, which
 * take less than 200 MB with all else.
 */
const HELD_OVERHEAD = 304

/** Bytes counted for content in memory in addition to its length. */
const CONTENT_OVERHEAD = 512

/** The name that objects are counted under when they are left out. */
const TOP = 'sysroot'

/** Where objects are in a repository. Other files of it can be held as well, but only modified ones, as in ostree-ext. */
const OBJECTS = 'objects/'

/** Paths and objects that are named in a report, at most. */
const MAX_EXAMPLES = 10

/** How the links to objects are handled. */
export interface ObjectLinksOptions {
  readonly sink: TarSink
  readonly rules: PathRules
  readonly files: HeldFiles | undefined
  readonly memory: HeldMemory
  /** Counts an entry that is left out. */
  readonly count: (name: string) => void
}

/** The content of an object in memory. */
interface Content {
  readonly parts: Uint8Array[]
  /** Bytes that are counted for it. */
  readonly bytes: number
}

/** The object that is being read. */
interface Current {
  readonly id: number
  /** Takes the content, unless it is large or passed on. */
  readonly parts: Uint8Array[]
  /** Takes the content of a large object. */
  readonly sink: FileSink | undefined
  /** Whether the content is to be stored when it is complete. */
  readonly toStore: boolean
  readonly isPassed: boolean
}

/** What becomes of the entry that was passed to `entry`: path rules decide, it was handled, or its data are awaited. */
export type ObjectCourse = 'other' | 'done' | 'data'

/** The objects and links of one layer. */
export class ObjectLinks {
  readonly #options: ObjectLinksOptions
  readonly #names = new ObjectTable()
  readonly #early = new EarlyLinks()
  /** Targets of objects that are symbolic links. */
  readonly #targets = new Map<number, Uint8Array>()
  /** Contents in memory, by the number of the object's name, unless they are empty. */
  readonly #contents = new Map<number, Content>()
  /** The files that objects became, while there is no store. */
  readonly #files: FirstFiles
  readonly #placed = headerOf(PLAIN, { path: EMPTY_BYTES, offset: 0 })
  #heldContent = 0
  #current: Current | undefined
  #hasTakenUnmodified = false
  /** Whether objects were left out because there were too many of them. */
  #hasOverflown = false

  constructor(options: ObjectLinksOptions) {
    this.#options = options
    this.#files = new FirstFiles(options.memory)
  }

  /** Whether the tree has an object that was not modified, which other rules would keep at its path, too. */
  get hasTakenUnmodified(): boolean {
    return this.#hasTakenUnmodified
  }

  /** Begins an entry, unless it is neither an object nor a link to one. */
  entry(header: TarHeader): ObjectCourse {
    this.#current = undefined
    const { type } = header
    if (type === 'hardlink') {
      const target = storePathOf(header.linkPath)
      if (target === undefined) return 'other'
      const alias = storePathOf(header.path)
      if (alias === undefined) this.#link(header, target)
      else this.#addAlias(header, alias, target)
      return 'done'
    }
    if (type !== 'file' && type !== 'symlink') return 'other'
    const name = storePathOf(header.path)
    if (name === undefined || !(name.startsWith(OBJECTS) || isModifiedFile(header))) return 'other'
    const known = this.#names.find(name)
    if (known !== undefined) this.#names.unmark(known, IS_ALIAS)
    // ostree-ext keeps objects that were not modified, and symbolic links.
    if (this.#options.rules.allowNonusr === true && !isModifiedFile(header)) {
      this.#stay(header, name)
      return 'other'
    }
    return this.#addObject(header, name)
  }

  /** Takes data of the current entry, for which `entry` returned `data`. */
  data(bytes: Uint8Array): void {
    const { parts, sink, isPassed } = this.#current as Current
    if (isPassed) this.#options.sink.data(bytes)
    else if (sink !== undefined) sink.write(bytes)
    else parts.push(new Uint8Array(bytes))
  }

  /** Ends an entry. To be called for each; if path rules decided about it, after it was passed on. */
  end(): void {
    if (this.#current === undefined) return
    const { id, parts, sink, toStore, isPassed } = this.#current
    this.#current = undefined
    if (isPassed) this.#options.sink.end()
    else if (sink !== undefined) this.#names.setChecksum(id, sink.finish())
    else if (toStore) this.#store(id, parts)
    this.#placeEarly(id, id)
  }

  /** Notes that an entry is passed on that is neither an object nor a link to one. It may replace a file of an object. */
  passed(header: TarHeader): void {
    this.#files.passed(header)
  }

  /** Ends the layer. @returns the entries that are lost; `undefined` when there are none */
  finish(): LostEntries | undefined {
    const withoutObject: string[] = []
    const withoutLink: string[] = []
    let linksWithoutObject = 0
    let objectsWithoutLink = 0
    const missing = (path: Uint8Array): void => {
      if (linksWithoutObject++ < MAX_EXAMPLES) withoutObject.push(displayUtf8(path))
    }
    const names = this.#names
    for (let id = 0; id < names.count; id++) {
      if (names.lastOf(id) === 0) continue
      for (const { path } of this.#early.inRing(names.lastOf(id))) {
        if (this.#hasOverflown) throw this.#options.memory.exceeded(path)
        missing(path)
      }
    }
    for (let alias = 0; alias < names.count; alias++) {
      if (!names.is(alias, IS_ALIAS) || names.is(alias, IS_MODIFIED_ALIAS)) continue
      const id = this.#objectOf(alias)
      if (names.is(id, IS_IN_PLACE))
        this.#passLink({ path: this.#inPlacePath(alias), offset: 0 }, this.#inPlacePath(id), id)
      else if (names.is(id, IS_OBJECT) && names.is(id, IS_LINKED)) continue
      else if (this.#options.rules.allowNonusr !== true) this.#options.count(TOP)
      else if (!names.is(id, IS_OBJECT)) missing(this.#inPlacePath(alias))
    }
    for (let id = 0; id < names.count; id++) {
      if (!names.is(id, IS_OBJECT) || names.is(id, IS_LINKED)) continue
      if (!names.is(id, IS_MODIFIED) || this.#targets.has(id)) this.#options.count(TOP)
      else if (objectsWithoutLink++ < MAX_EXAMPLES) withoutLink.push(displayUtf8(this.#inPlacePath(id)))
    }
    if (linksWithoutObject + objectsWithoutLink === 0) return undefined
    return { linksWithoutObject, objectsWithoutLink, examples: [...withoutObject, ...withoutLink] }
  }

  /** Follows hard links between objects. Chains are shortened on the way. */
  #objectOf(id: number): number {
    const names = this.#names
    let object = id
    while (names.is(object, IS_ALIAS)) object = names.aliasOf(object)
    for (let at = id; at !== object; ) {
      const next = names.aliasOf(at)
      names.setAlias(at, object)
      at = next
    }
    return object
  }

  /** Returns the number of a name, and counts its memory if it is new. */
  #idOf(name: string, path: Uint8Array): number {
    const { count } = this.#names
    const id = this.#names.add(name)
    if (id === count) this.#options.memory.add(memoryOf(name), path)
    return id
  }

  /** Makes `alias` another name of an object, also for the links that came before. */
  #addAlias(header: TarHeader, alias: string, target: string): void {
    const object = this.#objectOf(this.#idOf(target, header.path))
    const id = this.#idOf(alias, header.path)
    // A cycle has no content.
    if (id === object) return
    const names = this.#names
    names.setAlias(id, object)
    if (isModified(header)) names.mark(id, IS_MODIFIED_ALIAS)
    else names.unmark(id, IS_MODIFIED_ALIAS)
    this.#placeEarly(id, object)
  }

  /** Links those to an object that came before it. @param id the name that they wait for */
  #placeEarly(id: number, object: number): void {
    const last = this.#names.lastOf(id)
    if (last === 0) return
    this.#names.setLast(id, 0)
    for (const place of this.#early.inRing(last)) this.#linkTo(place, object)
  }

  /** Notes that an object stays at its path. */
  #stay(header: TarHeader, name: string): void {
    const id = this.#idOf(name, header.path)
    this.#current = { id, parts: [], sink: undefined, toStore: false, isPassed: false }
    this.#names.unmark(id, IS_OBJECT)
    this.#names.mark(id, IS_IN_PLACE)
    this.#forget(id, header.path)
  }

  #addObject(header: TarHeader, name: string): ObjectCourse {
    const { files, memory, count, sink } = this.#options
    const { size, path, offset } = header
    const isModified = isModifiedFile(header)
    const target = header.type === 'symlink' ? new Uint8Array(normaliseSymlinkTarget(header.linkPath)) : undefined
    const known = this.#names.find(name)
    const early = known === undefined ? 0 : this.#names.lastOf(known)
    const isPassed = files === undefined && target === undefined && early !== 0
    const inMemory = size === 0 ? 0 : CONTENT_OVERHEAD + size
    const toStore = files !== undefined && target === undefined && this.#heldContent + inMemory > HELD_CONTENT
    const bytes = toStore || isPassed ? 0 : inMemory
    const isKnown = known !== undefined && this.#names.is(known, IS_OBJECT)
    const extra = (isKnown ? 0 : HELD_OVERHEAD) + bytes + (target === undefined ? 0 : CONTENT_OVERHEAD + target.length)
    if (!isModified && !memory.fits(extra + memoryOf(name) + HELD_OVERHEAD)) {
      this.#hasOverflown = true
      count(TOP)
      return 'done'
    }
    const id = this.#idOf(name, path)
    this.#forget(id, path)
    memory.add(extra, path)
    this.#heldContent += bytes
    this.#names.setObject(id, header, isModified)
    const parts: Uint8Array[] = []
    if (bytes > 0) this.#contents.set(id, { parts, bytes })
    if (target !== undefined) this.#targets.set(id, target)
    const large = toStore && size > SMALL_FILE ? files.hold(header) : undefined
    this.#current = { id, parts, sink: large, toStore, isPassed }
    if (!isPassed) return 'data'
    // The object becomes the file of the first link that came before it.
    const place = { path: this.#early.firstOf(early).path, offset }
    this.#take(place, id)
    sink.entry(this.#headerOf(id, place))
    return 'data'
  }

  /** Drops the content of an object that is replaced, or that a link has taken. */
  #forget(id: number, path: Uint8Array): void {
    this.#targets.delete(id)
    this.#release(id, path)
  }

  /** Drops content that is in memory. */
  #release(id: number, path: Uint8Array): void {
    const bytes = this.#contents.get(id)?.bytes ?? 0
    if (bytes === 0) return
    this.#contents.delete(id)
    this.#heldContent -= bytes
    this.#options.memory.add(-bytes, path)
  }

  /** Stores the content of an object. */
  #store(id: number, parts: readonly Uint8Array[]): void {
    const checksum = this.#options.files?.write(this.#names.factsOf(id), parts)
    if (checksum !== undefined) this.#names.setChecksum(id, checksum)
  }

  /** Notes that an object becomes a file. */
  #take({ path }: Place, id: number): void {
    this.#names.mark(id, IS_LINKED)
    if (!this.#names.is(id, IS_MODIFIED)) this.#hasTakenUnmodified = true
    if (this.#options.files !== undefined || this.#targets.has(id)) return
    this.#files.add(id, path)
  }

  #link(header: TarHeader, target: string): void {
    const path = normalisePath(header.path, this.#options.rules)
    if (typeof path === 'string') this.#options.count(path)
    else this.#linkTo({ path, offset: header.offset }, this.#objectOf(this.#idOf(target, path)))
  }

  /** Adds a link, whose path is that in a deployment, to an object. */
  #linkTo(place: Place, id: number): void {
    if (this.#names.is(id, IS_OBJECT)) this.#becomeFile(place, id)
    else if (this.#names.is(id, IS_IN_PLACE)) this.#passLink(place, this.#inPlacePath(id), undefined)
    else this.#wait(place, id)
  }

  /** Lets an object become the file of a link. */
  #becomeFile(place: Place, id: number): void {
    const { files, sink } = this.#options
    const isFirst = !this.#names.is(id, IS_LINKED)
    const isSymlink = this.#targets.has(id)
    const parts = this.#contents.get(id)?.parts ?? []
    if (files !== undefined && !isSymlink) {
      if (this.#names.checksumOf(id) === undefined) this.#store(id, parts)
      const checksum = this.#names.checksumOf(id)
      if (checksum !== undefined) files.place(this.#placedAt(id, place), checksum)
    } else if (isFirst || isSymlink) {
      sink.entry(this.#headerOf(id, place))
      for (const part of parts) sink.data(part)
      sink.end()
    } else {
      const linkPath = this.#files.targetOf(id, this.#names.nameOf(id), place)
      if (linkPath !== undefined) this.#passLink(place, linkPath, id)
      return
    }
    this.#release(id, place.path)
    if (isFirst) this.#take(place, id)
  }

  #headerOf(id: number, place: Place): TarHeader {
    return headerOf({ ...this.#names.factsOf(id), target: this.#targets.get(id) }, place)
  }

  /** Returns the header of a file that is stored, which holds until the next one: each would be garbage of 240 bytes. */
  #placedAt(id: number, { path, offset }: Place): TarHeader {
    const { uid, gid, mode } = this.#names.factsOf(id)
    return Object.assign(this.#placed, { path, offset, uid, gid, mode })
  }

  #wait(place: Place, id: number): void {
    this.#options.memory.add(LINK_MEMORY + place.path.length, place.path)
    this.#names.setLast(id, this.#early.add(place, this.#names.lastOf(id)))
  }

  /** Returns the path of an object that is at its own path. */
  #inPlacePath(id: number): Uint8Array {
    return encodeUtf8(`sysroot/ostree/repo/${this.#names.nameOf(id)}`)
  }

  /** Passes on a hard link, with owner and mode of the object. */
  #passLink(place: Place, linkPath: Uint8Array, id: number | undefined): void {
    const header: TarHeader = {
      ...(id !== undefined && this.#names.is(id, IS_OBJECT) ? this.#headerOf(id, place) : headerOf(PLAIN, place)),
      type: 'hardlink',
      typeflag: 0x31,
      linkPath,
      size: 0,
    }
    this.#files.passed(header)
    this.#options.sink.entry(header)
    this.#options.sink.end()
  }
}

function isModified({ headerMtime }: TarHeader): boolean {
  // The time of the ustar header, not that of the PAX records, as in ostree-ext.
  return headerMtime > 0
}

function isModifiedFile(header: TarHeader): boolean {
  return header.type === 'file' && isModified(header)
}
