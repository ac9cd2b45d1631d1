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
