/** Ends a running request early: when the caller aborts it, or when the server is too slow. */
import type { Clock } from '../../platform/index.ts'

/** The lowest speed of a download. Only time spent waiting for the server counts, not time between two reads. */
export interface SpeedLimit {
  /** Bytes that must arrive within `milliseconds` of waiting. */
  readonly bytes: number
  readonly milliseconds: number
}

/** The defaults of ostree's `low-speed-limit-bytes` and `low-speed-time-seconds`. */
export const DEFAULT_SPEED_LIMIT: SpeedLimit = { bytes: 1000, milliseconds: 30_000 }

/** The server did not answer in time, or sent fewer bytes than the speed limit asks for. */
export class TooSlow extends Error {}

/**
 * Connects a request with the caller's signal and with time limits. A read that waits is rejected as soon as either
 * ends the request, since the runtime's own promise may never settle.
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

  /** The signal for the request: it aborts when the request has to end. */
  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /**
   * Waits for `pending` for at most `milliseconds`.
   * @throws {TooSlow} with `message` when the time is over, which also aborts the request; the reason of the caller's
   *   signal when that aborts; what `pending` rejects with
   */
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

  /** Stops listening to the caller's signal. Aborts the request unless its answer is `complete`: read to the end. */
  close(complete: boolean): void {
    this.#outer?.removeEventListener('abort', this.#abort)
    if (!complete) this.#controller.abort()
  }

  #end(reason: unknown): void {
    this.#reject?.(reason)
    this.#controller.abort(reason)
  }
}

/** Reads the chunks of a body and enforces the speed limit. */
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

  /** Reads the next chunk. @throws {TooSlow} when the body arrives more slowly than the limit */
  async next(from: AsyncIterator<Uint8Array>): Promise<IteratorResult<Uint8Array>> {
    const { bytes, milliseconds } = this.#limit
    const start = this.#clock.now()
    const message = `fewer than ${bytes} bytes in ${milliseconds / 1000} seconds`
    const next = await this.#lifeline.within(milliseconds - this.#waited, message, from.next())
    this.#waited += this.#clock.now() - start
    if (!next.done) this.#bytes += next.value.length
    // The time starts again at zero each time that enough bytes have arrived.
    if (this.#bytes >= bytes) {
      this.#waited = 0
      this.#bytes = 0
    }
    return next
  }
}
