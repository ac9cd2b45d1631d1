/** Waiting for a file that another process has locked. SQLite's own busy handler would block the thread. */

import type { MaybePromise } from '../../../bytes.ts'
import { RepoLockedError } from '../../../errors.ts'
import { isUnsettled } from './errors.ts'

/** Milliseconds between two attempts. */
const BUSY_POLL = 25
/** Seconds for which an error is not yet believed that another process can cause in passing. */
const SETTLING_TIME = 1

/**
 * Calls `work`, again and again while it throws RepoLockedError, until `timeout` is over; for a second at most while it
 * throws an error that `isUnsettled` names.
 * @param kind of lock that the error names
 * @param timeout seconds; 0 tries once, -1 never gives up
 * @returns a promise only if the first attempt failed
 * @throws {RepoLockedError} when the time is over; anything else that `work` throws
 */
export function withBusyRetry<T>(kind: 'shared' | 'exclusive', timeout: number, work: () => T): MaybePromise<T> {
  const start = performance.now()
  try {
    return work()
  } catch (error) {
    if (!mayTryAgain(error, timeout, start)) throw named(error, kind)
    return retry(kind, timeout, start, work)
  }
}

async function retry<T>(kind: 'shared' | 'exclusive', timeout: number, start: number, work: () => T): Promise<T> {
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, BUSY_POLL))
    try {
      return work()
    } catch (error) {
      if (!mayTryAgain(error, timeout, start)) throw named(error, kind)
    }
  }
}

/** @param start when the first attempt was made, by `performance.now()` */
function mayTryAgain(error: unknown, timeout: number, start: number): boolean {
  const seconds = (performance.now() - start) / 1000
  if (error instanceof RepoLockedError) return timeout < 0 || seconds < timeout
  return isUnsettled(error) && seconds < SETTLING_TIME
}

function named(error: unknown, kind: 'shared' | 'exclusive'): unknown {
  return error instanceof RepoLockedError ? new RepoLockedError(kind, { cause: error.cause }) : error
}
