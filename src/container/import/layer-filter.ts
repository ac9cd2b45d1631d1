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
 * Links may be written with a leading `/` or `./`. An object that is a hard link to another one is a second name of it.
 * A link whose object is not in the layer is left out and reported: if the file did not change, the layers below have it.
 *
 * Source: ostree-ext, tar/write.rs, filter_tar; it loses files of links in `etc`, of links before their object, and of
 * links or objects whose time is 0.
 */

import { decodeUtf8, displayUtf8, EMPTY_BYTES, encodeUtf8 } from '../../bytes.ts'
import { InvalidNameError, TarFormatError } from '../../errors.ts'
import type { TarHeader, TarSink } from '../../tar/index.ts'
import { HeldMemory } from '../layers/layer-objects.ts'
import {
  componentsOf,
  normalisePath,
  normaliseSymlinkTarget,
  type PathRules,
  remapLinkTarget,
} from '../layers/path-rules.ts'
import type { HeldFiles } from './held-files.ts'
import type { LostEntries } from './import-result.ts'
import { type ObjectCourse, ObjectLinks } from './object-links.ts'

/** Bytes that the filter may hold for one layer: objects whose links have not come, and names. */
export const MAX_HELD_BYTES = 1 << 27

/** Bytes counted for each name of entries that are left out in addition to its length. */
const NAME_OVERHEAD = 512

/** Links with a target that is left out that are remembered: the first one without a file is an error. */
const MAX_DANGLING = 1000

/** How the entries of a layer are filtered. */
export interface LayerFilterOptions extends PathRules {
  /** Bytes that the filter may hold in memory. Default MAX_HELD_BYTES. */
  readonly maxHeldBytes?: number | undefined
  /** Stores objects, and adds them to the tree of the sink. Without it they are held in memory and passed on. */
  readonly files?: HeldFiles | undefined
}

/** Passes the entries of a layer on to another sink, under the paths of a deployment. */
export class LayerFilter implements TarSink {
  /** The number of entries left out, by the name they are counted under. Complete after `finish`. */
  readonly filtered = new Map<string, number>()
  readonly #sink: TarSink
  readonly #rules: PathRules
  readonly #memory: HeldMemory
  readonly #objects: ObjectLinks
  /** Paths of links whose targets are left out, with the target. */
  readonly #dangling = new Map<string, string>()
  #course: ObjectCourse | 'pass' = 'done'

  constructor(sink: TarSink, options: LayerFilterOptions = {}) {
    this.#sink = sink
    this.#rules = options
    this.#memory = new HeldMemory(options.maxHeldBytes ?? MAX_HELD_BYTES)
    const count = (name: string): void => this.#count(name)
    const { files } = options
    this.#objects = new ObjectLinks({ sink, rules: options, files, memory: this.#memory, count })
  }

  /** Whether the rules had an effect on entries, except on `var`: others may give another tree. */
  get hasLeftOut(): boolean {
    return this.filtered.size > 0 || this.#objects.hasTakenUnmodified
  }

  /** Begins an entry. @throws {TarFormatError} on a path with `..` or not in UTF-8; {LimitError}; what the sink throws */
  entry(header: TarHeader): void {
    this.#course = 'done'
    const outgoing = this.#place(header)
    if (outgoing === undefined) return
    this.#course = 'pass'
    this.#objects.passed(outgoing)
    this.#sink.entry(outgoing)
  }

  data(bytes: Uint8Array): void {
    if (this.#course === 'pass') this.#sink.data(bytes)
    else if (this.#course === 'data') this.#objects.data(bytes)
  }

  end(): void {
    if (this.#course === 'pass') this.#sink.end()
    this.#objects.end()
  }

  /**
   * Ends the layer, and counts the objects that are left out; to be called once.
   * @returns the entries that are lost without being counted; `undefined` when there are none
   */
  finish(): LostEntries | undefined {
    return this.#objects.finish()
  }

  /**
   * Explains an error about a hard link whose target was left out.
   * @param path of the link, as it was passed on
   * @returns `undefined` unless a link at that path had such a target
   */
  explain(path: string): string | undefined {
    const target = this.#dangling.get(path)
    if (target === undefined) return undefined
    const isKept = typeof normalisePath(encodeUtf8(target), { allowNonusr: true }) !== 'string'
    return `The target of the hard link ${path}, ${target}, is left out${isKept ? ' without allowNonusr' : ''}`
  }

  #noteDangling({ linkPath }: TarHeader, path: Uint8Array): void {
    // Targets with `..` or without UTF-8 are rejected by the sink.
    const target = decodeUtf8(linkPath)
    if (target === undefined || this.#dangling.size >= MAX_DANGLING) return
    if (componentsOf(target).includes('..')) return
    if (typeof normalisePath(linkPath, this.#rules) === 'string') {
      this.#dangling.set(displayUtf8(path), target)
    }
  }

  /** Returns the header to pass on, or `undefined` for an entry that is left out, or that `ObjectLinks` handles. */
  #place(header: TarHeader): TarHeader | undefined {
    try {
      this.#course = this.#objects.entry(header)
      if (this.#course !== 'other') return undefined
      this.#course = 'done'
      const path = normalisePath(header.path, this.#rules)
      if (typeof path === 'string') {
        this.#count(path)
        return undefined
      }
      // Its name was counted above if the rules leave that out. Its records belong to no entry.
      if (header.type === 'pax-global') return undefined
      if (header.type === 'hardlink') this.#noteDangling(header, path)
      return rewritten(header, path, this.#rules)
    } catch (error) {
      if (!(error instanceof InvalidNameError)) throw error
      throw new TarFormatError(error.message, header.offset, displayUtf8(header.path), { cause: error })
    }
  }

  #count(name: string): void {
    const seen = this.filtered.get(name)
    if (seen === undefined) this.#memory.add(NAME_OVERHEAD + 2 * name.length, EMPTY_BYTES)
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
