/**
 * The locks of a repository directory:
 *
 *   .lock        shared for transactions, exclusive for prune
 *   .refs.lock   exclusive while refs are chosen and set, by transactions that hold the other one shared
 *
 * With the native provider the first one is the lock that libostree takes, so that the two programs exclude each other.
 * Without it locks work only between storages of this process: Node itself has no call for a lock that libostree
 * respects. The kernel releases the locks of a process that ends.
 *
 * Source: ostree-repo.c, ostree_repo_lock_push, do_repo_lock.
 */

import { closeSync, constants, openSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { RepoLockedError } from '../../../errors.ts'
import { withIo } from '../../../system/errno.ts'
import type { LockKind, Native } from '../../../system/native.ts'

/** Milliseconds of the first pause between attempts, and of the longest; libostree tries once a second. */
const FIRST_PAUSE = 10
const LONGEST_PAUSE = 500

const OPEN_FLAGS = constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW

/** Takes the lock for a whole storage. `RepoLock` counts the holders in it. */
export interface Locker {
  /** Changes the lock to another kind. @returns `false` if another storage or process prevents that */
  try(kind: LockKind | 'none'): boolean
  close(): void
}

/** Locks a file in a directory, created if it is missing, with the lock of libostree. */
export function fileLocker(path: string, name: string, native: Native): Locker {
  let fd: number | undefined
  return {
    try(kind) {
      if (fd === undefined && kind === 'none') return true
      fd ??= withIo(name, () => openSync(`${path}/${name}`, OPEN_FLAGS, 0o660))
      return native.lock(fd, kind)
    },
    close() {
      if (fd !== undefined) closeSync(fd)
      fd = undefined
    },
  }
}

/** Locks nothing: for `core.locking=false`, and repositories that cannot be written. */
export const noLocker: Locker = { try: () => true, close() {} }

const holders = new Map<string, Map<object, LockKind>>()

/** Excludes other storages of this process. @param identity the same for every storage that uses the lock */
export function processLocker(identity: string): Locker {
  const me = {}
  let held = holders.get(identity)
  if (held === undefined) {
    held = new Map()
    holders.set(identity, held)
  }
  const all = held
  return {
    try(kind) {
      if (kind !== 'none') {
        for (const [holder, other] of all) {
          if (holder !== me && (kind === 'exclusive' || other === 'exclusive')) return false
        }
        all.set(me, kind)
      } else {
        all.delete(me)
      }
      return true
    },
    close: () => void all.delete(me),
  }
}

/** The lock of one storage: counts its holders, and keeps it as strong as the strongest of them needs. */
export class RepoLock {
  readonly #makeLocker: () => Locker
  #locker: Locker | undefined
  #shared = 0
  #exclusive = 0
  #closed = false

  /** @param makeLocker called for the first `acquire` */
  constructor(makeLocker: () => Locker) {
    this.#makeLocker = makeLocker
  }

  get exclusive(): boolean {
    return this.#exclusive > 0
  }

  /**
   * Takes the lock; disposing the result, which may be done twice, releases it.
   * @param timeout seconds to wait; 0 does not wait, -1 waits forever
   * @param mayTake called before each attempt; `false` if this storage itself prevents the lock
   * @throws {RepoLockedError}, {IoError}
   */
  async acquire(kind: LockKind, timeout: number, mayTake: () => boolean = () => true): Promise<AsyncDisposable> {
    const deadline = timeout < 0 ? Number.POSITIVE_INFINITY : performance.now() + timeout * 1000
    for (let pause = FIRST_PAUSE; !this.#tryAcquire(kind, mayTake); pause = Math.min(2 * pause, LONGEST_PAUSE)) {
      const left = deadline - performance.now()
      if (left <= 0) throw new RepoLockedError(kind)
      await sleep(Math.min(pause, left))
    }
    let held = true
    return {
      [Symbol.asyncDispose]: async () => {
        if (held) this.#release(kind)
        held = false
      },
    }
  }

  /** Releases everything; later calls of `acquire` fail. */
  close(): void {
    this.#closed = true
    this.#locker?.close()
  }

  #tryAcquire(kind: LockKind, mayTake: () => boolean): boolean {
    if (this.#closed) throw new RepoLockedError(kind)
    if (!mayTake()) return false
    const covered = this.#exclusive > 0 || (kind === 'shared' && this.#shared > 0)
    this.#locker ??= this.#makeLocker()
    if (!covered && !this.#locker.try(kind)) return false
    if (kind === 'shared') this.#shared++
    else this.#exclusive++
    return true
  }

  #release(kind: LockKind): void {
    const before = this.#held()
    if (kind === 'shared') this.#shared--
    else this.#exclusive--
    const after = this.#held()
    if (after !== before && !this.#closed) this.#locker?.try(after)
  }

  #held(): LockKind | 'none' {
    return this.#exclusive > 0 ? 'exclusive' : this.#shared > 0 ? 'shared' : 'none'
  }
}
