/** What an import has done. Source: ostree-ext, container::store (LayeredImageState, image_filtered_content_warning). */

import { compareUtf8 } from '../../bytes.ts'
import type { LayeredImageState } from '../store/query.ts'

/** The number of entries that an import left out, by the digest of the layer and then by the name they are counted under. */
export type MetaFilteredData = ReadonlyMap<string, ReadonlyMap<string, number>>

/** The stored image, and what the import of it did. */
export interface ImportResult extends LayeredImageState {
  /** The result of verifying the signature of the base commit, as text. `undefined` when it was not verified. */
  readonly verifyText: string | undefined
  /** The entries left out of the layers that were fetched. `undefined` when there were none. */
  readonly filteredFiles: MetaFilteredData | undefined
  readonly layersFetched: number
  readonly layersReused: number
}

/** Returns a line that names what an import left out; `undefined` when that is nothing. */
export function imageFilteredContentWarning(filtered: MetaFilteredData | undefined): string | undefined {
  if (filtered === undefined) return undefined
  const counts = new Map<string, number>()
  for (const layer of filtered.values()) {
    for (const [name, count] of layer) counts.set(name, (counts.get(name) ?? 0) + count)
  }
  const sorted = [...counts].sort(([a], [b]) => compareUtf8(a, b))
  return `Image contains non-ostree compatible file paths:${sorted.map(([name, count]) => ` ${name}: ${count}`).join('')}`
}
