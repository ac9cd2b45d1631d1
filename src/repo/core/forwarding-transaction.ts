import type { Checksum, MaybePromise } from '../../bytes.ts'
import type { AttachedType, FileHeader, FileInfo, FileObject, MetaType, ObjectName } from '../../objects/index.ts'
import type {
  Adopted,
  CommitState,
  FileSink,
  ObjectStore,
  RefPath,
  RefTarget,
  StagedLane,
  Transaction,
  TransactionStats,
} from './interface.ts'

/** A transaction that forwards all calls to another one. Subclasses override the methods that they change. */
export class ForwardingTransaction implements Transaction {
  protected readonly tx: Transaction

  constructor(tx: Transaction) {
    this.tx = tx
  }

  get stats(): TransactionStats {
    return this.tx.stats
  }

  has(name: ObjectName): MaybePromise<boolean> {
    return this.tx.has(name)
  }

  readMeta(type: MetaType, checksum: Checksum): MaybePromise<Uint8Array> {
    return this.tx.readMeta(type, checksum)
  }

  readAttached(type: AttachedType, commit: Checksum): MaybePromise<Uint8Array | undefined> {
    return this.tx.readAttached(type, commit)
  }

  statFile(checksum: Checksum): MaybePromise<FileInfo> {
    return this.tx.statFile(checksum)
  }

  readFile(checksum: Checksum): MaybePromise<FileObject> {
    return this.tx.readFile(checksum)
  }

  writeMeta(type: MetaType, bytes: Uint8Array, expected?: Checksum): MaybePromise<Checksum> {
    return this.tx.writeMeta(type, bytes, expected)
  }

  writeAttached(type: AttachedType, commit: Checksum, bytes: Uint8Array | undefined): MaybePromise<void> {
    return this.tx.writeAttached(type, commit, bytes)
  }

  writeFile(file: FileObject, expected?: Checksum): MaybePromise<Checksum> {
    return this.tx.writeFile(file, expected)
  }

  writeTrustedFile(file: FileObject, checksum: Checksum): MaybePromise<Checksum> {
    return this.tx.writeTrustedFile(file, checksum)
  }

  openFile(header: FileHeader, size: number, expected?: Checksum): FileSink {
    return this.tx.openFile(header, size, expected)
  }

  adopt(from: ObjectStore, name: ObjectName, trusted: boolean): Adopted {
    return this.tx.adopt(from, name, trusted)
  }

  linkFile(path: string, header: FileHeader): MaybePromise<Checksum | undefined> {
    return this.tx.linkFile(path, header)
  }

  openLane(): StagedLane | undefined {
    return this.tx.openLane()
  }

  drained(): Promise<void> | undefined {
    return this.tx.drained()
  }

  setRef(path: RefPath, target: RefTarget | undefined): void {
    this.tx.setRef(path, target)
  }

  setCommitState(commit: Checksum, state: CommitState): void {
    this.tx.setCommitState(commit, state)
  }

  checkpoint(): Promise<void> {
    return this.tx.checkpoint()
  }

  commit(): Promise<TransactionStats> {
    return this.tx.commit()
  }

  [Symbol.asyncDispose](): PromiseLike<void> {
    return this.tx[Symbol.asyncDispose]()
  }
}
