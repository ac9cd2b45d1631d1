/** Work on many things, a few at a time. */

/**
 * Calls `work` for each item, at most `limit` at once, in order. After a failure no further call is made, and the error
 * is thrown when all calls that were running have settled: what they use may be disposed of then.
 * @param limit at least 1
 * @returns the results, in the order of the items
 * @throws the first error that `work` throws
 */
export async function mapConcurrently<T, R>(
  items: readonly T[],
  limit: number,
  work: (item: T, index: number) => Promise<R>,
): Promise<R[]> {
  const results: R[] = []
  let next = 0
  const failures: unknown[] = []
  const worker = async () => {
    while (next < items.length && failures.length === 0) {
      const index = next++
      try {
        results[index] = await work(items[index] as T, index) // the bounds were just checked
      } catch (error) {
        failures.push(error)
      }
    }
  }
  await Promise.all(Array.from({ length: Math.max(1, Math.min(limit, items.length)) }, worker))
  if (failures.length > 0) throw failures[0]
  return results
}
