/** A storage whose writes fail by plan, for tests of what programs leave behind. */

import { IoError } from '../errors.ts'
import type { FileSink, Storage, Transaction } from '../repo/index.ts'

/** Which writes fail. */
export interface FaultPlan {
  /** Number of the first write that fails, from 0. Default: none fails. */
  readonly failAt?: number | undefined
  /**
   * What fails from then on:
   *
   * - `once`   that write only, with the error EIO
   * - `full`   that write and all later ones, with ENOSPC; reading and deleting objects work
   * - `crash`  every later call, with EIO. Transactions are not ended, as if the process had been killed: open the data of
   *   the storage again for what is left
   *
   * Default `once`.
   */
  readonly kind?: 'once' | 'full' | 'crash' | undefined
}

/** A storage that fails by plan. */
export interface FaultyStorage {
  readonly storage: Storage
  /** Writes so far, those that failed included: the plans for all numbers below it fail at a different place each. */
  readonly writes: () => number
}

const OBJECT_WRITES: ReadonlySet<PropertyKey> = new Set(['setCommitState', 'writeAttached'])
/** Without `checkpoint` and `commit`, whose failure also ends the transaction. */
const TRANSACTION_WRITES: ReadonlySet<PropertyKey> = new Set([
  'writeMeta',
  'writeFile',
  'writeTrustedFile',
  'writeAttached',
  'linkFile',
  'adopt',
])
const NONE: ReadonlySet<PropertyKey> = new Set()

/**
 * Wraps a storage so that writes fail by plan. Writes are those of objects, refs, the configuration and named files,
 * checkpoints and commits; `setRef` and `setCommitState` of a transaction are part of its commit. Threads do not write to the result.
 * A test runs a program once without a plan, and then with each `failAt` below the number of writes that it counted.
 */
export function faultyStorage(storage: Storage, { failAt, kind = 'once' }: FaultPlan = {}): FaultyStorage {
  let writes = 0
  let crashed = false

  const requireAlive = (): void => {
    if (crashed) throw new IoError('The storage has crashed', 'EIO')
  }
  const countWrite = (): void => {
    requireAlive()
    const number = writes++
    if (failAt === undefined || number < failAt || (kind === 'once' && number > failAt)) return
    if (kind === 'full') throw new IoError('No space left on device', 'ENOSPC')
    crashed = kind === 'crash'
    throw new IoError('Input/output error', 'EIO')
  }

  /** Wraps an object whose methods called `counted` are writes. @param replace other members, by name */
  const guarded = <T extends object>(
    target: T,
    counted: ReadonlySet<PropertyKey>,
    replace: { readonly [K in keyof T]?: T[K] } = {},
  ): T =>
    new Proxy(target, {
      get(from, name) {
        if (Object.hasOwn(replace, name)) return replace[name as keyof T]
        const member = from[name as keyof T]
        if (typeof member !== 'function') return member
        return (...args: unknown[]) => {
          if (counted.has(name)) countWrite()
          else requireAlive()
          return member.apply(from, args)
        }
      },
    })

  const guardedSink = (sink: FileSink): FileSink =>
    guarded(sink, new Set(['finish']), {
      abort: () => {
        if (!crashed) sink.abort()
      },
    })

  const guardedTransaction = (tx: Transaction): Transaction => {
    const publish = async <R>(work: () => Promise<R>): Promise<R> => {
      try {
        countWrite()
      } catch (error) {
        // A transaction whose commit fails has ended.
        if (!crashed) await tx[Symbol.asyncDispose]()
        throw error
      }
      return work()
    }
    return guarded<Transaction>(tx, TRANSACTION_WRITES, {
      checkpoint: () => publish(() => tx.checkpoint()),
      commit: () => publish(() => tx.commit()),
      openFile: (...args) => {
        requireAlive()
        return guardedSink(tx.openFile(...args))
      },
      openLane: () => undefined,
      [Symbol.asyncDispose]: async () => {
        if (!crashed) await tx[Symbol.asyncDispose]()
      },
    })
  }

  const guardedLock = (lock: AsyncDisposable): AsyncDisposable =>
    guarded(lock, NONE, {
      [Symbol.asyncDispose]: async () => {
        if (!crashed) await lock[Symbol.asyncDispose]()
      },
    })

  const faulty = guarded<Storage>(storage, new Set(['writeConfig']), {
    objects: guarded(storage.objects, OBJECT_WRITES),
    ...(storage.files && { files: guarded(storage.files, new Set(['write'])) }),
    refs: guarded(storage.refs, new Set(['write'])),
    begin: async (options) => {
      requireAlive()
      return guardedTransaction(await storage.begin(options))
    },
    lock: async (...args) => {
      requireAlive()
      return guardedLock(await storage.lock(...args))
    },
    ...(storage.lockRefs && {
      lockRefs: async (...args: Parameters<NonNullable<Storage['lockRefs']>>) => {
        requireAlive()
        return guardedLock((await storage.lockRefs?.(...args)) as AsyncDisposable)
      },
    }),
    [Symbol.asyncDispose]: async () => {
      if (!crashed) await storage[Symbol.asyncDispose]()
    },
  })
  return { storage: faulty, writes: () => writes }
}
