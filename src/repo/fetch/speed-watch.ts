/**
 * Ends transfers that are too slow: those that wait for the server and receive fewer than so many bytes a second for so
 * many seconds in a row. One timer watches all transfers. Time in which the receiver is busy does not count.
 *
 * Source: libcurl, CURLOPT_LOW_SPEED_LIMIT and CURLOPT_LOW_SPEED_TIME; ostree-fetcher-curl.c.
 */

import type { Clock } from '../../platform/index.ts'

/** The lowest speed of a transfer. */
export interface LowSpeed {
  /** Bytes a second. 0 turns the check off. */
  readonly bytes: number
  readonly seconds: number
}

/** Defaults of ostree. */
export const DEFAULT_LOW_SPEED: LowSpeed = { bytes: 1000, seconds: 30 }

/** Milliseconds between two looks at the transfers. */
const INTERVAL = 1000

/** A transfer that is watched. */
export class WatchedTransfer {
  /** Bytes received since the last look. */
  bytes = 0
  /** Intervals in a row that were too slow. */
  slow = 0
  /** Fails the wait that is under way; `undefined` while the transfer does not wait for the server. */
  #fail: ((reason: unknown) => void) | undefined
  #reason: { readonly error: unknown } | undefined
  readonly #controller = new AbortController()

  /** Aborts the request. */
  get signal(): AbortSignal {
    return this.#controller.signal
  }

  get isWaiting(): boolean {
    return this.#fail !== undefined
  }

  /** Waits for the server. @throws what `pending` rejects with, or the reason of `end` as soon as that is called */
  wait<T>(pending: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#reason !== undefined) {
        pending.catch(() => {})
        reject(this.#reason.error)
        return
      }
      this.#fail = reject
      pending.then(
        (value) => {
          this.#fail = undefined
          resolve(value)
        },
        (error) => {
          this.#fail = undefined
          reject(error)
        },
      )
    })
  }

  /** Ends the transfer: aborts the request, and fails the wait that is under way or the next one. */
  end(error: unknown): void {
    this.#reason ??= { error }
    this.#fail?.(error)
    this.#fail = undefined
    this.#controller.abort()
  }
}

/** Watches transfers. */
export class SpeedWatch {
  readonly #clock: Clock
  readonly #limit: LowSpeed
  readonly #tooSlow: () => Error
  readonly #transfers = new Set<WatchedTransfer>()
  #cancel: (() => void) | undefined

  /** @param tooSlow makes the error of a transfer that is too slow */
  constructor(clock: Clock, limit: LowSpeed, tooSlow: () => Error) {
    this.#clock = clock
    this.#limit = limit
    this.#tooSlow = tooSlow
  }

  /** Begins to watch a transfer. */
  begin(): WatchedTransfer {
    const transfer = new WatchedTransfer()
    this.#transfers.add(transfer)
    if (this.#cancel === undefined && this.#limit.bytes > 0) this.#schedule()
    return transfer
  }

  /** Stops watching a transfer. */
  done(transfer: WatchedTransfer): void {
    this.#transfers.delete(transfer)
  }

  /** Ends all transfers. */
  endAll(error: unknown): void {
    for (const transfer of this.#transfers) transfer.end(error)
  }

  /** Stops the timer. To be called when no transfer follows. */
  close(): void {
    this.#cancel?.()
    this.#cancel = undefined
  }

  #schedule(): void {
    this.#cancel = this.#clock.after(INTERVAL, () => {
      this.#cancel = undefined
      this.#look()
      if (this.#transfers.size > 0) this.#schedule()
    })
  }

  #look(): void {
    const { bytes, seconds } = this.#limit
    for (const transfer of this.#transfers) {
      const isSlow = transfer.isWaiting && transfer.bytes < bytes
      transfer.bytes = 0
      transfer.slow = isSlow ? transfer.slow + 1 : 0
      if (transfer.slow >= seconds) transfer.end(this.#tooSlow())
    }
  }
}
