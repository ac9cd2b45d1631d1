/**
 * Objects that one thread has made and another one stores, many at a time. Their contents lie one after another in a
 * buffer that is transferred, not copied; the columns have one element for each object.
 *
 *   kinds      sizes            headers         checksums
 *   file       content          index in list   CHECKSUM     content at the next place of `bytes`
 *   dirtree…   object           -               CHECKSUM     as above
 *   repeated   -                -               -            an object that came before
 *   large      content          index in list   -            a file, whose content follows in pieces
 *   piece      of the piece     -               -
 *   end        -                -               CHECKSUM     the large file is complete
 *
 * A thread that writes loose files itself sends no contents: then `file`, `dirtree` and so on say that the object lies in
 * its directory, and `stored` that the repository had it before.
 */

import { type Checksum, EMPTY_BYTES, SMALL_FILE } from '../../bytes.ts'
import { FormatError } from '../../errors.ts'
import type { FileHeader, MetaType } from '../../objects/index.ts'
import type { StagedLane, Transaction } from '../core/interface.ts'

/** Objects of a batch: few enough for a receiver that goes on with other work between two batches. */
const MOST_OBJECTS = 1024
/** Buffers kept to be filled again. */
const MOST_SPARE = 4

const KINDS = [
  'file',
  'dirtree',
  'dirmeta',
  'commit',
  'repeated-file',
  'repeated-meta',
  'large',
  'piece',
  'end',
  'stored-file',
  'stored-dirtree',
  'stored-dirmeta',
  'stored-commit',
] as const
type Kind = (typeof KINDS)[number]
const NUMBERS = Object.fromEntries(KINDS.map((kind, i) => [kind, i])) as Readonly<Record<Kind, number>>

/** Objects as they travel between threads: plain values. */
export interface ObjectBatch {
  readonly kinds: readonly number[]
  readonly checksums: readonly string[]
  /** Bytes. */
  readonly sizes: readonly number[]
  readonly headers: readonly number[]
  readonly list: readonly FileHeader[]
  readonly bytes: Uint8Array
}

/** Collects objects, and sends them when a batch is full. */
export class BatchWriter {
  readonly #send: (batch: ObjectBatch) => void
  #bytes: Uint8Array = EMPTY_BYTES
  #used = 0
  readonly #spare: Uint8Array[] = []
  #kinds: number[] = []
  #checksums: string[] = []
  #sizes: number[] = []
  #headers: number[] = []
  #list: FileHeader[] = []
  /** Index in #list of a header object: neighbouring files often share theirs. */
  readonly #known = new Map<FileHeader, number>()

  /** @param send takes a batch over; its buffer is not used again */
  constructor(send: (batch: ObjectBatch) => void) {
    this.#send = send
  }

  /** Adds an object without content. */
  note(kind: Kind, checksum: string, size: number, header?: FileHeader): void {
    if (this.#kinds.length >= MOST_OBJECTS) this.flush()
    this.#add(kind, checksum, size, header)
  }

  /** Adds an object, with a copy of its content. */
  put(kind: Kind, checksum: string, content: Uint8Array, header?: FileHeader): void {
    const end = this.#used + content.length
    if (this.#kinds.length >= MOST_OBJECTS || (end > this.#bytes.length && this.#used > 0)) this.flush()
    if (this.#used + content.length > this.#bytes.length) {
      this.#bytes = this.#spare.pop() ?? new Uint8Array(SMALL_FILE)
      if (content.length > this.#bytes.length) this.#bytes = new Uint8Array(content.length)
    }
    this.#bytes.set(content, this.#used)
    this.#used += content.length
    this.#add(kind, checksum, content.length, header)
  }

  #add(kind: Kind, checksum: string, size: number, header: FileHeader | undefined): void {
    this.#kinds.push(NUMBERS[kind])
    this.#checksums.push(checksum)
    this.#sizes.push(size)
    this.#headers.push(header === undefined ? -1 : this.#indexOf(header))
  }

  #indexOf(header: FileHeader): number {
    let index = this.#known.get(header)
    if (index === undefined) {
      index = this.#list.push(compact(header)) - 1
      this.#known.set(header, index)
    }
    return index
  }

  /** Takes the memory of a batch, to fill it again. */
  reuse({ buffer }: Uint8Array): void {
    if (buffer.byteLength === SMALL_FILE && this.#spare.length < MOST_SPARE) this.#spare.push(new Uint8Array(buffer))
  }

  /** Sends the objects that were added since the last batch. */
  flush(): void {
    if (this.#kinds.length === 0) return
    const bytes = this.#used === 0 ? EMPTY_BYTES : this.#bytes.subarray(0, this.#used)
    const [kinds, checksums, sizes] = [this.#kinds, this.#checksums, this.#sizes]
    const batch: ObjectBatch = { kinds, checksums, sizes, headers: this.#headers, list: this.#list, bytes }
    if (this.#used > 0) this.#bytes = EMPTY_BYTES
    this.#used = 0
    this.#kinds = []
    this.#checksums = []
    this.#sizes = []
    this.#headers = []
    this.#list = []
    this.#known.clear()
    this.#send(batch)
  }
}

/** Copies xattrs: cloning a view clones its whole buffer, which may be a chunk of a tar archive. */
function compact(header: FileHeader): FileHeader {
  if (header.xattrs.length === 0) return header
  const xattrs = header.xattrs.map(([name, value]) => [new Uint8Array(name), new Uint8Array(value)] as const)
  return { ...header, xattrs }
}

/**
 * Stores the objects of one thread's batches in a transaction, in their order, as if they were written to it one by one:
 * the statistics count them alike.
 */
export class BatchReader {
  readonly #tx: Transaction
  readonly #lane: StagedLane | undefined
  #sink: ReturnType<Transaction['openFile']> | undefined

  /** @param lane the directory that the thread writes to, if it does */
  constructor(tx: Transaction, lane: StagedLane | undefined) {
    this.#tx = tx
    this.#lane = lane
  }

  /** Stores a batch. */
  async take({ kinds, checksums, sizes, headers, list, bytes }: ObjectBatch): Promise<void> {
    let at = 0
    for (let i = 0; i < kinds.length; i++) {
      const kind = KINDS[kinds[i] as number] as Kind
      const size = sizes[i] as number
      const header = list[headers[i] as number]
      const checksum = checksums[i] as Checksum
      if (this.#lane !== undefined) this.#takeStaged(this.#lane, kind, { checksum, size, header })
      else {
        const taken = this.#take(kind, checksum, header, size, bytes.subarray(at, at + size))
        if (taken !== undefined) await taken
        if (kind !== 'large') at += size
      }
    }
    await this.#tx.drained()
  }

  #takeStaged(
    lane: StagedLane,
    kind: Kind,
    object: { checksum: Checksum; size: number; header?: FileHeader | undefined },
  ) {
    if (this.#isRepeated(kind)) return
    const stored = kind.startsWith('stored-')
    const type = (stored ? kind.slice('stored-'.length) : kind) as MetaType | 'file'
    lane.take({ type, stored, ...object })
  }

  #isRepeated(kind: Kind): boolean {
    const { stats } = this.#tx
    if (kind === 'repeated-file') stats.contentTotal++
    else if (kind === 'repeated-meta') stats.metadataTotal++
    else return false
    return true
  }

  #take(
    kind: Kind,
    checksum: Checksum,
    header: FileHeader | undefined,
    size: number,
    content: Uint8Array,
  ): Promise<unknown> | undefined {
    if (this.#isRepeated(kind)) return undefined
    let written: unknown
    switch (kind) {
      case 'file':
        // The thread has computed the checksum of these bytes.
        written = this.#tx.writeTrustedFile({ header: header as FileHeader, size, body: content }, checksum)
        break
      case 'large':
        this.#sink = this.#tx.openFile(header as FileHeader, size)
        break
      case 'piece':
        this.#sink?.write(content)
        break
      case 'end':
        written = this.#finish(checksum)
        break
      default:
        written = this.#tx.writeMeta(kind as MetaType, content, checksum)
    }
    return written instanceof Promise ? written : undefined
  }

  async #finish(expected: Checksum): Promise<void> {
    const checksum = await this.#sink?.finish()
    this.#sink = undefined
    if (checksum !== expected) throw new FormatError('file', `Content of ${expected} has changed between threads`)
  }

  /** Drops a half-written file after a failure. May be repeated. */
  abort(): void {
    this.#sink?.abort()
    this.#sink = undefined
  }
}
