/**
 * Gives access to the files of a tar archive without unpacking it. One pass notes the offset of each file, and later
 * reads go there. In an archive that is compressed as a whole, each read decompresses from the beginning up to its file.
 *
 * Of two entries with one name the last counts, as for programs that unpack the archive: files may have been appended to it.
 * Of a docker-archive some programs take the first, so there a file that is in the archive twice cannot be read.
 */
import { displayUtf8, readAll } from '../../bytes.ts'
import { FormatError, LimitError, PathNotFoundError, UnsupportedError, withContext } from '../../errors.ts'
import type { LocalFiles, Platform } from '../../platform/index.ts'
import { uncompressedTar } from '../../repo/index.ts'
import { feed, feedThrough, type TarHeader, type TarLimits, TarParser, type TarSink } from '../../tar/index.ts'
import { limitExpansion } from '../oci/verified-blob.ts'
import { type FileTree, missingFile } from './file-tree.ts'

/** Maximum number of members of an archive. An image has a few hundred at most. */
export const MAX_ARCHIVE_MEMBERS = 100_000
/** Maximum length of the names of all members together, in UTF-16 code units. */
export const MAX_ARCHIVE_NAMES: number = 1 << 24
/** Maximum size of a decompressed archive, in bytes: 1 TiB. */
export const MAX_ARCHIVE_BYTES: number = 2 ** 40
/** Number of bytes that `hasMagic` examines. */
export const MAGIC_LENGTH = 4
const MAX_LINKS = 8

const LIMITS: TarLimits = { maxEntries: MAX_ARCHIVE_MEMBERS, maxExtensionBytes: 1 << 16, allowMissingPadding: true }

/** What counts of several entries with one name. */
export type Repeated = 'last' | 'refused'

interface Member {
  readonly path: string
  readonly ordinal: number
  readonly size: number
  /** Path of the link's target; `undefined` for a file, `null` for a link out of the archive or a special file. */
  readonly link: string | null | undefined
  readonly sparse: boolean
  /** Offset of its content in the archive, in bytes; -1 when it is empty. */
  offset: number
  duplicate: boolean
}

/**
 * Opens an archive and notes where its members are.
 * @param path path of the archive, in the form that the platform uses
 * @param repeated which entry counts of several with one name: the last, or none
 * @throws {PathNotFoundError} when it does not exist or is not a regular file; {TarFormatError} when it is malformed
 * @throws {CompressionError} when it cannot be decompressed; {LimitError} when it has too many members or bytes
 */
export async function openArchive(
  platform: Platform,
  files: LocalFiles,
  path: string,
  signal: AbortSignal | undefined,
  repeated: Repeated,
): Promise<FileTree> {
  const found = await files.stat(path)
  if (found === undefined) throw new PathNotFoundError(path)
  if (found.kind !== 'file') throw new PathNotFoundError(path, `${path}: not a regular file`)
  const archive = new Archive(platform, files, path, found.size, signal)
  try {
    await archive.index(repeated)
  } catch (error) {
    throw withContext(path, error)
  }
  return archive
}

class Archive implements FileTree {
  readonly what: string
  readonly #platform: Platform
  readonly #files: LocalFiles
  readonly #signal: AbortSignal | undefined
  readonly #members = new Map<string, Member>()
  readonly #size: number
  #compressed = false

  constructor(platform: Platform, files: LocalFiles, path: string, size: number, signal: AbortSignal | undefined) {
    this.#size = size
    this.what = path
    this.#platform = platform
    this.#files = files
    this.#signal = signal
  }

  async index(repeated: Repeated): Promise<void> {
    const start = await readAll(this.#files.stream(this.what, { length: Math.min(MAGIC_LENGTH, this.#size) }))
    this.#compressed = hasMagic(start)
    const index = new ArchiveIndex(this.#members, repeated)
    await feed(new TarParser(index, LIMITS), index.watch(this.#tar()), { stopAtEnd: true })
  }

  async size(path: string): Promise<number | undefined> {
    return this.#find(path)?.size
  }

  target(path: string): string | undefined {
    return this.#find(path)?.path
  }

  async *stream(path: string): AsyncGenerator<Uint8Array, void, undefined> {
    const member = this.#find(path)
    if (member === undefined) throw missingFile(this.what, path)
    if (member.size === 0) return
    if (this.#compressed) yield* this.#readFromStart(member)
    else yield* this.#files.stream(this.what, { offset: member.offset, length: member.size })
  }

  /** Yields the archive without compression. */
  async *#tar(): AsyncGenerator<Uint8Array, void, undefined> {
    const { what: path } = this
    const files = this.#files
    const compressed = { received: 0 }
    async function* counted() {
      for await (const chunk of files.stream(path)) {
        compressed.received += chunk.length
        yield chunk
      }
    }
    const limits = { what: 'archive', maxBytes: MAX_ARCHIVE_BYTES, path }
    const plain = uncompressedTar(this.#platform, counted(), { ...limits, signal: this.#signal })
    for await (const chunk of limitExpansion(plain, compressed, limits)) {
      this.#signal?.throwIfAborted()
      yield chunk
    }
  }

  /** Reads a member of a compressed archive, from the beginning of the archive. */
  async *#readFromStart(member: Member): AsyncGenerator<Uint8Array, void, undefined> {
    const reader = new MemberReader(member.ordinal)
    let left = member.size
    for await (const piece of feedThrough(new TarParser(reader, LIMITS), this.#tar(), () => reader.take())) {
      yield piece
      left -= piece.length
      if (left === 0) return
    }
    throw new FormatError(this.what, `${this.what} changed while it was read`)
  }

  #find(path: string): Member | undefined {
    let at = path
    for (let links = 0; links <= MAX_LINKS; links++) {
      const member = this.#members.get(at)
      if (member === undefined) return undefined
      if (member.duplicate) throw new FormatError(this.what, `${this.what}: ${at} is in the archive more than once`)
      if (member.sparse) throw new UnsupportedError('sparse', `${this.what}: ${at} is a sparse file; pack it without`)
      if (member.link === undefined) return member
      if (member.link === null) throw new FormatError(this.what, `${this.what}: ${at} is a link out of the archive`)
      at = member.link
    }
    throw new FormatError(this.what, `${this.what}: ${path}: too many links`)
  }
}

/** Returns whether a stream begins as gzip, zstd, xz or bzip2 do, or with a frame that zstd skips. */
export function hasMagic([a, b, c, d]: Uint8Array): boolean {
  if (a === 0x1f && b === 0x8b) return true
  if (a === 0x42 && b === 0x5a && c === 0x68) return true
  if (a === 0xfd && b === 0x37 && c === 0x7a && d === 0x58) return true
  if (b === 0x2a && c === 0x4d && d === 0x18) return ((a ?? 0) & 0xf0) === 0x50
  return a === 0x28 && b === 0xb5 && c === 0x2f && d === 0xfd
}

/** Notes the offset of each member. The chunks of the stream must pass through `watch`. */
class ArchiveIndex implements TarSink {
  readonly #members: Map<string, Member>
  readonly #repeated: Repeated
  #chunk: Uint8Array = new Uint8Array(0)
  /** Offset of the chunk in the stream, in bytes. */
  #base = 0
  #ordinal = 0
  #names = 0
  #member: Member | undefined

  constructor(members: Map<string, Member>, repeated: Repeated) {
    this.#members = members
    this.#repeated = repeated
  }

  /** Passes the stream on to the parser and notes which chunk is being parsed. */
  async *watch(stream: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const chunk of stream) {
      this.#chunk = chunk
      yield chunk
      this.#base += chunk.length
    }
  }

  entry(header: TarHeader): void {
    const ordinal = this.#ordinal++
    this.#member = undefined
    if (header.type === 'directory' || header.type === 'pax-global') return
    const path = resolvePath('', displayUtf8(header.path))
    if (path === null || path === '') return
    const link = linkOf(header, path)
    this.#names += path.length + (link?.length ?? 0)
    if (this.#names > MAX_ARCHIVE_NAMES) throw new LimitError('names in the archive', MAX_ARCHIVE_NAMES)
    const known = this.#members.get(path)
    if (known !== undefined && this.#repeated === 'refused') {
      known.duplicate = true
      return
    }
    const sparse = header.typeflag === 0x53 || header.pax.some(({ key }) => key.startsWith('GNU.sparse.'))
    const member = { path, ordinal, size: header.size, link, sparse, offset: -1, duplicate: false }
    this.#members.set(path, member)
    this.#member = member
  }

  data(bytes: Uint8Array): void {
    const member = this.#member
    if (member === undefined || member.offset >= 0) return
    // `bytes` is a view of the chunk, except for the holes of sparse files, which are not read.
    member.offset = this.#base + bytes.byteOffset - this.#chunk.byteOffset
  }

  end(): void {}
}

function linkOf(header: TarHeader, path: string): string | null | undefined {
  const target = displayUtf8(header.linkPath)
  if (header.type === 'symlink')
    return target.startsWith('/') ? null : resolvePath(path.slice(0, path.lastIndexOf('/') + 1), target)
  if (header.type === 'hardlink') return resolvePath('', target)
  return header.type === 'file' ? undefined : null
}

/** Returns the path from the root of the archive, without `.` and `..`; `null` when it leads out of the archive. */
function resolvePath(folder: string, path: string): string | null {
  const parts: string[] = []
  for (const part of `${folder}${path}`.split('/')) {
    if (part === '' || part === '.') continue
    if (part !== '..') parts.push(part)
    else if (parts.pop() === undefined) return null
  }
  return parts.join('/')
}

/** Collects the bytes of one member. */
class MemberReader implements TarSink {
  readonly #ordinal: number
  #next = 0
  #pieces: Uint8Array[] = []

  constructor(ordinal: number) {
    this.#ordinal = ordinal
  }

  entry(): void {
    this.#next++
  }

  data(bytes: Uint8Array): void {
    if (this.#next === this.#ordinal + 1) this.#pieces.push(bytes)
  }

  end(): void {}

  /** Returns the bytes received since the last call: views of the chunk that was pushed last. */
  take(): Uint8Array[] {
    const pieces = this.#pieces
    this.#pieces = []
    return pieces
  }
}
