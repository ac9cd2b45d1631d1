/**
 * Sorts the suffixes of bytes in linear time (SA-IS).
 *
 * A suffix is of type S if it sorts before the one that begins a byte later, else of type L. An S suffix behind an L suffix
 * is a leftmost S (LMS) suffix. Once the LMS suffixes are sorted, two passes over the array sort all others: each L suffix
 * follows from the smaller suffix that begins a byte later, each S suffix from the larger one. The LMS suffixes are sorted
 * by the same passes up to their next LMS position; equal pieces get equal names, and the string of names is sorted by
 * recursion.
 *
 * Source: Nong, Zhang, Chan: Linear Suffix Array Construction by Almost Pure Induced-Sorting (2009).
 */

type Text = Uint8Array | Int32Array

/**
 * Returns the offsets of all suffixes in their order, the empty one first: `bytes.length + 1` numbers.
 * @param bytes fewer than 2^31
 */
export function suffixArray(bytes: Uint8Array): Int32Array {
  const { length } = bytes
  const sorted = new Int32Array(length + 1)
  sorted[0] = length
  if (length > 0) sortSuffixes(bytes, sorted.subarray(1), 256)
  return sorted
}

/** @param letters the numbers of the text are below it */
function sortSuffixes(text: Text, sorted: Int32Array, letters: number): void {
  const n = text.length
  if (n === 1) {
    sorted[0] = 0
    return
  }
  const isS = new Uint8Array(n)
  for (let i = n - 2; i >= 0; i--) {
    const a = text[i] as number
    const b = text[i + 1] as number
    isS[i] = a < b || (a === b && isS[i + 1] === 1) ? 1 : 0
  }
  const isLms = (i: number) => i > 0 && isS[i] === 1 && isS[i - 1] === 0
  const counts = new Int32Array(letters)
  for (let i = 0; i < n; i++) counts[text[i] as number] = (counts[text[i] as number] as number) + 1
  const bucket = new Int32Array(letters)

  let lmsCount = 0
  for (let i = 1; i < n; i++) if (isLms(i)) lmsCount++

  sorted.fill(-1)
  bucketEnds(counts, bucket)
  for (let i = n - 1; i > 0; i--) {
    if (!isLms(i)) continue
    const letter = text[i] as number
    bucket[letter] = (bucket[letter] as number) - 1
    sorted[bucket[letter] as number] = i
  }
  induce(text, sorted, counts, bucket, isS)

  // The first part of the array takes the sorted LMS positions, the second one their names.
  let count = 0
  for (let i = 0; i < n; i++) {
    const at = sorted[i] as number
    if (isLms(at)) sorted[count++] = at
  }
  sorted.fill(-1, lmsCount)
  const names = sorted.subarray(lmsCount)
  let name = -1
  let previous = -1
  for (let i = 0; i < lmsCount; i++) {
    const at = sorted[i] as number
    if (previous < 0 || !samePiece(text, isS, previous, at)) name++
    // Two LMS positions are never next to each other.
    names[at >> 1] = name
    previous = at
  }
  const order = new Int32Array(lmsCount)
  const reduced = new Int32Array(lmsCount)
  const positions = new Int32Array(lmsCount)
  for (let i = 0, k = 0; i < names.length && k < lmsCount; i++) {
    const value = names[i] as number
    if (value >= 0) reduced[k++] = value
  }
  for (let i = 1, k = 0; i < n; i++) if (isLms(i)) positions[k++] = i
  if (name + 1 < lmsCount) sortSuffixes(reduced, order, name + 1)
  else for (let i = 0; i < lmsCount; i++) order[reduced[i] as number] = i

  sorted.fill(-1)
  bucketEnds(counts, bucket)
  for (let i = lmsCount - 1; i >= 0; i--) {
    const at = positions[order[i] as number] as number
    const letter = text[at] as number
    bucket[letter] = (bucket[letter] as number) - 1
    sorted[bucket[letter] as number] = at
  }
  induce(text, sorted, counts, bucket, isS)
}

function bucketEnds(counts: Int32Array, bucket: Int32Array): void {
  for (let i = 0, sum = 0; i < counts.length; i++) {
    sum += counts[i] as number
    bucket[i] = sum
  }
}

/** Sorts the L suffixes from the LMS suffixes that are in their places, then the S suffixes from the L suffixes. */
function induce(text: Text, sorted: Int32Array, counts: Int32Array, bucket: Int32Array, isS: Uint8Array): void {
  const n = text.length
  for (let i = 0, sum = 0; i < counts.length; i++) {
    bucket[i] = sum
    sum += counts[i] as number
  }
  // The empty suffix, which is the smallest, is before the last one, which is of type L.
  const last = text[n - 1] as number
  sorted[bucket[last] as number] = n - 1
  bucket[last] = (bucket[last] as number) + 1
  for (let i = 0; i < n; i++) {
    const at = (sorted[i] as number) - 1
    if (at < 0 || isS[at] === 1) continue
    const letter = text[at] as number
    const to = bucket[letter] as number
    sorted[to] = at
    bucket[letter] = to + 1
  }
  bucketEnds(counts, bucket)
  for (let i = n - 1; i >= 0; i--) {
    const at = (sorted[i] as number) - 1
    if (at < 0 || isS[at] === 0) continue
    const letter = text[at] as number
    const to = (bucket[letter] as number) - 1
    sorted[to] = at
    bucket[letter] = to
  }
}

/** Compares the pieces from two LMS positions to the next LMS position each. */
function samePiece(text: Text, isS: Uint8Array, a: number, b: number): boolean {
  const n = text.length
  for (let i = 0; ; i++) {
    // Only one of the two can reach the end, and the empty suffix is different from any other.
    if (a + i >= n || b + i >= n) return false
    if (text[a + i] !== text[b + i] || isS[a + i] !== isS[b + i]) return false
    if (i > 0) {
      const endA = isS[a + i] === 1 && isS[a + i - 1] === 0
      const endB = isS[b + i] === 1 && isS[b + i - 1] === 0
      if (endA || endB) return endA && endB
    }
  }
}
