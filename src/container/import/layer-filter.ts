/**
 * Stands between the tar reader and whoever makes a tree of a layer, and gives every entry the place it has in a
 * deployment (path-rules.ts) or leaves it out.
 *
 * A layer made on a system of hard links into its object store carries the object where it changed and a link where
 * the file is. Such objects are held back until the first link to them comes: there they become an ordinary file, and
 * further links become links to that.
 *
 * ```
 * sysroot/ostree/repo/objects/ab/cd….file   held
 * usr/bin/bash    => the above              file usr/bin/bash
 * usr/bin/sh      => the above              hard link to usr/bin/bash
 * ```
 *
 * Source: ostree-ext, tar/write.rs, filter_tar.
 */

import { type Checksum, displayUtf8, EMPTY_BYTES, type MaybePromise } from '../../bytes.ts'
import { InvalidNameError, LimitError, TarFormatError } from '../../errors.ts'
import type { FileSink } from '../../repo/index.ts'
import type { TarHeader, TarSink } from '../../tar/index.ts'
import {
  normalisePath,
  normaliseSymlinkTarget,
  type PathRules,
  pathInObjectStore,
  remapLinkTarget,
} from '../layers/path-rules.ts'
import type { HeldFiles } from './held-files.ts'

/** Bytes one layer may make the filter hold: objects waiting for their link, and names. */
export const MAX_HELD_BYTES = 1 << 27

/** Bytes of content held in memory where there is a store; objects beyond go there. */
const HELD_CONTENT = 1 << 24

/** Bytes of anything held beside its names and content. */
const HELD_OVERHEAD = 512

export interface LayerFilterOptions extends PathRules {
  /** Default MAX_HELD_BYTES. */
  readonly maxHeldBytes?: number | undefined
  /** Where the sink's files are written, for objects too large to be held in memory. */
  readonly files?: HeldFiles | undefined
}

/** An object of the store, waiting for the link that says where its file is. */
interface Held {
  readonly header: TarHeader
  readonly parts: Uint8Array[]
  /** Where its content goes instead of `parts`, and what became of it there. */
  readonly stored: FileSink | undefined
  checksum: MaybePromise<Checksum> | undefined
}

/** What becomes of the data of the entry at hand. */
type Course = 'pass' | 'hold' | 'drop'

export class LayerFilter implements TarSink {
  /** Entries left out, by the name they are counted under. */
  readonly filtered = new Map<string, number>()
  readonly #sink: TarSink
  readonly #rules: PathRules
  readonly #maxHeld: number
  readonly #files: HeldFiles | undefined
  readonly #objects = new Map<string, Held>()
  /** Paths at which objects became files. */
  readonly #moved = new Map<string, Uint8Array>()
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

  /** @throws {TarFormatError} on a path with `..` or not in UTF-8; {LimitError}; and whatever the sink throws */
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
    if (this.#course === 'pass') this.#sink.end()
    else if (this.#course === 'hold' && this.#held?.stored !== undefined) {
      const checksum = this.#held.stored.finish()
      this.#held.checksum = checksum
      // Should nobody ever link to it, nobody asks how the write went.
      if (checksum instanceof Promise) checksum.catch(() => undefined)
    }
  }

  /** @returns the entry as it goes on, `undefined` when it does not or went by another way */
  #place(header: TarHeader): TarHeader | undefined {
    try {
      // A time only PAX records give does not count: ostree-ext looks at the header.
      if (header.headerMtime > 0 && this.#isAboutObject(header)) return undefined
      const path = normalisePath(header.path, this.#rules)
      if (typeof path === 'string') {
        this.#count(path)
        return undefined
      }
      // It has a name, which was counted above if that is to be left out; its records concern no entry.
      if (header.type === 'pax-global') return undefined
      return rewritten(header, path)
    } catch (error) {
      if (!(error instanceof InvalidNameError)) throw error
      throw new TarFormatError(error.message, header.offset, displayUtf8(header.path), { cause: error })
    }
  }

  /** Takes in an object, or the link to one. @returns false when the entry is neither */
  #isAboutObject(header: TarHeader): boolean {
    if (header.type === 'hardlink') {
      const target = pathInObjectStore(header.headerLinkName)
      // An absolute target is taken for none in the store, as in ostree-ext.
      if (target === undefined || header.headerLinkName[0] === SLASH) return false
      this.#link(header, target)
      return true
    }
    if (header.type !== 'file') return false
    const name = pathInObjectStore(header.path)
    if (name === undefined) return false
    const inStore = this.#files !== undefined && this.#heldContent + header.size > HELD_CONTENT
    const stored = inStore ? this.#files?.hold(header) : undefined
    const bytes = stored === undefined ? header.size : 0
    this.#heldContent += bytes
    this.#hold(bytes + name.length, header.path)
    this.#held = { header: detachedHeader(header), parts: [], stored, checksum: undefined }
    this.#objects.set(name, this.#held)
    this.#course = 'hold'
    return true
  }

  #link(header: TarHeader, target: string): void {
    const object = this.#objects.get(target)
    if (object !== undefined) {
      this.#objects.delete(target)
      const bytes = object.checksum === undefined ? object.header.size : 0
      this.#heldContent -= bytes
      this.#hold(header.path.length - bytes, header.path)
      this.#moved.set(target, header.path.slice())
      const place = { ...object.header, offset: header.offset, path: header.path }
      if (object.checksum !== undefined) {
        this.#files?.place(object.checksum)
        this.#sink.entry({ ...place, size: 0 })
        this.#sink.end()
        return
      }
      this.#sink.entry(place)
      for (const part of object.parts) this.#sink.data(part)
      this.#sink.end()
      return
    }
    const linkPath = this.#moved.get(target)
    // A link to an object that did not change names what the base has already.
    if (linkPath === undefined) return
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

const SLASH = 0x2f

/** The same header when nothing about it changes. */
function rewritten(header: TarHeader, path: Uint8Array): TarHeader {
  let linkPath = header.linkPath
  if (header.type === 'symlink') linkPath = normaliseSymlinkTarget(linkPath)
  else if (header.type === 'hardlink') linkPath = remapLinkTarget(linkPath)
  if (path === header.path && linkPath === header.linkPath) return header
  return { ...header, path, linkPath }
}

/** What a held object needs, without the reader's buffers; its PAX records are lost, as in ostree-ext. */
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
