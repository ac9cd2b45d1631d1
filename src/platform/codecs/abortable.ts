/**
 * Makes reading `from` fail with the signal's reason as soon as it is aborted, even while a chunk is awaited. The source's
 * iterator is then returned without waiting for it, because it may never respond.
 */
export function abortable<T>(from: AsyncIterable<T>, signal: AbortSignal | undefined): AsyncIterable<T> {
  return signal === undefined ? from : race(from, signal)
}

async function* race<T>(from: AsyncIterable<T>, signal: AbortSignal): AsyncGenerator<T, void, undefined> {
  const source = from[Symbol.asyncIterator]()
  let abort = () => {}
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(signal.reason)
  })
  // Avoids an unhandled rejection while no race is running.
  aborted.catch(() => {})
  signal.addEventListener('abort', abort, { once: true })
  let ended = false
  try {
    signal.throwIfAborted()
    for (;;) {
      const next = await Promise.race([source.next(), aborted])
      if (next.done) break
      yield next.value
    }
    ended = true
  } catch (error) {
    // If the source itself has failed, it has ended and is not returned.
    ended = !signal.aborted
    throw error
  } finally {
    signal.removeEventListener('abort', abort)
    if (!ended) {
      const returned = source.return?.()
      if (signal.aborted) returned?.catch(() => {})
      else await returned
    }
  }
}
