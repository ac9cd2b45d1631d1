/**
 * Executes the operations of a part, which create the objects of its list one after another. Every number is checked
 * before it is used, and every object has to have its checksum. An object that is stored already is not written again,
 * but its operations are checked as far as that takes no reading.
 *
 * Memory: a buffer of 1 MiB each for blob and output, 256 KiB for the source, and one metadata object. Files of more than
 * 1 MiB are written in pieces.
 *
 * Source: ostree-repo-static-delta-processing.c, _ostree_static_delta_part_execute.
 */

import { type Checksum, decodeUtf8, SMALL_FILE, toHex } from '../../../bytes.ts'
import { FormatError, LimitError, withContext } from '../../../errors.ts'
import {
  type FileHeader,
  formatObjectName,
  isSymlink,
  MAX_METADATA_SIZE,
  S_IFMT,
  S_IFREG,
  validateFileHeader,
  validateMeta,
} from '../../../objects/index.ts'
import type { FileSink, Transaction } from '../../core/interface.ts'
import { BufferedAccess } from '../../core/scratch.ts'
import type { Repo } from '../../repo.ts'
import { OPERATIONS } from '../format.ts'
import type { DeltaObjectName, DeltaPartInfo } from '../superblock.ts'
import { bspatch } from './bspatch.ts'
import { Operations, requireRange, type Varuint } from './operations.ts'
import type { DeltaPayload } from './payload.ts'
import { ReadSource } from './read-source.ts'

const WHAT = 'static delta part'
/** Bytes of a checksum in the blob. */
const CHECKSUM_SIZE = 32
/** Longest target of a symbolic link, in bytes. Linux limits it to 4095. */
const MAX_TARGET = 1 << 16
const OPERATIONS_BUFFER = 1 << 16

export interface ExecuteOptions {
  readonly signal?: AbortSignal | undefined
  /** Whether the sizes in the superblock are known to be right: its byte order is declared. */
  readonly sizesKnown: boolean
}

/** The file that `open` has begun. */
interface OpenFile {
  readonly name: DeltaObjectName
  readonly size: number
  /** Absent if the object is stored already. */
  readonly sink: FileSink | undefined
}

export class PartExecutor {
  readonly #tx: Transaction
  readonly #payload: DeltaPayload
  readonly #options: ExecuteOptions
  readonly #operations: Operations
  readonly #blob: BufferedAccess
  readonly #names: Iterator<DeltaObjectName>
  readonly #source: ReadSource
  /** The source that is set, if it is not the blob. */
  #sourceChecksum: Checksum | undefined
  #file: OpenFile | undefined
  /** Bytes that the objects which are still to come may have, as the superblock says. */
  #left: bigint

  constructor(repo: Repo, tx: Transaction, part: DeltaPartInfo, payload: DeltaPayload, options: ExecuteOptions) {
    this.#tx = tx
    this.#payload = payload
    this.#options = options
    this.#operations = new Operations(new BufferedAccess(payload.access, OPERATIONS_BUFFER), payload.operations)
    this.#blob = new BufferedAccess(payload.access)
    this.#names = part.objects()[Symbol.iterator]()
    this.#source = new ReadSource(repo, tx)
    this.#left = part.unpacked
  }

  /**
   * Executes all operations.
   * @throws {FormatError}, {ChecksumMismatchError}, {ObjectNotFoundError} if the part is malformed, or does not create
   *   exactly the objects of its list
   */
  async run(): Promise<void> {
    try {
      for (let letter = this.#operations.next(); letter !== undefined; letter = this.#operations.next()) {
        this.#options.signal?.throwIfAborted()
        const pending = this.#execute(letter)
        if (pending !== undefined) await pending
      }
      if (this.#file !== undefined) throw new FormatError(WHAT, `The part ends within ${this.#file.name.checksum}`)
      const missing = this.#names.next()
      if (!missing.done) throw new FormatError(WHAT, `The part does not create ${formatObjectName(missing.value)}`)
    } finally {
      this.#file?.sink?.abort()
      this.#source[Symbol.dispose]()
    }
  }

  #execute(letter: number): Promise<void> | undefined {
    switch (letter) {
      case OPERATIONS.openSpliceAndClose:
        return within('open-splice-and-close', this.#openSpliceAndClose())
      case OPERATIONS.open:
        return within('open', this.#open())
      case OPERATIONS.write:
        return within('write', this.#write())
      case OPERATIONS.setReadSource:
        return within('set-read-source', this.#setReadSource())
      case OPERATIONS.unsetReadSource:
        this.#sourceChecksum = undefined
        return undefined
      case OPERATIONS.close:
        return within('close', this.#close())
      case OPERATIONS.bspatch:
        return this.#bspatch()
      default:
        throw new FormatError(WHAT, `Unknown opcode ${letter} at offset ${this.#operations.count - 1}`)
    }
  }

  async #openSpliceAndClose(): Promise<void> {
    const name = this.#nextName()
    const operations = this.#operations
    if (name.type === 'file') {
      const header = this.#header()
      const range = this.#range(operations.number(), () => operations.number())
      await this.#spliceFile(name.checksum, header, range)
      return
    }
    const { offset, length } = this.#range(operations.number(), () => operations.number())
    if (length > MAX_METADATA_SIZE) {
      throw new LimitError(`Size of ${formatObjectName(name)}`, MAX_METADATA_SIZE)
    }
    this.#count(length)
    if (await this.#tx.has(name)) return
    const bytes = this.#blob.copy(offset, length)
    try {
      validateMeta(name.type, bytes)
    } catch (error) {
      // The wrong bytes are more often the fault than the right bytes of a malformed object.
      await this.#tx.writeMeta(name.type, bytes, name.checksum)
      throw withContext(formatObjectName(name), error)
    }
    // Nothing is known of the tree of another commit than the target of the delta, which is stored already.
    if (name.type === 'commit') this.#tx.setCommitState(name.checksum, 'partial')
    await this.#tx.writeMeta(name.type, bytes, name.checksum)
  }

  async #spliceFile(
    checksum: Checksum,
    header: FileHeader,
    { offset, length }: { offset: number; length: number },
  ): Promise<void> {
    const link = isSymlink(header)
    if (!link) this.#count(length)
    if (await this.#tx.has({ checksum, type: 'file' })) return
    if (link) {
      await this.#tx.writeFile(
        { header: { ...header, target: this.#target(checksum, offset, length) }, size: 0, body: new Uint8Array(0) },
        checksum,
      )
    } else if (length <= SMALL_FILE) {
      await this.#tx.writeFile({ header, size: length, body: this.#blob.view(offset, length) }, checksum)
      await this.#tx.drained()
    } else {
      const sink = this.#tx.openFile(header, length, checksum)
      try {
        await this.#append(sink, this.#blob, offset, length)
        await sink.finish()
      } finally {
        sink.abort()
      }
    }
  }

  #target(checksum: Checksum, offset: number, length: number): string {
    if (length > MAX_TARGET) throw new LimitError(`Target of the symbolic link ${checksum} in bytes`, MAX_TARGET)
    const bytes = this.#blob.view(offset, length)
    const nul = bytes.indexOf(0)
    const target = decodeUtf8(nul < 0 ? bytes : bytes.subarray(0, nul))
    if (target === undefined) throw new FormatError(WHAT, `Invalid UTF-8 in the target of symbolic link ${checksum}`)
    return target
  }

  async #open(): Promise<void> {
    const name = this.#nextName()
    if (name.type !== 'file') throw new FormatError(WHAT, `${formatObjectName(name)} is not a file`)
    const header = this.#header()
    if ((header.mode & S_IFMT) !== S_IFREG) throw new FormatError(WHAT, `${name.checksum} is not a regular file`)
    const size = this.#operations.number()
    if (typeof size === 'bigint') throw new FormatError(WHAT, `Invalid content size ${size} of ${name.checksum}`)
    this.#count(size)
    const stored = await this.#tx.has(name)
    this.#file = { name, size, sink: stored ? undefined : this.#tx.openFile(header, size, name.checksum) }
  }

  async #write(): Promise<void> {
    const { sink } = this.#opened()
    const length = this.#operations.number()
    const offset = this.#operations.number()
    if (this.#sourceChecksum === undefined) {
      const range = requireRange(offset, length, this.#blobSize)
      if (sink) await this.#append(sink, this.#blob, this.#payload.blob.start + range.offset, range.length)
    } else if (sink) {
      const source = await this.#source.open(this.#sourceChecksum)
      if (length > source.size || offset > source.size - Number(length)) {
        throw new FormatError(WHAT, `Unexpected EOF reading object ${this.#sourceChecksum}`)
      }
      await this.#append(sink, source, Number(offset), Number(length))
    }
  }

  async #append(sink: FileSink, from: BufferedAccess, offset: number, length: number): Promise<void> {
    for (let at = 0; at < length; ) {
      const count = Math.min(from.most, length - at)
      sink.write(from.view(offset + at, count))
      at += count
      const pending = this.#tx.drained()
      if (pending !== undefined) await pending
    }
    this.#options.signal?.throwIfAborted()
  }

  async #setReadSource(): Promise<void> {
    const { offset, length } = requireRange(this.#operations.number(), CHECKSUM_SIZE, this.#blobSize)
    this.#sourceChecksum = toHex(this.#blob.view(this.#payload.blob.start + offset, length)) as Checksum
    // Opened by what reads it: an object that is stored already reads nothing.
  }

  async #close(): Promise<void> {
    const { sink } = this.#opened()
    await sink?.finish()
    this.#file = undefined
    this.#sourceChecksum = undefined
  }

  async #bspatch(): Promise<void> {
    const offset = this.#operations.number()
    const { offset: start, length } = this.#range(this.#operations.number(), () => offset)
    const { sink, size, name } = this.#opened()
    if (this.#sourceChecksum === undefined) {
      throw new FormatError(WHAT, `bsdiff patch failed: no source is set for ${name.checksum}`)
    }
    if (sink === undefined) return
    const source = await this.#source.open(this.#sourceChecksum)
    for (const piece of bspatch(source, this.#blob, { start, end: start + length }, size)) {
      sink.write(piece)
      const pending = this.#tx.drained()
      if (pending !== undefined) await pending
    }
    this.#options.signal?.throwIfAborted()
  }

  /** Returns the name of the object that comes next. @throws {FormatError} if the list has no more, or a file is open */
  #nextName(): DeltaObjectName {
    if (this.#file !== undefined) throw new FormatError(WHAT, `${this.#file.name.checksum} is still open`)
    const next = this.#names.next()
    if (next.done) throw new FormatError(WHAT, 'The part creates more objects than its list has')
    return next.value
  }

  #opened(): OpenFile {
    if (this.#file === undefined) throw new FormatError(WHAT, 'No file is open')
    return this.#file
  }

  /** Takes the indices of mode and xattrs. */
  #header(): FileHeader {
    const mode = this.#operations.number()
    const xattrs = this.#operations.number()
    const header = { ...this.#payload.mode(mode), target: '', xattrs: this.#payload.xattrs(xattrs) }
    validateFileHeader(header)
    return header
  }

  get #blobSize(): number {
    return this.#payload.blob.end - this.#payload.blob.start
  }

  /** Checks a range of the blob. @returns it as a range of the payload */
  #range(length: Varuint, takeOffset: () => Varuint): { offset: number; length: number } {
    const range = requireRange(takeOffset(), length, this.#blobSize)
    return { offset: this.#payload.blob.start + range.offset, length: range.length }
  }

  /** Counts the size of an object. @throws {FormatError} if all together are larger than the superblock says */
  #count(size: number): void {
    this.#left -= BigInt(size)
    if (this.#left >= 0n || !this.#options.sizesKnown) return
    throw new FormatError(WHAT, 'The objects of the part are larger than the superblock says')
  }
}

/** Names the operation in the message of an error. */
async function within(operation: string, work: Promise<void>): Promise<void> {
  try {
    await work
  } catch (error) {
    throw withContext(`opcode ${operation}`, error)
  }
}
