/**
 * Retries failed requests with exponential backoff. The delays are random, so that many clients do not retry all at
 * once.
 */
import type { Clock } from '../../platform/index.ts'
import { isRetryable, type RegistryError } from './errors.ts'

/** How often and when a failed request is repeated. The delay doubles each time, up to `maxDelay`. */
export interface RetryOptions {
  /** Retries after failures in a row. Default 4. */
  readonly retries?: number | undefined
  /** Delay before the first retry, in milliseconds. Default 1000. */
  readonly firstDelay?: number | undefined
  /** Longest delay, in milliseconds; it also limits the `Retry-After` of a registry. Default 60 000. */
  readonly maxDelay?: number | undefined
  /** Called before each delay, with the failure and the delay in milliseconds. */
  readonly onRetry?: ((error: RegistryError, delay: number) => void) | undefined
}

/** Retry options with the clock to wait by and the signal that ends the waiting. */
export interface RetrySurroundings extends RetryOptions {
  readonly clock: Clock
  readonly signal?: AbortSignal | undefined
}

/** Waits. @throws the signal's reason, as soon as it aborts */
export function sleep(clock: Clock, milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason)
    const abort = () => {
      cancel()
      reject(signal?.reason)
    }
    const cancel = clock.after(milliseconds, () => {
      signal?.removeEventListener('abort', abort)
      resolve()
    })
    signal?.addEventListener('abort', abort, { once: true })
  })
}

/** Counts failures in a row, and waits after each. */
export class Patience {
  readonly #around: RetrySurroundings
  #failures = 0

  constructor(around: RetrySurroundings) {
    this.#around = around
  }

  /** Sets the count of failures to zero. */
  reset(): void {
    this.#failures = 0
  }

  /**
   * Waits before the next attempt.
   * @throws `error` when it is not retryable or all retries are used up; the signal's reason when it aborts
   */
  async wait(error: unknown): Promise<void> {
    const { clock, signal, retries = 4, firstDelay = 1000, maxDelay = 60_000, onRetry } = this.#around
    signal?.throwIfAborted()
    if (!isRetryable(error) || this.#failures >= retries) throw error
    const most = Math.min(firstDelay * 2 ** this.#failures, maxDelay)
    const own = most / 2 + (clock.random() * most) / 2
    const delay = Math.min(Math.max(own, error.data.retryAfter ?? 0), maxDelay)
    this.#failures++
    onRetry?.(error, delay)
    await sleep(clock, delay, signal)
  }
}

/** Calls `work`, and again after each retryable failure. @throws as `Patience.wait` */
export async function withRetries<T>(around: RetrySurroundings, work: () => Promise<T>): Promise<T> {
  const patience = new Patience(around)
  for (;;) {
    try {
      return await work()
    } catch (error) {
      await patience.wait(error)
    }
  }
}

/**
 * Parses the header `Retry-After`, a number of seconds or a date. Source: RFC 9110, section 10.2.3.
 * @param now milliseconds since the epoch
 * @returns milliseconds from `now`; `undefined` when the header is absent or malformed
 */
export function parseRetryAfter(header: string | null, now: number): number | undefined {
  const text = header?.trim() ?? ''
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1000
  // An HTTP date begins with the name of a day. `Date.parse` would also accept some numbers.
  const date = /^[A-Za-z]{3}/.test(text) ? Date.parse(text) : Number.NaN
  return Number.isNaN(date) ? undefined : Math.max(0, date - now)
}
