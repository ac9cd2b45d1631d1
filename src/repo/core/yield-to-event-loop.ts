/**
 * Yields to the event loop. Operations on a store that answers synchronously, such as SQLite, have to do this now and
 * then: awaiting promises that are already resolved does not let timers and I/O run.
 */

const soon: (then: () => void) => unknown = globalThis.setImmediate ?? setTimeout

/** Lets pending timers and I/O callbacks run. @throws the reason of `signal` when it has been aborted */
export async function yieldToEventLoop(signal: AbortSignal | undefined): Promise<void> {
  // Twice, because the first immediate may run before the event loop has polled for I/O.
  for (let turn = 0; turn < 2; turn++) await new Promise<void>((resolve) => soon(resolve))
  signal?.throwIfAborted()
}

/** Steps between two returns to the event loop. A return takes as long as a few steps. */
const STEPS = 100

/**
 * Lets a loop over a store that answers synchronously be aborted: without returns to the event loop no timer runs that
 * aborts a signal, and no signal of the operating system is handled.
 *
 * @example
 * const pauses = new Pauses(signal)
 * for (const name of names) {
 *   const pause = pauses.next()
 *   if (pause !== undefined) await pause
 * }
 */
export class Pauses {
  readonly #signal: AbortSignal | undefined
  #steps = 0

  constructor(signal: AbortSignal | undefined) {
    this.#signal = signal
  }

  /** Counts a step. @returns a promise to wait for, now and then, if there is a signal. @throws the reason of the signal */
  next(): Promise<void> | undefined {
    if (this.#signal === undefined) return undefined
    this.#signal.throwIfAborted()
    return ++this.#steps % STEPS === 0 ? yieldToEventLoop(this.#signal) : undefined
  }
}
