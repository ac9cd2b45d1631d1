/** Locks between the storages of one process that share a table. */

import { RepoLockedError } from '../../../errors.ts'

/** The locks that one holder has. */
interface Held {
  shared: number
  exclusive: number
}

/** A lock that any number of holders share, or that one holder has alone. One holder may take it again and again. */
export class TableLock {
  readonly #held = new Map<object, Held>()
  readonly #waiting = new Set<() => void>()

  /**
   * Takes the lock. Disposing the result releases it.
   * @param timeout seconds to wait; 0 does not wait, -1 waits forever
   * @throws {RepoLockedError} if other holders keep it longer
   */
  async take(holder: object, kind: keyof Held, timeout: number): Promise<AsyncDisposable> {
    const end = timeout < 0 ? Number.POSITIVE_INFINITY : performance.now() + timeout * 1000
    while (!this.#isFree(holder, kind)) {
      const left = end - performance.now()
      if (left <= 0) throw new RepoLockedError(kind)
      await this.#change(left)
    }
    const held = this.#held.get(holder) ?? { shared: 0, exclusive: 0 }
    this.#held.set(holder, held)
    held[kind]++
    let released = false
    return {
      [Symbol.asyncDispose]: async () => {
        if (released) return
        released = true
        held[kind]--
        if (held.shared + held.exclusive === 0) this.#held.delete(holder)
        for (const wake of this.#waiting) wake()
      },
    }
  }

  #isFree(holder: object, kind: keyof Held): boolean {
    for (const [other, { exclusive }] of this.#held) {
      if (other !== holder && (kind === 'exclusive' || exclusive > 0)) return false
    }
    return true
  }

  /** Waits until a lock is released, or for some milliseconds. */
  async #change(milliseconds: number): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined
    let wake = (): void => {}
    await new Promise<void>((resolve) => {
      wake = resolve
      this.#waiting.add(wake)
      if (milliseconds < 2 ** 31) timer = setTimeout(resolve, milliseconds)
    })
    clearTimeout(timer)
    this.#waiting.delete(wake)
  }
}
