/** A clock whose time passes only when a test or a waiting program needs it. */

import type { Clock } from '../../platform/index.ts'

/**
 * A clock that jumps to its earliest timer as soon as the event loop has nothing else to do, so that delays of minutes take
 * no time. It suits programs whose other work is in memory: a timer may go off while a file is read. Use it as the `clock`
 * of a `Network`, and `now` of it wherever an option takes the time.
 */
export class FakeClock implements Clock {
  #now: number
  readonly #timers = new Set<{ readonly at: number; readonly callback: () => void }>()
  /** The next results of `random`, at least 0 and less than 1. */
  chance = 0.5

  /** @param start milliseconds since 1970-01-01 UTC. Default: the first day of 2030 */
  constructor(start: number = Date.UTC(2030, 0, 1)) {
    this.#now = start
  }

  /** Returns the time in milliseconds since 1970-01-01 UTC. */
  now(): number {
    return this.#now
  }

  /** Returns `chance`, the same number each time. */
  random(): number {
    return this.chance
  }

  /** Calls `callback` when the time has come. @returns a function that cancels the call */
  after(milliseconds: number, callback: () => void): () => void {
    const timer = { at: this.#now + milliseconds, callback }
    this.#timers.add(timer)
    setTimeout(() => this.#jump(), 0)
    return () => this.#timers.delete(timer)
  }

  /** Returns a promise that resolves after this time of the clock. */
  sleep(milliseconds: number): Promise<void> {
    return new Promise((resolve) => void this.after(milliseconds, resolve))
  }

  /** Advances the time. Timers go off later, in their order. @param milliseconds at least 0 */
  pass(milliseconds: number): void {
    this.#now += milliseconds
  }

  #jump(): void {
    let next: { readonly at: number; readonly callback: () => void } | undefined
    for (const timer of this.#timers) if (next === undefined || timer.at < next.at) next = timer
    if (next === undefined) return
    this.#timers.delete(next)
    this.#now = Math.max(this.#now, next.at)
    next.callback()
  }
}
