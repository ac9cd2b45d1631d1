/**
 * Assigns the files of a commit to layers. At first all of them are in the remainder, which is in one layer with the
 * commit. Files are then moved into chunks, each of which becomes a layer, for example one of packages that seldom change.
 *
 * Source: ostree-ext, chunking.rs (Chunk, Chunking).
 */

import { type Checksum, compareUtf8 } from '../../bytes.ts'
import { formatSize } from '../../format-size.ts'

/** A content object and the paths it has in the commit. */
export interface ChunkedObject {
  /** Bytes of content; 0 if only one of its paths was moved to this chunk. */
  size: number
  /** Absolute paths, in the order of the tree. */
  readonly paths: string[]
}

/** The files of one future layer. */
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

  /** Moves an object with all its paths to another chunk. @returns whether this one had it */
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
   * Moves one path of an object to another chunk. This one loses the object with the last of its paths. The sizes of the
   * chunks do not change.
   * @returns whether this one had it
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

/** The remainder and the chunks of a commit, as made by `newChunking` and `processMapping`. */
export class Chunking {
  /** Bytes of all dirtrees and dirmetas; one that occurs several times counts each time. */
  metadataSize = 0
  readonly remainder = new Chunk()
  readonly chunks: Chunk[] = []
  /** Largest number of chunks, after a mapping was applied. */
  max = 0
  /** Number of components in the mapping, and of those with content. */
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
