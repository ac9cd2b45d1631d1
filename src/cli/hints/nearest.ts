/** Finds the known names that a mistyped name resembles. */

/** Names longer than this are not compared, so that the work is bounded. */
const MAX_LENGTH = 300
/** Most names that are returned. */
const MAX_NAMES = 3

/**
 * Returns the names that differ least from `word`: at most three, in the order of `names`, all at the same distance. A
 * name that `word` abbreviates, such as `check` for `checkout` and `checksum`, counts as near.
 * @returns an empty array when all names differ in more than a third of their characters
 */
export function nearestNames(word: string, names: Iterable<string>): string[] {
  if (word === '' || word.length > MAX_LENGTH) return []
  const limit = word.length === 1 ? 0 : Math.max(1, Math.floor(word.length / 3))
  let best = limit
  let found: string[] = []
  for (const name of names) {
    if (name.length > MAX_LENGTH) continue
    const isAbbreviated = name.startsWith(word)
    const distance = isAbbreviated ? Math.min(1, limit) : editDistance(word, name, best)
    if (distance > best) continue
    if (distance < best) found = []
    best = distance
    found.push(name)
  }
  return found.slice(0, MAX_NAMES)
}

/**
 * Counts the insertions, deletions, replacements and swaps of neighbours that change one word into another (optimal
 * string alignment distance).
 * @returns the distance, or any number above `limit` when it is more than `limit`
 */
export function editDistance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) > limit) return limit + 1
  let before: number[] = []
  let above = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const replaced = (above[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      let least = Math.min(replaced, (above[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1)
      const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      if (isSwap) least = Math.min(least, (before[j - 2] ?? 0) + 1)
      row.push(least)
    }
    before = above
    above = row
  }
  return above[b.length] ?? 0
}
