/** Work on many things, a few at a time. */

import { UsageError } from './errors.ts'

/**
 * Calls `work` for each item, at most `limit` at once, in order. After a failure no further call is made, and the error
 * is thrown when all calls that were running have settled: what they use may be disposed of then.
 * @param limit at least 1
 * @returns the results, in the order of the items
 * @throws {UsageError} if `limit` is less than 1 or not a number, before any call
 * @throws the first error that `work` throws
 */
export async function mapConcurrently<T, R>(
  items: readonly T[],
  limit: number,
  work: (item: T, index: number) => Promise<R>,
): Promise<R[]> {
  if (!(limit >= 1)) throw new UsageError(`Invalid limit of concurrent work: ${String(limit)}: must be at least 1`)
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
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, worker))
  if (failures.length > 0) throw failures[0]
  return results
}
