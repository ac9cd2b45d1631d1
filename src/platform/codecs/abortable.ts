/**
 * The same source, whose reader an abort sets free even while the source has nothing to give. The source is then told
 * to return, but not waited for: it may never answer.
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
  // Nobody may be listening when it comes.
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
    // A source that failed has ended by itself.
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
