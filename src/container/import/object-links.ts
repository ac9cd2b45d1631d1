/**
 * Objects of the store of a repository in a layer, and the hard links to them. Each object becomes the file of every link
 * to it, whatever the modification times are, also when a later entry replaces one of these files.
 *
 * An object that was modified is held until its links come; so is one that was not, unless the rules keep it at its path.
 * Links that come before their object wait for it. The content of an object is written to the store once, and its
 * checksum is placed for each link. Without a store, which is so when a tar stream is rewritten, the first link becomes
 * the file and the others become hard links to that.
 */

import { type Checksum, displayUtf8, EMPTY_BYTES, encodeUtf8, type MaybePromise } from '../../bytes.ts'
import { TarFormatError } from '../../errors.ts'
import type { FileSink } from '../../repo/index.ts'
import type { TarHeader, TarSink } from '../../tar/index.ts'
import {
  componentsOf,
  normalisePath,
  normaliseSymlinkTarget,
  type PathRules,
  storePathOf,
} from '../layers/path-rules.ts'
import { detachedHeader, type HeldFiles, type HeldMemory } from './held-files.ts'
import type { LostEntries } from './import-result.ts'

/** Bytes of content held in memory when there is a store to write to; further objects are written to that. */
const HELD_CONTENT = 1 << 24

/** Bytes counted for each held object or link in addition to its length. */
const HELD_OVERHEAD = 512

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

/** An object that is in the tree. */
interface Moved {
  readonly header: TarHeader
  /** `undefined` when the content was passed on as an entry. */
  readonly checksum: MaybePromise<Checksum> | undefined
  /** The path of the file that it became. */
  readonly path: Uint8Array
  /** Number of entries passed on up to it. */
  readonly since: number
}

/** A name of an object that is a hard link to another one. */
interface Alias {
  object: string
  /** The entry, if it was not modified. */
  readonly unmodified: TarHeader | undefined
}

/** The object that is being read. */
interface Current {
  readonly name: string
  /** Takes the content. `undefined` when it is passed on, or left out. */
  readonly held: Held | undefined
  readonly isPassed: boolean
}

/** What becomes of the entry that was passed to `entry`: path rules decide, it was handled, or its data are awaited. */
export type ObjectCourse = 'other' | 'done' | 'data'

/** The objects and links of one layer. */
export class ObjectLinks {
  readonly #options: ObjectLinksOptions
  readonly #objects = new Map<string, Held>()
  readonly #moved = new Map<string, Moved>()
  /** Names of objects that are at their own paths. */
  readonly #inPlace = new Set<string>()
  readonly #aliases = new Map<string, Alias>()
  /** Links that came before their object, by the name of the object. */
  readonly #early = new Map<string, TarHeader[]>()
  /** Paths of files that objects became, and `false` for the directories above them, while there is no store. */
  readonly #watched = new Map<string, boolean>()
  /** Watched paths that were replaced, with the number of entries passed on before. */
  readonly #replaced = new Map<string, number>()
  #passed = 0
  #heldContent = 0
  #current: Current | undefined
  #hasTakenUnmodified = false
  /** Whether objects were left out because there were too many of them. */
  #hasOverflown = false

  constructor(options: ObjectLinksOptions) {
    this.#options = options
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
    const first = this.#options.files === undefined && type === 'file' ? this.#early.get(name)?.[0] : undefined
    if (first === undefined) this.#holdObject(header, name)
    else this.#passObject({ ...detachedHeader(header), path: first.path }, name)
    return 'data'
  }

  /** Takes data of the current entry, for which `entry` returned `data`. */
  data(bytes: Uint8Array): void {
    const { held, isPassed } = this.#current as Current
    if (isPassed) this.#options.sink.data(bytes)
    else if (held?.stored !== undefined) held.stored.write(bytes)
    else held?.parts.push(bytes.slice())
  }

  /** Ends an entry. To be called for each; if path rules decided about it, after it was passed on. */
  end(): void {
    if (this.#current === undefined) return
    const { name, held, isPassed } = this.#current
    this.#current = undefined
    if (isPassed) this.#options.sink.end()
    else if (held?.stored !== undefined) {
      const checksum = held.stored.finish()
      // The sink may have buffers, and many objects may wait for their links.
      held.stored = undefined
      held.checksum = checksum
      // Avoids an unhandled rejection when no hard link ever uses the file.
      if (checksum instanceof Promise) checksum.catch(() => undefined)
    }
    const early = this.#early.get(name)
    if (early === undefined) return
    this.#early.delete(name)
    for (const link of early) this.#linkTo(link, name)
  }

  /** Notes that an entry is passed on that is neither an object nor a link to one. It may replace a file of an object. */
  passed({ type }: TarHeader, path: Uint8Array): void {
    this.#passed++
    if (this.#watched.size === 0) return
    const key = keyOf(path)
    const isFile = this.#watched.get(key)
    if (isFile === undefined || (type === 'directory' && !isFile)) return
    this.#replaced.set(key, this.#passed)
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
    for (const links of this.#early.values()) {
      for (const { path } of links) {
        if (this.#hasOverflown) throw this.#options.memory.exceeded(path)
        missing(path)
      }
    }
    for (const [alias, { unmodified }] of this.#aliases) {
      if (unmodified === undefined) continue
      const object = this.#objectOf(alias)
      if (this.#inPlace.has(object)) this.#passLink(unmodified, inPlacePath(object))
      else if (this.#moved.has(object)) continue
      else if (this.#options.rules.allowNonusr !== true) this.#options.count(topOf(unmodified.path))
      else if (!this.#objects.has(object)) missing(unmodified.path)
    }
    for (const { header } of this.#objects.values()) {
      if (isModifiedFile(header)) {
        if (objectsWithoutLink++ < MAX_EXAMPLES) withoutLink.push(displayUtf8(header.path))
      } else this.#options.count(topOf(header.path))
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
    const unmodified = isModified(header) ? undefined : { ...detachedHeader(header), path: header.path.slice() }
    this.#aliases.set(alias, { object, unmodified })
    const early = this.#early.get(alias) ?? []
    this.#early.delete(alias)
    for (const link of early) this.#linkTo(link, object)
  }

  /** Notes that an object stays at its path. */
  #stay(header: TarHeader, name: string): void {
    this.#current = { name, held: undefined, isPassed: false }
    this.#objects.delete(name)
    this.#moved.delete(name)
    if (this.#inPlace.has(name)) return
    this.#options.memory.add(NAME_OVERHEAD + name.length, header.path)
    this.#inPlace.add(name)
  }

  #holdObject(header: TarHeader, name: string): void {
    const { files, memory, count } = this.#options
    const isLink = header.type === 'symlink'
    const inStore = files !== undefined && !isLink && this.#heldContent + header.size > HELD_CONTENT
    const bytes = inStore ? 0 : header.size
    const held = HELD_OVERHEAD + bytes + 2 * header.path.length + header.linkPath.length
    if (!isModifiedFile(header) && !memory.fits(held)) {
      this.#hasOverflown = true
      this.#current = { name, held: undefined, isPassed: false }
      count(topOf(header.path))
      return
    }
    memory.add(held, header.path)
    this.#heldContent += bytes
    const linkPath = isLink ? normaliseSymlinkTarget(header.linkPath).slice() : EMPTY_BYTES
    const copy = { ...detachedHeader(header), path: header.path.slice(), linkPath }
    const stored = inStore ? files.hold(header) : undefined
    const object: Held = { header: copy, parts: [], stored, checksum: undefined }
    this.#objects.set(name, object)
    this.#current = { name, held: object, isPassed: false }
  }

  /** Passes an object on as the file of the first link that came before it. */
  #passObject(header: TarHeader, name: string): void {
    this.#take(name, { header, checksum: undefined, path: header.path, since: ++this.#passed })
    this.#current = { name, held: undefined, isPassed: true }
    this.#options.sink.entry(header)
  }

  #take(name: string, moved: Moved): void {
    const { files, memory } = this.#options
    memory.add(HELD_OVERHEAD + moved.path.length + name.length, moved.path)
    this.#moved.set(name, moved)
    if (!isModifiedFile(moved.header)) this.#hasTakenUnmodified = true
    if (files !== undefined || moved.header.type === 'symlink') return
    const names = componentsOf(displayUtf8(moved.path))
    for (let depth = 1; depth <= names.length; depth++) {
      const key = names.slice(0, depth).join('/')
      if (!this.#watched.has(key)) memory.add(NAME_OVERHEAD + key.length, moved.path)
      this.#watched.set(key, depth === names.length || this.#watched.get(key) === true)
    }
  }

  #link(header: TarHeader, object: string): void {
    const path = normalisePath(header.path, this.#options.rules)
    if (typeof path === 'string') this.#options.count(path)
    else this.#linkTo({ ...header, path }, object)
  }

  /** Adds a link, whose path is that in a deployment, to an object. */
  #linkTo(header: TarHeader, name: string): void {
    const object = this.#objects.get(name)
    const moved = this.#moved.get(name)
    if (object !== undefined) this.#becomeFile(header, name, object)
    else if (moved !== undefined) this.#addLink(header, name, moved)
    else if (this.#inPlace.has(name)) this.#passLink(header, inPlacePath(name))
    else this.#wait(header, name)
  }

  /** Lets a held object become the file of its first link. */
  #becomeFile({ path, offset }: TarHeader, name: string, { header, parts, checksum: known }: Held): void {
    const { files, memory, sink } = this.#options
    this.#objects.delete(name)
    const bytes = known === undefined ? header.size : 0
    this.#heldContent -= bytes
    memory.add(-bytes - HELD_OVERHEAD - 2 * header.path.length, path)
    const checksum = known ?? (header.type === 'symlink' ? undefined : files?.write(header, parts))
    const file = { ...header, offset, path: path.slice() }
    this.#take(name, { header: file, checksum, path: file.path, since: ++this.#passed })
    if (checksum !== undefined) files?.place(file, checksum)
    else {
      sink.entry(file)
      for (const part of parts) sink.data(part)
      sink.end()
    }
  }

  /** Adds a further link to an object that is in the tree. */
  #addLink(header: TarHeader, name: string, moved: Moved): void {
    const { files, sink } = this.#options
    const file = { ...moved.header, offset: header.offset, path: header.path }
    if (moved.checksum !== undefined) files?.place(file, moved.checksum)
    else if (moved.header.type === 'symlink') {
      sink.entry(file)
      sink.end()
    } else {
      this.#requireStanding(header, name, moved)
      if (keyOf(moved.path) !== keyOf(header.path)) this.#passLink(header, moved.path)
    }
  }

  #wait(header: TarHeader, name: string): void {
    this.#options.memory.add(HELD_OVERHEAD + header.path.length, header.path)
    const link: TarHeader = { ...detachedHeader(header), type: 'hardlink', path: header.path.slice() }
    const early = this.#early.get(name)
    if (early === undefined) this.#early.set(name, [link])
    else early.push(link)
  }

  #passLink(header: TarHeader, linkPath: Uint8Array): void {
    this.passed(header, header.path)
    this.#options.sink.entry({ ...header, type: 'hardlink', linkPath, size: 0, pax: [] })
    this.#options.sink.end()
  }

  /** @throws {TarFormatError} when a later entry has replaced the file that an object became */
  #requireStanding({ path, offset }: TarHeader, name: string, moved: Moved): void {
    if (this.#replaced.size === 0) return
    const names = componentsOf(displayUtf8(moved.path))
    for (let depth = names.length; depth > 0; depth--) {
      const at = this.#replaced.get(names.slice(0, depth).join('/'))
      if (at === undefined || at <= moved.since) continue
      const file = displayUtf8(moved.path)
      throw new TarFormatError(`${name} became ${file}, which a later entry has replaced`, offset, displayUtf8(path))
    }
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

function keyOf(path: Uint8Array): string {
  return componentsOf(displayUtf8(path)).join('/')
}

/** Returns the name of a top-level directory that an entry below it is counted under. */
function topOf(path: Uint8Array): string {
  return componentsOf(displayUtf8(path))[0] ?? ''
}
