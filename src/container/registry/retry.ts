/**
 * Asking again: after a while that doubles each time and is never quite the same, so that a crowd of clients does not
 * come back as one.
 */
import type { Clock } from '../../platform/index.ts'
import { isRetryable, type RegistryError } from './errors.ts'

/** How often and when a failed request is repeated. The delay doubles each time, up to `maxDelay`. */
export interface RetryOptions {
  /** How often to ask again before giving up. Default 4. */
  readonly retries?: number | undefined
  /** Milliseconds before the first retry. Default 1000. */
  readonly firstDelay?: number | undefined
  /** Milliseconds; also of what a registry may ask for. Default 60 000. */
  readonly maxDelay?: number | undefined
  /** Hears why, and what is waited for. */
  readonly onRetry?: ((error: RegistryError, delay: number) => void) | undefined
}

export interface RetrySurroundings extends RetryOptions {
  readonly clock: Clock
  readonly signal?: AbortSignal | undefined
}

/** @throws the signal's reason, at once */
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

/** Counts failures in a row, and waits between them. */
export class Patience {
  readonly #around: RetrySurroundings
  #failures = 0

  constructor(around: RetrySurroundings) {
    this.#around = around
  }

  /** There was progress: what failed before does not count any more. */
  reset(): void {
    this.#failures = 0
  }

  /** Returns when it is time to ask again. @throws `error` when asking again would not help, or has not helped */
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
 * What `Retry-After` asks for: seconds, or a date.
 * @returns milliseconds from now; `undefined` when it says nothing
 */
export function parseRetryAfter(header: string | null, now: number): number | undefined {
  const text = header?.trim() ?? ''
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1000
  // A date has letters; `Date.parse` makes something of many a number.
  const date = /^[A-Za-z]{3}/.test(text) ? Date.parse(text) : Number.NaN
  return Number.isNaN(date) ? undefined : Math.max(0, date - now)
}
