/**
 * The locks of a repository in IndexedDB: Web Locks, which work between the pages and workers of one origin and end with
 * them. Where a runtime has none (Node 20, pages that are not a secure context) they work within one page or worker only.
 */

import { RepoLockedError } from '../../../errors.ts'
import { TableLock } from '../table/lock.ts'

export type LockKind = 'shared' | 'exclusive'

/** A lock of one handle, which may take it again and again. */
export interface HandleLock {
  /**
   * Takes the lock. Disposing the result, which may be done twice, releases it.
   * @param timeout seconds to wait; 0 does not wait, -1 waits forever
   * @throws {RepoLockedError} if other handles keep it longer
   */
  take(kind: LockKind, timeout: number): Promise<AsyncDisposable>
}

const local = new Map<string, TableLock>()

/** Returns a lock of a new handle. All handles of one name exclude each other. */
export function createHandleLock(name: string): HandleLock {
  const manager = globalThis.navigator?.locks
  if (manager !== undefined) return new WebLock(manager, name)
  const lock = local.get(name) ?? new TableLock()
  local.set(name, lock)
  const holder = {}
  return { take: (kind, timeout) => lock.take(holder, kind, timeout) }
}

class WebLock implements HandleLock {
  readonly #manager: LockManager
  readonly #name: string
  readonly #held = { shared: 0, exclusive: 0 }
  #level: LockKind | undefined
  #release: () => Promise<void> = async () => {}
  /** Settles when the last change of the level has ended. */
  #turn: Promise<void> = Promise.resolve()

  constructor(manager: LockManager, name: string) {
    this.#manager = manager
    this.#name = name
  }

  async take(kind: LockKind, timeout: number): Promise<AsyncDisposable> {
    await this.#next(() => this.#raise(kind, timeout))
    let released = false
    return {
      [Symbol.asyncDispose]: async () => {
        if (released) return
        released = true
        await this.#next(() => this.#lower(kind))
      },
    }
  }

  #next(work: () => Promise<void>): Promise<void> {
    const done = this.#turn.then(work)
    this.#turn = done.catch(() => {})
    return done
  }

  async #raise(kind: LockKind, timeout: number): Promise<void> {
    if (this.#level === undefined) await this.#obtain(kind, timeout)
    else if (this.#level === 'shared' && kind === 'exclusive') {
      // A lock cannot be raised: it is released, and taken again if it cannot become exclusive.
      await this.#drop()
      try {
        await this.#obtain('exclusive', timeout)
      } catch (error) {
        await this.#obtain('shared', -1)
        throw error
      }
    }
    this.#held[kind]++
  }

  async #lower(kind: LockKind): Promise<void> {
    this.#held[kind]--
    if (this.#held.shared + this.#held.exclusive === 0) await this.#drop()
  }

  async #drop(): Promise<void> {
    this.#level = undefined
    await this.#release()
  }

  async #obtain(mode: LockKind, timeout: number): Promise<void> {
    const signal = timeout > 0 ? AbortSignal.timeout(Math.min(timeout * 1000, 2 ** 31 - 1)) : undefined
    const options = { mode, ...(signal && { signal }), ...(timeout === 0 && { ifAvailable: true }) }
    const release = await new Promise<() => void>((resolve, reject) => {
      const ended = this.#manager.request(this.#name, options, (lock) => {
        if (lock === null) throw new RepoLockedError(mode)
        return new Promise<void>((end) => resolve(end))
      })
      ended.catch((cause) => reject(signal?.aborted ? new RepoLockedError(mode, { cause }) : cause))
      this.#release = () => {
        release()
        return ended
      }
    })
    this.#level = mode
  }
}
