/**
 * Objects of the store of a repository in a layer, and the hard links to them. Each object becomes the file of every link
 * to it, whatever the modification times are, also when a later entry replaces one of these files.
 *
 * An object that was modified is held until its links come; so is one that was not, unless the rules keep it at its path.
 * Links that come before their object wait for it. The content of an object is written to the store once, and its
 * checksum is placed for each link. Without a store, which is so when a tar stream is rewritten, the first link becomes
 * the file and the others become hard links to that.
 */

import { decodeUtf8, displayUtf8, EMPTY_BYTES, encodeUtf8, SMALL_FILE } from '../../bytes.ts'
import type { FileSink } from '../../repo/index.ts'
import type { TarHeader, TarSink } from '../../tar/index.ts'
import {
  type EarlyLink,
  FirstFiles,
  type HeldMemory,
  headerOf,
  inRing,
  keepChecksum,
  type LayerObject,
  PLAIN,
  type Place,
  pathOf,
} from '../layers/layer-objects.ts'
import { normalisePath, normaliseSymlinkTarget, type PathRules, storePathOf } from '../layers/path-rules.ts'
import type { HeldFiles } from './held-files.ts'
import type { LostEntries } from './import-result.ts'

/** Bytes of content held in memory when there is a store to write to; further objects are written to that. */
const HELD_CONTENT = 1 << 24

/**
 * Bytes counted for each object in addition to name and content: 860 bytes were measured for each of 100,000, and there is
 * the garbage of making them. With the default limit a layer may have 100,000 objects whose links come later, which take
 * less than 200 MB with all else.
 */
const HELD_OVERHEAD = 1200

/** Bytes counted for content in memory in addition to its length. */
const CONTENT_OVERHEAD = 512

/** Bytes counted for the first link that waits for an object in addition to its path. */
const EARLY_OVERHEAD = 384

/** The name that objects are counted under when they are left out. */
const TOP = 'sysroot'

/** Bytes counted for each other name in addition to its length. */
const NAME_OVERHEAD = 128

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

/** A name of an object that is a hard link to another one. */
interface Alias {
  object: string
  readonly isModified: boolean
}

/** The object that is being read. */
interface Current {
  readonly name: string
  /** Takes the content. `undefined` when it is left out, or stays where it is. */
  readonly object: LayerObject | undefined
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
  readonly #objects = new Map<string, LayerObject>()
  /** The files that objects became, by the name of the object, while there is no store. */
  readonly #files: FirstFiles
  /** Names of objects that are at their own paths. */
  readonly #inPlace = new Set<string>()
  readonly #aliases = new Map<string, Alias>()
  /** The last one of the links that came before their object, by the name of the object. */
  readonly #early = new Map<string, EarlyLink>()
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
      if (alias === undefined) this.#link(header, this.#objectOf(target))
      else this.#addAlias(header, alias, this.#objectOf(target))
      return 'done'
    }
    if (type !== 'file' && type !== 'symlink') return 'other'
    const name = storePathOf(header.path)
    if (name === undefined || !(name.startsWith(OBJECTS) || isModifiedFile(header))) return 'other'
    this.#aliases.delete(name)
    // ostree-ext keeps objects that were not modified, and symbolic links.
    if (this.#options.rules.allowNonusr === true && !isModifiedFile(header)) {
      this.#stay(header, name)
      return 'other'
    }
    this.#addObject(header, name)
    return 'data'
  }

  /** Takes data of the current entry, for which `entry` returned `data`. */
  data(bytes: Uint8Array): void {
    const { object, sink, isPassed } = this.#current as Current
    if (isPassed) this.#options.sink.data(bytes)
    else if (sink !== undefined) sink.write(bytes)
    else if (object !== undefined) {
      object.parts ??= []
      object.parts.push(bytes.slice())
    }
  }

  /** Ends an entry. To be called for each; if path rules decided about it, after it was passed on. */
  end(): void {
    if (this.#current === undefined) return
    const { name, object, sink, toStore, isPassed } = this.#current
    this.#current = undefined
    if (isPassed) this.#options.sink.end()
    else if (object !== undefined && sink !== undefined) keepChecksum(object, sink.finish())
    else if (object !== undefined && toStore) this.#store(object)
    const last = this.#early.get(name)
    if (last === undefined) return
    this.#early.delete(name)
    for (const link of inRing(last)) this.#linkTo({ path: pathOf(link), offset: link.offset }, name)
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
    for (const last of this.#early.values()) {
      for (const link of inRing(last)) {
        if (this.#hasOverflown) throw this.#options.memory.exceeded(pathOf(link))
        missing(pathOf(link))
      }
    }
    for (const [alias, { isModified }] of this.#aliases) {
      if (isModified) continue
      const name = this.#objectOf(alias)
      const object = this.#objects.get(name)
      if (this.#inPlace.has(name)) this.#passLink({ path: inPlacePath(alias), offset: 0 }, inPlacePath(name), object)
      else if (object?.isLinked === true) continue
      else if (this.#options.rules.allowNonusr !== true) this.#options.count(TOP)
      else if (object === undefined) missing(inPlacePath(alias))
    }
    for (const [name, { isLinked, isModified, target }] of this.#objects) {
      if (isLinked) continue
      if (!isModified || target !== undefined) this.#options.count(TOP)
      else if (objectsWithoutLink++ < MAX_EXAMPLES) withoutLink.push(displayUtf8(inPlacePath(name)))
    }
    if (linksWithoutObject + objectsWithoutLink === 0) return undefined
    return { linksWithoutObject, objectsWithoutLink, examples: [...withoutObject, ...withoutLink] }
  }

  /** Follows hard links between objects. Chains are shortened on the way. */
  #objectOf(name: string): string {
    const aliases = this.#aliases
    let object = name
    for (let next = aliases.get(object); next !== undefined; next = aliases.get(object)) object = next.object
    for (let at = aliases.get(name); at !== undefined && at.object !== object; ) {
      const next = aliases.get(at.object)
      at.object = object
      at = next
    }
    return object
  }

  /** Makes `alias` another name of an object, also for the links that came before. */
  #addAlias(header: TarHeader, alias: string, object: string): void {
    // A cycle has no content.
    if (alias === object) return
    this.#options.memory.add(HELD_OVERHEAD + alias.length + object.length + header.path.length, header.path)
    this.#aliases.set(alias, { object, isModified: isModified(header) })
    const last = this.#early.get(alias)
    if (last === undefined) return
    this.#early.delete(alias)
    for (const link of inRing(last)) this.#linkTo({ path: pathOf(link), offset: link.offset }, object)
  }

  /** Notes that an object stays at its path. */
  #stay(header: TarHeader, name: string): void {
    this.#current = { name, object: undefined, sink: undefined, toStore: false, isPassed: false }
    this.#objects.delete(name)
    if (this.#inPlace.has(name)) return
    this.#options.memory.add(NAME_OVERHEAD + name.length, header.path)
    this.#inPlace.add(name)
  }

  #addObject(header: TarHeader, name: string): void {
    const { files, memory, count, sink } = this.#options
    const { uid, gid, mode, mtime, size, path, offset } = header
    const isModified = isModifiedFile(header)
    const target = header.type === 'symlink' ? normaliseSymlinkTarget(header.linkPath).slice() : undefined
    const first = files === undefined && target === undefined ? this.#early.get(name)?.next : undefined
    const inMemory = size === 0 ? 0 : CONTENT_OVERHEAD + size
    const toStore = files !== undefined && target === undefined && this.#heldContent + inMemory > HELD_CONTENT
    const bytes = toStore || first !== undefined ? 0 : inMemory
    const held = HELD_OVERHEAD + bytes + name.length + (target?.length ?? 0)
    if (!isModified && !memory.fits(held + HELD_OVERHEAD)) {
      this.#hasOverflown = true
      this.#current = { name, object: undefined, sink: undefined, toStore: false, isPassed: false }
      count(TOP)
      return
    }
    const before = this.#objects.get(name)?.bytes ?? 0
    memory.add(held - before, path)
    this.#heldContent += bytes - before
    const content = { parts: undefined, checksum: undefined, bytes, isLinked: false }
    const object: LayerObject = { uid, gid, mode, mtime, size, target, isModified, ...content }
    this.#objects.set(name, object)
    const large = toStore && size > SMALL_FILE ? files.hold(header) : undefined
    this.#current = { name, object, sink: large, toStore, isPassed: first !== undefined }
    if (first === undefined) return
    // The object becomes the file of the first link that came before it.
    const place = { path: pathOf(first), offset }
    this.#take(place, name, object)
    sink.entry(headerOf(object, place))
  }

  /** Stores the content of an object that is in memory. */
  #store(object: LayerObject): void {
    const header = headerOf(object, { path: EMPTY_BYTES, offset: 0 })
    const checksum = this.#options.files?.write(header, object.parts ?? [])
    object.parts = undefined
    if (checksum !== undefined) keepChecksum(object, checksum)
  }

  /** Notes that an object becomes a file. */
  #take({ path }: Place, name: string, object: LayerObject): void {
    object.isLinked = true
    if (!object.isModified) this.#hasTakenUnmodified = true
    if (this.#options.files !== undefined || object.target !== undefined) return
    this.#files.add(name, path)
  }

  #link(header: TarHeader, object: string): void {
    const path = normalisePath(header.path, this.#options.rules)
    if (typeof path === 'string') this.#options.count(path)
    else this.#linkTo({ path, offset: header.offset }, object)
  }

  /** Adds a link, whose path is that in a deployment, to an object. */
  #linkTo(place: Place, name: string): void {
    const object = this.#objects.get(name)
    if (object !== undefined) this.#becomeFile(place, name, object)
    else if (this.#inPlace.has(name)) this.#passLink(place, inPlacePath(name), undefined)
    else this.#wait(place, name)
  }

  /** Lets an object become the file of a link. */
  #becomeFile(place: Place, name: string, object: LayerObject): void {
    const { files, memory, sink } = this.#options
    const isFirst = !object.isLinked
    if (files !== undefined && object.target === undefined) {
      if (object.checksum === undefined) this.#store(object)
      if (object.checksum !== undefined) files.place(headerOf(object, place), object.checksum)
    } else if (isFirst || object.target !== undefined) {
      sink.entry(headerOf(object, place))
      for (const part of object.parts ?? []) sink.data(part)
      sink.end()
      object.parts = undefined
    } else {
      const linkPath = this.#files.targetOf(name, place)
      if (linkPath !== undefined) this.#passLink(place, linkPath, object)
      return
    }
    this.#heldContent -= object.bytes
    memory.add(-object.bytes, place.path)
    object.bytes = 0
    if (isFirst) this.#take(place, name, object)
  }

  #wait({ path, offset }: Place, name: string): void {
    const last = this.#early.get(name)
    const overhead = last === undefined ? EARLY_OVERHEAD + name.length : NAME_OVERHEAD
    this.#options.memory.add(overhead + path.length, path)
    const link = { path: decodeUtf8(path) ?? path.slice(), offset } as EarlyLink
    link.next = last?.next ?? link
    if (last !== undefined) last.next = link
    this.#early.set(name, link)
  }

  /** Passes on a hard link, with owner and mode of the object. */
  #passLink(place: Place, linkPath: Uint8Array, object: LayerObject | undefined): void {
    const header: TarHeader = {
      ...headerOf(object ?? PLAIN, place),
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

/** Returns the path of an object that is at its own path. */
function inPlacePath(name: string): Uint8Array {
  return encodeUtf8(`sysroot/ostree/repo/${name}`)
}
