/** One request under way: what ends it early, and how slow it may be. */
import type { Clock } from '../../platform/index.ts'

/** Slower than this is as good as dead. Times while nobody asks for bytes do not count. */
export interface SpeedLimit {
  /** Fewer bytes than this … */
  readonly bytes: number
  /** … in so many milliseconds. */
  readonly milliseconds: number
}

/** As ostree's own `low-speed-limit-bytes` and `low-speed-time-seconds`. */
export const DEFAULT_SPEED_LIMIT: SpeedLimit = { bytes: 1000, milliseconds: 30_000 }

/** The other side was silent, or as good as. */
export class TooSlow extends Error {}

/**
 * Ties a request to the caller's signal, and sets its reader free the moment either gives up: the runtime's own promise
 * may never settle.
 */
export class Lifeline {
  readonly #clock: Clock
  readonly #outer: AbortSignal | undefined
  readonly #controller = new AbortController()
  readonly #abort = () => this.#end(this.#outer?.reason)
  #reject: ((reason: unknown) => void) | undefined

  constructor(clock: Clock, outer: AbortSignal | undefined) {
    this.#clock = clock
    this.#outer = outer
    outer?.throwIfAborted()
    outer?.addEventListener('abort', this.#abort, { once: true })
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** As `pending`, but no longer than that. @throws {TooSlow}, the signal's reason */
  within<T>(milliseconds: number, message: string, pending: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const cancel = this.#clock.after(milliseconds, () => this.#end(new TooSlow(message)))
      this.#reject = reject
      const settle = () => {
        cancel()
        this.#reject = undefined
      }
      pending.then(
        (value) => {
          settle()
          resolve(value)
        },
        (error) => {
          settle()
          reject(error)
        },
      )
    })
  }

  /** Lets go of the connection, unless all of the answer has been read. */
  close(complete: boolean): void {
    this.#outer?.removeEventListener('abort', this.#abort)
    if (!complete) this.#controller.abort()
  }

  #end(reason: unknown): void {
    this.#reject?.(reason)
    this.#controller.abort(reason)
  }
}

/** The chunks of a body as fast as they come, but not slower than the limit. */
export class SpeedMeter {
  readonly #lifeline: Lifeline
  readonly #clock: Clock
  readonly #limit: SpeedLimit
  #waited = 0
  #bytes = 0

  constructor(lifeline: Lifeline, clock: Clock, limit: SpeedLimit) {
    this.#lifeline = lifeline
    this.#clock = clock
    this.#limit = limit
  }

  async next(from: AsyncIterator<Uint8Array>): Promise<IteratorResult<Uint8Array>> {
    const { bytes, milliseconds } = this.#limit
    const start = this.#clock.now()
    const message = `fewer than ${bytes} bytes in ${milliseconds / 1000} seconds`
    const next = await this.#lifeline.within(milliseconds - this.#waited, message, from.next())
    this.#waited += this.#clock.now() - start
    if (!next.done) this.#bytes += next.value.length
    // The time runs anew whenever enough came.
    if (this.#bytes >= bytes) {
      this.#waited = 0
      this.#bytes = 0
    }
    return next
  }
}
