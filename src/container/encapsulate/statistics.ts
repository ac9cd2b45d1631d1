/** Statistics for the packing of components; `undefined` for an empty list. Source: ostree-ext, statistics.rs. */

export function mean(values: readonly number[]): number | undefined {
  return values.length === 0 ? undefined : values.reduce((sum, value) => sum + value, 0) / values.length
}

/** Returns the standard deviation of a whole population. */
export function standardDeviation(values: readonly number[]): number | undefined {
  const middle = mean(values)
  if (middle === undefined) return undefined
  const squares = values.reduce((sum, value) => sum + (middle - value) ** 2, 0)
  return Math.sqrt(squares / values.length)
}

/**
 * Returns the median, and the median distance from it.
 * @param values sorted, up or down
 */
export function medianAbsoluteDeviation(
  values: readonly number[],
): { readonly median: number; readonly deviation: number } | undefined {
  const median = middleOf(values)
  if (median === undefined) return undefined
  const distances = values.map((value) => Math.abs(value - median)).sort((a, b) => a - b)
  return { median, deviation: middleOf(distances) ?? 0 }
}

function middleOf(sorted: readonly number[]): number | undefined {
  const half = sorted.length >> 1
  const upper = sorted[half]
  const lower = sorted[half - 1]
  if (upper === undefined) return undefined
  return sorted.length % 2 === 1 || lower === undefined ? upper : (lower + upper) / 2
}
