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

/**
 * The longest time that the server may keep a request waiting altogether, however steadily a few bytes arrive or are
 * taken: `milliseconds`, and for the bytes transferred so far the time that they take at `bytesPerSecond`.
 */
export interface TimeLimit {
  readonly milliseconds: number
  readonly bytesPerSecond: number
}

/** Ten minutes, and 10 kB a second beyond that. */
export const DEFAULT_TIME_LIMIT: TimeLimit = { milliseconds: 600_000, bytesPerSecond: 10_000 }

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
   * @throws {TooSlow} with `message` when the time is over, which also aborts the request; as `settled`
   */
  async within<T>(milliseconds: number, message: string, pending: Promise<T>): Promise<T> {
    const cancel = this.limit(milliseconds, message)
    try {
      return await this.settled(pending)
    } finally {
      cancel()
    }
  }

  /** Ends the request after `milliseconds` with a `TooSlow` error. @returns a function that cancels this */
  limit(milliseconds: number, message: string): () => void {
    return this.#clock.after(milliseconds, () => this.#end(new TooSlow(message)))
  }

  /** Waits for `pending`. @throws what it rejects with; as soon as the request has to end, the reason of that */
  settled<T>(pending: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#reject = reject
      const settle = () => {
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

/** Counts the time that a peer keeps a transfer waiting altogether. */
class Allowance {
  readonly #limit: TimeLimit
  #left: number

  constructor(limit: TimeLimit) {
    this.#limit = limit
    this.#left = limit.milliseconds
  }

  /** Milliseconds that are left. */
  get left(): number {
    return Math.max(0, this.#left)
  }

  /** @param waited milliseconds */
  spend(waited: number, bytes: number): void {
    this.#left += (bytes / this.#limit.bytesPerSecond) * 1000 - waited
  }

  get message(): string {
    const { milliseconds, bytesPerSecond } = this.#limit
    return `fewer than ${bytesPerSecond} bytes a second, and ${milliseconds / 1000} seconds are over`
  }
}

/** Reads the chunks of a body and enforces the limits of speed and time. */
export class SpeedMeter {
  readonly #lifeline: Lifeline
  readonly #clock: Clock
  readonly #limit: SpeedLimit
  readonly #allowance: Allowance
  #waited = 0
  #bytes = 0

  constructor(lifeline: Lifeline, clock: Clock, speed: SpeedLimit, time: TimeLimit) {
    this.#lifeline = lifeline
    this.#clock = clock
    this.#limit = speed
    this.#allowance = new Allowance(time)
  }

  /** Reads the next chunk. @throws {TooSlow} when the body arrives more slowly than a limit */
  async next(from: AsyncIterator<Uint8Array>): Promise<IteratorResult<Uint8Array>> {
    const { bytes, milliseconds } = this.#limit
    const start = this.#clock.now()
    const { left, message } = this.#allowance
    const most = milliseconds - this.#waited
    const next = await (left < most
      ? this.#lifeline.within(left, message, from.next())
      : this.#lifeline.within(most, `fewer than ${bytes} bytes in ${milliseconds / 1000} seconds`, from.next()))
    const waited = this.#clock.now() - start
    const length = next.done ? 0 : next.value.length
    this.#waited += waited
    this.#bytes += length
    this.#allowance.spend(waited, length)
    // The time starts again at zero each time that enough bytes have arrived.
    if (this.#bytes >= bytes) {
      this.#waited = 0
      this.#bytes = 0
    }
    return next
  }
}

/** Bytes of a body that are sent before the server's progress is looked at. */
const SLICE: number = 64 * 1024

/**
 * A body that is sent as a stream, with limits for the time in which the server does not take the next bytes. Time that
 * the body's own source needs does not count.
 */
export class SentBody implements AsyncIterable<Uint8Array> {
  readonly #source: AsyncIterable<Uint8Array>
  readonly #lifeline: Lifeline
  readonly #clock: Clock
  readonly #most: number
  readonly #allowance: Allowance
  #cancel: () => void
  #stopped = false

  /** @param most milliseconds that the server may take for 64 KiB, and until its answer begins once it has all bytes */
  constructor(
    source: AsyncIterable<Uint8Array>,
    lifeline: Lifeline,
    clock: Clock,
    { most, time }: { readonly most: number; readonly time: TimeLimit },
  ) {
    this.#source = source
    this.#lifeline = lifeline
    this.#clock = clock
    this.#most = most
    this.#allowance = new Allowance(time)
    this.#cancel = this.#lifeline.limit(most, `no connection within ${most / 1000} seconds`)
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    this.#cancel()
    for await (const chunk of this.#source) {
      for (let at = 0; at < chunk.length; at += SLICE) {
        const slice = chunk.subarray(at, at + SLICE)
        const start = this.#clock.now()
        const { left, message } = this.#allowance
        const silence = `the server took nothing for ${this.#most / 1000} seconds`
        this.#wait(Math.min(left, this.#most), left < this.#most ? message : silence)
        yield slice
        this.#cancel()
        this.#allowance.spend(this.#clock.now() - start, slice.length)
      }
    }
    this.#wait(this.#most, `no answer within ${this.#most / 1000} seconds`)
  }

  #wait(milliseconds: number, message: string): void {
    this.#cancel = this.#stopped ? () => {} : this.#lifeline.limit(milliseconds, message)
  }

  /** Ends all limits, because the answer has begun or the request has failed. */
  stop(): void {
    this.#stopped = true
    this.#cancel()
  }
}
