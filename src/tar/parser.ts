/**
 * Parses tar without I/O: `push` takes bytes and calls a `TarSink`.
 *
 * It reads v7, ustar, GNU and PAX archives with GNU's long names and all four layouts of sparse files. Malformed archives
 * are read as by libarchive, which libostree uses; see docs/formats/tar.md.
 */

import { displayUtf8, EMPTY_BYTES, plainBytes } from '../bytes.ts'
import { LimitError, TarFormatError } from '../errors.ts'
import { EntryReader, globalHeader } from './entry.ts'
import {
  Extensions,
  GNU_LONG_LINK,
  GNU_LONG_NAME,
  GNU_VOLUME_LABEL,
  PAX,
  PAX_GLOBAL,
  PAX_SOLARIS,
  SOLARIS_ACL,
} from './extensions.ts'
import { BLOCK, isChecksumRight, isZeroBlock, readNumber, SIZE, TYPEFLAG } from './header.ts'
import type { TarHeader, TarLimits, TarSink } from './interface.ts'
import { parsePax } from './pax.ts'
import { SparseExpander, type ZeroBudget } from './sparse-expander.ts'
import { holesIn, isSaneMap, MALFORMED, SparseMapReader } from './sparse-map.ts'

/** Default of `TarLimits.maxExtensionBytes`: 1 MiB. */
export const MAX_TAR_EXTENSION_BYTES: number = 1 << 20
/** Default of `TarLimits.maxFileBytes`: 8 TiB. */
export const MAX_TAR_FILE_BYTES: number = 2 ** 43
/** Default of `TarLimits.maxEntries`. */
export const MAX_TAR_ENTRIES = 10_000_000
/** Default of `TarLimits.maxHoleBytes`: 16 GiB. */
export const MAX_TAR_HOLE_BYTES: number = 2 ** 34

/** Zeros of sparse files that the sink receives in one call of `pushPart`, in bytes: 1 MiB. */
const ZEROS_AT_ONCE = 1 << 20

/** Limit on the extension headers of an entry: with its own header there are 32. */
const MAX_EXTENSIONS = 31

type State =
  /** At the start of a header block or the end. */
  | 'header'
  /** In the data of an extension header. */
  | 'extension'
  /** At a block with a part of a sparse map. */
  | 'sparse-map'
  /** In the data of an entry. */
  | 'data'
  /** In the hole at the end of a sparse file, whose data are read. */
  | 'hole'
  /** After the end of the archive. */
  | 'end'

/**
 * Parses a tar archive that is pushed in pieces. Headers given to the sink have memory of their own; data are views of
 * the pushed bytes.
 *
 * @example
 * const parser = new TarParser(sink)
 * for await (const chunk of stream) parser.push(chunk)
 * parser.finish()
 */
export class TarParser {
  readonly #sink: TarSink
  readonly #maxExtensionBytes: number
  readonly #maxFileBytes: number
  readonly #maxEntries: number
  readonly #maxHoleBytes: number
  readonly #allowMissingPadding: boolean
  readonly #reader = new EntryReader()

  #state: State = 'header'
  #failure: { readonly error: unknown } | undefined
  /** Number of bytes consumed. */
  #position = 0
  #entries = 0
  #holes = 0

  /** The part of a block that has been received, if it is split over several pieces. */
  readonly #partial: Uint8Array = new Uint8Array(BLOCK)
  readonly #partialView: DataView = new DataView(this.#partial.buffer)
  #partialLength = 0

  /** Bytes of the current entry's or extension's data that are missing. */
  #dataLeft = 0
  /** Bytes of padding after that data that are missing. */
  #paddingLeft = 0

  #extensions: Extensions | undefined
  #extension: Uint8Array = EMPTY_BYTES
  #extensionType = 0
  #extensionOffset = 0
  #globalHeader: TarHeader | undefined
  readonly #paxKeys: string[] = []

  #header: TarHeader | undefined
  #sparseMap: SparseMapReader | undefined
  #sparseMapBytes = 0
  #expander: SparseExpander | undefined
  readonly #zeros: ZeroBudget = { left: 0 }

  constructor(sink: TarSink, limits: TarLimits = {}) {
    this.#sink = sink
    this.#maxExtensionBytes = limits.maxExtensionBytes ?? MAX_TAR_EXTENSION_BYTES
    this.#maxFileBytes = Math.min(limits.maxFileBytes ?? MAX_TAR_FILE_BYTES, Number.MAX_SAFE_INTEGER)
    this.#maxEntries = limits.maxEntries ?? MAX_TAR_ENTRIES
    this.#maxHoleBytes = limits.maxHoleBytes ?? MAX_TAR_HOLE_BYTES
    this.#allowMissingPadding = limits.allowMissingPadding === true
  }

  /** Whether the end of the archive has been read. Bytes pushed after that are ignored. */
  get ended(): boolean {
    return this.#state === 'end'
  }

  /**
   * Parses the next piece of the archive and calls the sink. After an error, further calls throw the same error.
   *
   * Sparse files make the sink receive up to `TarLimits.maxHoleBytes` more than `bytes`: a sink that buffers is fed by
   * `pushPart`, or by `feed`.
   * @param bytes a piece of any size; not kept
   * @throws {TarFormatError} if the archive is malformed
   * @throws {LimitError} if it exceeds a limit
   * @throws what the sink throws
   */
  push(bytes: Uint8Array): void {
    for (let at: number | undefined = 0; at !== undefined; ) at = this.pushPart(bytes, at)
  }

  /**
   * Does a part of `push`: stops in a hole of a sparse file when the sink has received 1 MiB of zeros.
   * @param from where to go on in `bytes`
   * @returns `from` of the next call, which is due before any other piece is pushed; `undefined` when `bytes` are parsed
   * @throws as `push`
   */
  pushPart(bytes: Uint8Array, from = 0): number | undefined {
    if (this.#failure !== undefined) throw this.#failure.error
    try {
      return this.#take(plainBytes(bytes), from)
    } catch (error) {
      this.#failure = { error }
      throw error
    }
  }

  /**
   * Ends the archive. It has to be called at the end of the stream. The zero blocks at the end of an archive may be missing.
   * @throws {TarFormatError} if the archive is truncated
   */
  finish(): void {
    if (this.#failure !== undefined) throw this.#failure.error
    if (this.#state === 'end') return
    if (this.#partialLength > 0 && this.#position === this.#partialLength)
      throw this.#fault('Unrecognized archive format', 0)
    const lacksPadding = this.#paddingLeft > 0 && !this.#allowMissingPadding
    if (this.#state !== 'header' || this.#partialLength > 0 || lacksPadding)
      throw this.#fault('Truncated tar archive', this.#header?.offset ?? this.#extensions?.offset ?? this.#position)
    if (this.#extensions !== undefined) throw this.#fault('Damaged tar archive', this.#extensions.offset)
    this.#state = 'end'
  }

  /** Parses from `at` to the end. @returns the offset where it stopped in a hole, if it did */
  #take(bytes: Uint8Array, at: number): number | undefined {
    this.#zeros.left = ZEROS_AT_ONCE
    if (this.#state === 'hole') this.#endEntry()
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    while (this.#state !== 'hole' && at < bytes.length && this.#state !== 'end') {
      const available = bytes.length - at
      if (this.#paddingLeft > 0 && this.#dataLeft === 0) {
        const length = Math.min(this.#paddingLeft, available)
        this.#paddingLeft -= length
        this.#position += length
        at += length
      } else if (this.#dataLeft > 0 && (this.#state === 'data' || this.#state === 'extension')) {
        const length = Math.min(this.#dataLeft, available)
        const piece = length === bytes.length ? bytes : bytes.subarray(at, at + length)
        const taken = this.#expander === undefined ? length : this.#expander.write(piece)
        this.#dataLeft -= taken
        this.#position += taken
        at += taken
        if (taken < length) return at
        this.#data(piece)
      } else if (this.#partialLength === 0 && available >= BLOCK) {
        this.#position += BLOCK
        this.#block(bytes, view, at)
        at += BLOCK
      } else {
        const length = Math.min(BLOCK - this.#partialLength, available)
        this.#partial.set(bytes.subarray(at, at + length), this.#partialLength)
        this.#partialLength += length
        this.#position += length
        at += length
        if (this.#partialLength === BLOCK) {
          this.#partialLength = 0
          this.#block(this.#partial, this.#partialView, 0)
        }
      }
    }
    return this.#state === 'hole' ? at : undefined
  }

  #block(bytes: Uint8Array, view: DataView, at: number): void {
    if (this.#sparseMap !== undefined) this.#sparseBlock(this.#sparseMap, bytes, at)
    else this.#headerBlock(bytes, view, at, this.#position - BLOCK)
  }

  #headerBlock(bytes: Uint8Array, view: DataView, at: number, offset: number): void {
    if (bytes[at] === 0 && isZeroBlock(bytes, at)) {
      if (this.#extensions !== undefined) throw this.#fault('Damaged tar archive', this.#extensions.offset)
      this.#state = 'end'
      return
    }
    if (!isChecksumRight(bytes, view, at))
      throw this.#fault(offset === 0 ? 'Unrecognized archive format' : 'Damaged tar archive', offset)
    switch (bytes[at + TYPEFLAG]) {
      case PAX_GLOBAL:
        this.#reader.paxSeen = true
        this.#globalHeader = globalHeader(bytes, at, offset)
        this.#startExtension(bytes, at, offset)
        break
      case PAX:
      case PAX_SOLARIS:
        this.#reader.paxSeen = true
        this.#startExtension(bytes, at, offset)
        break
      case GNU_LONG_NAME:
      case GNU_LONG_LINK:
      case GNU_VOLUME_LABEL:
      case SOLARIS_ACL:
        this.#startExtension(bytes, at, offset)
        break
      default:
        this.#startEntry(bytes, at, offset)
    }
  }

  #startExtension(bytes: Uint8Array, at: number, offset: number): void {
    const type = bytes[at + TYPEFLAG] as number // inside the block
    // A volume label does not belong to the entry after it, and may be all that an archive has.
    if (type !== PAX_GLOBAL && type !== GNU_VOLUME_LABEL) {
      this.#extensions ??= new Extensions(offset)
      if (++this.#extensions.count > MAX_EXTENSIONS) throw this.#fault('Too many special headers', offset)
    }
    const size = readNumber(bytes, at + SIZE, 12)
    if (size < 0) throw this.#fault('Special header too large', offset)
    if (size > this.#maxExtensionBytes) throw new LimitError('tar extension header', this.#maxExtensionBytes)
    this.#extensionType = type
    this.#extensionOffset = offset
    this.#extension = this.#reader.arena.reserve(size)
    this.#state = 'extension'
    this.#expect(size)
    if (size === 0) this.#endExtension()
  }

  #endExtension(): void {
    const body = this.#extension
    const offset = this.#extensionOffset
    this.#extension = EMPTY_BYTES
    this.#state = 'header'
    const global = this.#globalHeader
    if (global !== undefined) {
      this.#globalHeader = undefined
      this.#countEntry(global)
      // These records are not applied to anything, so errors in them can be ignored.
      this.#sink.entry({ ...global, pax: parsePax(body, this.#paxKeys).records })
      this.#sink.end()
      return
    }
    if (this.#extensionType === GNU_VOLUME_LABEL) return
    const fault = this.#extensions?.add(this.#extensionType, body, this.#paxKeys)
    if (fault !== undefined) throw this.#fault(fault, offset)
  }

  #startEntry(bytes: Uint8Array, at: number, offset: number): void {
    const reader = this.#reader
    const header = reader.read(bytes, at, offset, this.#extensions)
    this.#extensions = undefined
    this.#countEntry(header)
    if (header.size > this.#maxFileBytes || reader.packed > this.#maxFileBytes) {
      const path = displayUtf8(header.path)
      throw new LimitError('tar entry', this.#maxFileBytes, `${path}: larger than ${this.#maxFileBytes} bytes`, path)
    }
    this.#header = header
    this.#expect(reader.packed)
    if (reader.sparse === undefined) {
      this.#openEntry(header)
      return
    }
    const map = new SparseMapReader(reader.sparse)
    if (map.rest === 'none') this.#openSparse(map, header)
    else {
      this.#sparseMap = map
      this.#sparseMapBytes = 0
      this.#state = 'sparse-map'
    }
  }

  #countEntry(header: TarHeader): void {
    if (++this.#entries > this.#maxEntries)
      throw new LimitError('tar entries', this.#maxEntries, undefined, displayUtf8(header.path))
  }

  #expect(size: number): void {
    this.#dataLeft = size
    this.#paddingLeft = (BLOCK - (size % BLOCK)) % BLOCK
  }

  #openEntry(header: TarHeader): void {
    this.#sink.entry(header)
    if (this.#dataLeft === 0) this.#endEntry()
    else this.#state = 'data'
  }

  #endEntry(): void {
    if (this.#expander?.finish() === false) {
      this.#state = 'hole'
      return
    }
    this.#expander = undefined
    this.#header = undefined
    this.#state = 'header'
    this.#sink.end()
  }

  #data(piece: Uint8Array): void {
    if (this.#state === 'extension') {
      this.#extension.set(piece, this.#extension.length - this.#dataLeft - piece.length)
      if (this.#dataLeft === 0) this.#endExtension()
      return
    }
    // The expander has passed the data of a sparse file on.
    if (this.#expander === undefined) this.#sink.data(piece)
    if (this.#dataLeft === 0) this.#endEntry()
  }

  #sparseBlock(reader: SparseMapReader, bytes: Uint8Array, at: number): void {
    const header = this.#header as TarHeader // the sparse file
    this.#sparseMapBytes += BLOCK
    if (this.#sparseMapBytes > this.#maxExtensionBytes)
      throw new LimitError('tar sparse map', this.#maxExtensionBytes, undefined, displayUtf8(header.path))
    if (reader.rest === 'body') this.#dataLeft -= BLOCK
    const complete = this.#dataLeft < 0 ? MALFORMED : reader.block(bytes, at)
    if (typeof complete === 'string') throw this.#fault(complete, header.offset)
    if (complete) this.#openSparse(reader, header)
  }

  #openSparse({ map }: SparseMapReader, header: TarHeader): void {
    this.#sparseMap = undefined
    if (!isSaneMap(map, header.size, this.#dataLeft)) throw this.#fault(MALFORMED, header.offset)
    this.#holes += holesIn(map, header.size)
    if (this.#holes > this.#maxHoleBytes)
      throw new LimitError('zeros in sparse files', this.#maxHoleBytes, undefined, displayUtf8(header.path))
    this.#expander = new SparseExpander(map, header.size, this.#sink, this.#zeros)
    this.#openEntry(header)
  }

  #fault(message: string, offset: number): TarFormatError {
    const header = this.#header
    return new TarFormatError(message, offset, header === undefined ? undefined : displayUtf8(header.path))
  }
}
