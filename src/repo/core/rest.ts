/** For operations on stores that answer at once: without a rest now and then nothing else would get its turn. */

const soon: (then: () => void) => unknown = globalThis.setImmediate ?? setTimeout

/** Lets the caller's timers run and a signal arrive. @throws what `signal` was aborted with */
export async function rest(signal: AbortSignal | undefined): Promise<void> {
  // The first may come round before the loop of the runtime has looked whether anything has happened.
  for (let turn = 0; turn < 2; turn++) await new Promise<void>((resolve) => soon(resolve))
  signal?.throwIfAborted()
}
