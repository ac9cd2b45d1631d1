/**
 * Stores the objects of an ostree tar stream. The xattrs of a file come before it, in an entry of their own:
 *
 * ```
 * objects/ab/cd….file-xattrs-link     a(ayay), or a hard link to such an entry before
 * objects/ab/cd….file                 owner, mode, content, or target of a symbolic link
 * ```
 *
 * Every object is stored only when its bytes have the checksum that the stream names.
 *
 * Source: ostree-ext, tar/import.rs, Importer.
 */

import { type Checksum, decodeUtf8, displayUtf8, EMPTY_BYTES, type MaybePromise, SMALL_FILE } from '../../bytes.ts'
import { FormatError, InvalidNameError, LimitError, TarFormatError, withContext } from '../../errors.ts'
import {
  checksumFile,
  type FileHeader,
  type MetaType,
  S_IFLNK,
  S_IFREG,
  validateFileHeader,
  validateMeta,
  Xattrs,
} from '../../objects/index.ts'
import type { Platform } from '../../platform/index.ts'
import type { FileSink, Transaction } from '../../repo/index.ts'
import type { TarHeader, TarSink } from '../../tar/index.ts'
import { checksumOf, parseObjectPath, type StreamObject, streamObjectAt } from './object-path.ts'

/** Largest size of a metadata object in bytes, which is the limit of ostree-ext. */
export const MAX_STREAM_METADATA = 10 * 1024 * 1024
/** Largest size of the xattrs of one file, in bytes. */
export const MAX_STREAM_XATTRS = 1 << 20
/** Largest memory for the xattrs of a stream, in bytes. Equal lists of xattrs are kept once. */
export const MAX_XATTR_MEMORY = 1 << 28
const XATTR_OVERHEAD = 512
/** Permission bits of symbolic links on Linux. */
const LINK_MODE = 0o777

/** The rules for the objects of a layer, which has either a set of files or the commit with its metadata. */
export interface StreamRules {
  /** Called for each object, except xattrs, before it is read. @throws {FormatError} to refuse it */
  accept(object: StreamObject, header: TarHeader): void
  /** Called with a whole commit or commitmeta; the bytes may be kept. */
  attached(object: StreamObject, bytes: Uint8Array): MaybePromise<unknown>
}

/** A list of xattrs, with the header of the last file that had it: files in a row often have equal headers. */
interface KnownXattrs {
  readonly xattrs: Xattrs
  header: FileHeader | undefined
}

/** The entry that is being read. */
type Work =
  | { readonly kind: 'xattrs'; readonly expected: Checksum | undefined; readonly file: Checksum | undefined }
  | { readonly kind: 'meta'; readonly object: StreamObject }
  | { readonly kind: 'file'; readonly checksum: Checksum; readonly header: FileHeader }

/** Stores the objects that the entries of a tar stream hold. */
export class ObjectSink implements TarSink {
  readonly #platform: Platform
  readonly #tx: Transaction
  readonly #rules: StreamRules
  readonly #xattrs = new Map<Checksum, KnownXattrs>()
  #xattrMemory = 0
  /** The file that the next entry must hold, and the hash of its xattrs. */
  #next: { readonly file: Checksum; readonly xattrs: Checksum } | undefined
  #pending: Promise<unknown>[] = []

  #header: TarHeader | undefined
  #work: Work | undefined
  #stream: FileSink | undefined
  #scratch: Uint8Array = EMPTY_BYTES
  #gathered = 0

  constructor(platform: Platform, tx: Transaction, rules: StreamRules) {
    this.#platform = platform
    this.#tx = tx
    this.#rules = rules
  }

  entry(header: TarHeader): void {
    this.#header = header
    this.#work = undefined
    this.#gathered = 0
    if (header.type === 'directory' || header.type === 'pax-global') return
    try {
      const object = streamObjectAt(header.path)
      if (object !== undefined) this.#work = this.#begin(object, header)
    } catch (error) {
      throw this.#fault(error)
    }
  }

  data(bytes: Uint8Array): void {
    const work = this.#work
    if (work === undefined) return
    const size = (this.#header as TarHeader).size
    try {
      if (work.kind === 'file' && size > SMALL_FILE) {
        this.#stream ??= this.#tx.openFile(work.header, size, work.checksum)
        this.#stream.write(bytes)
      } else if (bytes.length === size) this.#take(work, bytes)
      else {
        if (this.#scratch.length < size) this.#scratch = new Uint8Array(Math.max(size, SMALL_FILE))
        this.#scratch.set(bytes, this.#gathered)
        this.#gathered += bytes.length
        if (this.#gathered === size) this.#take(work, this.#scratch.subarray(0, size))
      }
    } catch (error) {
      throw this.#fault(error)
    }
  }

  end(): void {
    try {
      if (this.#stream !== undefined) {
        const stream = this.#stream
        this.#expect(stream.finish())
        this.#stream = undefined
      } else if (this.#work !== undefined && (this.#header as TarHeader).size === 0) this.#take(this.#work, EMPTY_BYTES)
    } catch (error) {
      throw this.#fault(error)
    }
    this.#work = undefined
  }

  /**
   * Returns `undefined` when more entries can be taken, else a promise to wait for before the next chunk of the stream
   * is parsed. To be asked once a chunk.
   */
  drained(): Promise<unknown> | undefined {
    const store = this.#tx.drained()
    if (this.#pending.length === 0) return store
    const pending = store === undefined ? this.#pending : [...this.#pending, store]
    this.#pending = []
    return Promise.all(pending)
  }

  /** Drops a half-written file after a failure. May be repeated. */
  abort(): void {
    this.#stream?.abort()
    this.#stream = undefined
    this.#work = undefined
    for (const answer of this.#pending) answer.catch(() => undefined)
    this.#pending = []
  }

  #begin(object: StreamObject, header: TarHeader): Work | undefined {
    const { checksum, type } = object
    switch (type) {
      case 'file-xattrs':
        requireXattrs(header, checksum)
        return { kind: 'xattrs', expected: checksum, file: undefined }
      case 'file-xattrs-link':
      case 'xattrs':
        return this.#beginLink(object, header)
      case 'file':
        return this.#beginFile(object, header)
      default:
        this.#rules.accept(object, header)
        if (header.type !== 'file') throw fault(checksum, `Invalid non-regular metadata object ${checksum}`)
        if (header.size > MAX_STREAM_METADATA) throw tooLarge(header, MAX_STREAM_METADATA)
        return { kind: 'meta', object }
    }
  }

  #beginLink({ checksum, type }: StreamObject, header: TarHeader): Work | undefined {
    if (this.#next !== undefined) {
      throw fault(checksum, `Found previous dangling xattrs for file object '${this.#next.file}'`)
    }
    if (header.type === 'hardlink') {
      this.#next = { file: checksum, xattrs: linkedXattrs(header, type === 'xattrs') }
      return undefined
    }
    if (type === 'xattrs') throw fault(checksum, `Non-hardlink xattrs reference found for ${checksum}`)
    if (header.type !== 'file') throw fault(checksum, `Unexpected xattrs type '${header.type}' found for ${checksum}`)
    requireXattrs(header, checksum)
    return { kind: 'xattrs', expected: undefined, file: checksum }
  }

  #beginFile(object: StreamObject, header: TarHeader): Work {
    const { checksum } = object
    try {
      const next = this.#next
      this.#next = undefined
      if (next === undefined) throw fault(checksum, 'Missing xattrs reference')
      if (next.file !== checksum) throw fault(checksum, `Object mismatch, found xattrs for ${next.file}`)
      const known = this.#xattrs.get(next.xattrs)
      if (known === undefined) throw fault(checksum, `Failed to find xattrs content ${next.xattrs}`)
      this.#rules.accept(object, header)
      return { kind: 'file', checksum, header: this.#fileHeader(header, known, checksum) }
    } catch (error) {
      throw withContext(`Processing content object ${checksum}`, error)
    }
  }

  /**
   * Returns the header of a content object. The mode of a symbolic link is that of its entry, or else 0777: ostree-ext
   * takes every link for one of 0777, so its images hold such links under any mode.
   */
  #fileHeader(header: TarHeader, known: KnownXattrs, expected: Checksum): FileHeader {
    if (header.type !== 'symlink') return fileHeader(header, known)
    const usual = linkHeader(header, LINK_MODE, known.xattrs)
    if (header.mode === LINK_MODE) return usual
    const exported = linkHeader(header, header.mode, known.xattrs)
    return checksumFile(this.#platform, exported, EMPTY_BYTES) === expected ? exported : usual
  }

  /** Handles a whole entry. @param bytes its content, a view that is valid during the call */
  #take(work: Work, bytes: Uint8Array): void {
    if (work.kind === 'file') {
      this.#expect(this.#tx.writeFile({ header: work.header, size: bytes.length, body: bytes }, work.checksum))
    } else if (work.kind === 'xattrs') this.#takeXattrs(bytes, work.expected, work.file)
    else this.#takeMeta(work.object, new Uint8Array(bytes))
  }

  #takeMeta(object: StreamObject, bytes: Uint8Array): void {
    const { type, checksum } = object
    validateMeta(type as MetaType | 'commitmeta', bytes)
    const isTree = type === 'dirtree' || type === 'dirmeta'
    this.#expect(isTree ? this.#tx.writeMeta(type, bytes, checksum) : this.#rules.attached(object, bytes))
  }

  #takeXattrs(bytes: Uint8Array, expected: Checksum | undefined, file: Checksum | undefined): void {
    const checksum = this.#platform.sha256(bytes)
    if (expected !== undefined && expected !== checksum) {
      throw fault(expected, `Checksum mismatch, expected '${expected}' but computed '${checksum}'`)
    }
    if (!this.#xattrs.has(checksum)) {
      this.#xattrMemory += bytes.length + XATTR_OVERHEAD
      if (this.#xattrMemory > MAX_XATTR_MEMORY) throw new LimitError('memory of xattrs', MAX_XATTR_MEMORY)
      this.#xattrs.set(checksum, { xattrs: Xattrs.decode(new Uint8Array(bytes)), header: undefined })
    }
    if (file !== undefined) this.#next = { file, xattrs: checksum }
  }

  #expect(written: MaybePromise<unknown>): void {
    if (!(written instanceof Promise)) return
    const { offset, path } = this.#header as TarHeader
    this.#pending.push(
      written.catch((error: unknown) => {
        throw importFault(error, offset, path)
      }),
    )
  }

  #fault(error: unknown): unknown {
    const { offset, path } = this.#header as TarHeader
    return importFault(error, offset, path)
  }
}

/** Returns the header of a symbolic link. @param mode permission bits */
function linkHeader({ uid, gid, linkPath, size }: TarHeader, mode: number, xattrs: Xattrs): FileHeader {
  const target = decodeUtf8(linkPath)
  if (target === undefined) throw new FormatError('file', 'Archive entry linkname is not valid UTF-8')
  if (target === '') throw new FormatError('file', 'Symlink entry has no target')
  if (size > 0) throw new FormatError('file', 'Symlink entry has content')
  return checked({ uid, gid, mode: S_IFLNK | mode, target, xattrs })
}

/** Returns the header of a regular file. */
function fileHeader(header: TarHeader, known: KnownXattrs): FileHeader {
  const { uid, gid, type } = header
  if (type !== 'file') throw new FormatError('file', `Invalid tar entry of type ${type}`)
  const mode = S_IFREG | header.mode
  const last = known.header
  if (last !== undefined && last.uid === uid && last.gid === gid && last.mode === mode) return last
  known.header = checked({ uid, gid, mode, target: '', xattrs: known.xattrs })
  return known.header
}

function checked(header: FileHeader): FileHeader {
  validateFileHeader(header)
  return header
}

function linkedXattrs(header: TarHeader, isVersion0: boolean): Checksum {
  const target = displayUtf8(header.linkPath)
  if (isVersion0) return checksumOf(target.slice(target.lastIndexOf('/') + 1))
  const { checksum, type } = parseObjectPath(target)
  if (type !== 'file-xattrs') throw fault(checksum, `Unexpected xattrs type '${type}' found for ${checksum}`)
  return checksum
}

function requireXattrs(header: TarHeader, checksum: Checksum): void {
  if (header.type !== 'file') throw fault(checksum, `Invalid non-regular metadata object ${checksum}`)
  if (header.size > MAX_STREAM_XATTRS) {
    throw new LimitError('xattrs of a file', MAX_STREAM_XATTRS, `Invalid xattr size ${header.size}`)
  }
}

function tooLarge({ size, path }: TarHeader, limit: number): LimitError {
  const message = `object of size ${size} exceeds ${limit} bytes`
  return new LimitError('metadata object', limit, message, displayUtf8(path))
}

function fault(checksum: Checksum, message: string): FormatError {
  return new FormatError(checksum, message)
}

/** Turns an error about a name or about the structure of an object into one that has the offset in the stream. */
function importFault(error: unknown, offset: number, path: Uint8Array): unknown {
  const name = displayUtf8(path)
  const told = withContext(`Importing object ${name}`, error)
  if (!(told instanceof FormatError || told instanceof InvalidNameError)) return told
  return new TarFormatError(told.message, offset, name, { cause: error })
}
