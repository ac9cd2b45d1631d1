/**
 * A transaction whose objects travel to the transaction of another thread, in batches with their contents. It is for
 * stores that one thread writes: SQLite, memory. Nothing can be read back from it.
 */

import type { Checksum } from '../../bytes.ts'
import { UsageError } from '../../errors.ts'
import type { FileHeader, MetaType, ObjectName } from '../../objects/index.ts'
import type { Platform } from '../../platform/index.ts'
import type { Transaction } from '../core/interface.ts'
import type { LargeBody } from './incoming-file.ts'
import { BatchWriter, type ObjectBatch } from './object-batch.ts'
import { OpenTransaction, type TransactionBackend, type TransactionSettings } from './open-transaction.ts'

/** Objects of one type remembered as sent; those that are forgotten are sent again, and the store has them already. */
const MOST_SENT = 1 << 17

/** Sends batches to another thread. */
export interface BatchSender {
  /** Takes a batch over. */
  send(batch: ObjectBatch): void
  /** Returns a promise while the other thread lags behind. */
  drained(): Promise<void> | undefined
}

/** A transaction of a thread. */
export interface LaneTransaction {
  readonly tx: Transaction
  /** Sends the objects that are not sent yet. */
  flush(): void
  /** Takes the memory of a batch that is stored, to fill it again. */
  reuse(bytes: Uint8Array): void
}

/** Begins a transaction whose objects are sent with their contents. */
export function sendingTransaction(
  platform: Platform,
  settings: TransactionSettings,
  sender: BatchSender,
): LaneTransaction {
  const backend = new SendingBackend(sender)
  return {
    tx: new OpenTransaction(backend, platform, settings),
    flush: () => backend.flush(),
    reuse: (bytes) => backend.reuse(bytes),
  }
}

/** What the transactions of threads have in common: only their starter can read and publish. */
export abstract class LaneBackend implements TransactionBackend {
  protected readonly batches: BatchWriter
  readonly #sender: BatchSender

  constructor(sender: BatchSender) {
    this.#sender = sender
    this.batches = new BatchWriter((batch) => sender.send(batch))
  }

  /** Always false: objects that come twice are found when they are inserted. */
  has(_name: ObjectName): boolean {
    return false
  }

  readMeta(): never {
    throw notReadable()
  }

  readAttached(): never {
    throw notReadable()
  }

  statFile(): never {
    throw notReadable()
  }

  readFile(): never {
    throw notReadable()
  }

  abstract insertMeta(type: MetaType, checksum: Checksum, bytes: Uint8Array): boolean
  abstract insertFile(checksum: Checksum, header: FileHeader, framedHeader: Uint8Array, body: Uint8Array): boolean
  abstract openBody(header: FileHeader, framedHeader: Uint8Array, size: number): LargeBody

  drained(): Promise<void> | undefined {
    return this.#sender.drained()
  }

  flush(): void {
    this.batches.flush()
  }

  reuse(bytes: Uint8Array): void {
    this.batches.reuse(bytes)
  }

  publish(): never {
    throw new UsageError('The transaction of a thread is published by the thread that started it')
  }

  resume(): void {}

  end(): void | Promise<void> {}
}

function notReadable(): UsageError {
  return new UsageError('The transaction of a thread cannot be read')
}

class SendingBackend extends LaneBackend {
  /** By type. */
  readonly #sent: Readonly<Record<MetaType | 'file', Set<Checksum>>> = {
    file: new Set(),
    dirtree: new Set(),
    dirmeta: new Set(),
    commit: new Set(),
  }

  #isSent(type: MetaType | 'file', checksum: Checksum): boolean {
    const sent = this.#sent[type]
    if (sent.has(checksum)) return true
    if (sent.size >= MOST_SENT) sent.clear()
    sent.add(checksum)
    return false
  }

  override insertMeta(type: MetaType, checksum: Checksum, bytes: Uint8Array): boolean {
    const isSent = this.#isSent(type, checksum)
    if (isSent) this.batches.note('repeated-meta', '', 0)
    else this.batches.put(type, checksum, bytes)
    return !isSent
  }

  override insertFile(checksum: Checksum, header: FileHeader, _framed: Uint8Array, body: Uint8Array): boolean {
    const isSent = this.#isSent('file', checksum)
    if (isSent) this.batches.note('repeated-file', '', 0)
    else this.batches.put('file', checksum, body, header)
    return !isSent
  }

  override openBody(header: FileHeader, _framed: Uint8Array, size: number): LargeBody {
    this.batches.note('large', '', size, header)
    return {
      write: (bytes) => this.batches.put('piece', '', bytes),
      keep: (checksum) => {
        this.batches.note('end', checksum, 0)
        return true
      },
      // The layer has failed, and all that was sent of it is dropped.
      abort: () => {},
    }
  }
}
