/** A transaction whose writes are counted by a `StageClock`. */
import type { Checksum, MaybePromise } from '../../bytes.ts'
import type { FileHeader, FileObject, MetaType } from '../../objects/index.ts'
import type { FileSink, StagedLane, Storage, Transaction, TransactionStats } from '../../repo/index.ts'
import { ForwardingTransaction } from '../../repo/internal.ts'
import type { StageClock } from './stage-clock.ts'

/** Returns a storage that does what `storage` does, with transactions that are measured. */
export function timedStorage(storage: Storage, clock: StageClock): Storage {
  return new Proxy(storage, {
    get(target, key) {
      if (key === 'begin') {
        return async (...options: Parameters<Storage['begin']>) =>
          new TimedTransaction(await target.begin(...options), clock)
      }
      // Private members are only accessible with the storage itself as `this`.
      const value: unknown = Reflect.get(target, key, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

class TimedTransaction extends ForwardingTransaction {
  readonly #clock: StageClock

  constructor(tx: Transaction, clock: StageClock) {
    super(tx)
    this.#clock = clock
  }

  override writeMeta(type: MetaType, bytes: Uint8Array, expected?: Checksum): MaybePromise<Checksum> {
    return this.#clock.measure('write', () => this.tx.writeMeta(type, bytes, expected))
  }

  override writeFile(file: FileObject, expected?: Checksum): MaybePromise<Checksum> {
    return this.#clock.measure('write', () => this.tx.writeFile(file, expected))
  }

  override writeTrustedFile(file: FileObject, checksum: Checksum): MaybePromise<Checksum> {
    return this.#clock.measure('write', () => this.tx.writeTrustedFile(file, checksum))
  }

  override openFile(header: FileHeader, size: number, expected?: Checksum): FileSink {
    const clock = this.#clock
    const sink = clock.measure('write', () => this.tx.openFile(header, size, expected))
    return {
      write: (bytes) => clock.measure('write', () => sink.write(bytes)),
      finish: () => clock.measure('write', () => sink.finish()),
      abort: () => sink.abort(),
    }
  }

  /** Threads are not measured. */
  override openLane(): StagedLane | undefined {
    return undefined
  }

  override drained(): Promise<void> | undefined {
    const drained = this.tx.drained()
    return drained && this.#clock.measureAll('write', () => drained)
  }

  override checkpoint(): Promise<void> {
    return this.#clock.measureAll('sync', () => this.tx.checkpoint())
  }

  override commit(): Promise<TransactionStats> {
    return this.#clock.measureAll('sync', () => this.tx.commit())
  }
}
