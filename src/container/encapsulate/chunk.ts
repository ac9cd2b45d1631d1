/**
 * Which files of a commit go into which layer. All of them start in the remainder, which travels with the commit; a
 * chunk takes over what has a reason to travel by itself: a package that seldom changes.
 *
 * Source: ostree-ext, chunking.rs (Chunk, Chunking).
 */

import { type Checksum, compareUtf8 } from '../../bytes.ts'
import { formatSize } from '../../format-size.ts'

/** A content object and the paths it has in the commit. */
export interface ChunkedObject {
  /** Bytes of content; 0 where only a path was moved here. */
  size: number
  /** Absolute, in the order of the tree. */
  readonly paths: string[]
}

/** The files of one layer to be. */
export class Chunk {
  name: string
  readonly content = new Map<Checksum, ChunkedObject>()
  /** Bytes of content, each object once. */
  size = 0
  packages: string[]

  constructor(name = '', packages: string[] = []) {
    this.name = name
    this.packages = packages
  }

  /** Moves an object with all its paths. @returns whether it was here */
  moveObj(to: Chunk, checksum: Checksum): boolean {
    const object = this.content.get(checksum)
    if (object === undefined) return false
    this.content.delete(checksum)
    this.size -= object.size
    to.content.set(checksum, object)
    to.size += object.size
    return true
  }

  /**
   * Moves one of the paths of an object; with the last of them the object is gone from here. The bytes of both chunks
   * stay what they were.
   * @returns whether it was here
   */
  movePath(to: Chunk, checksum: Checksum, path: string): boolean {
    const object = this.content.get(checksum)
    const at = object?.paths.indexOf(path) ?? -1
    if (object === undefined || at < 0) return false
    object.paths.splice(at, 1)
    if (object.paths.length === 0) this.content.delete(checksum)
    const moved = to.content.get(checksum)
    if (moved === undefined) to.content.set(checksum, { size: 0, paths: [path] })
    else moved.paths.push(path)
    return true
  }

  /** Returns the objects in the order in which they are written: by checksum. */
  sorted(): [Checksum, ChunkedObject][] {
    return [...this.content].sort(([a], [b]) => compareUtf8(a, b))
  }
}

/** What became of a commit: its remainder, its chunks. `newChunking` and `processMapping` make one. */
export class Chunking {
  /** Bytes of all dirtrees and dirmetas, those of one checksum as often as they occur. */
  metadataSize = 0
  readonly remainder = new Chunk()
  readonly chunks: Chunk[] = []
  /** Chunks at most, once a mapping was applied. */
  max = 0
  /** Components the mapping knows, and those of them that have content. */
  nProvidedComponents = 0
  nSizedComponents = 0

  /** Formats metadata, components and chunks as lines for people. */
  lines(): string[] {
    const describe = ({ name, content, size }: Chunk) => `"${name}": objects:${content.size} size:${formatSize(size)}`
    const lines = [`Metadata: ${formatSize(this.metadataSize)}`]
    if (this.nProvidedComponents > 0) {
      lines.push(`Components: provided=${this.nProvidedComponents} sized=${this.nSizedComponents}`)
    }
    for (const [i, chunk] of this.chunks.entries()) lines.push(`Chunk ${i}: ${describe(chunk)}`)
    if (this.remainder.content.size > 0) lines.push(`Remainder: ${describe(this.remainder)}`)
    return lines
  }
}
