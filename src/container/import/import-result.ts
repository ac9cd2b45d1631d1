/** What an import has done. Source: ostree-ext, container::store (LayeredImageState, image_filtered_content_warning). */

import { compareUtf8 } from '../../bytes.ts'
import type { LayeredImageState } from '../store/query.ts'

/** The number of entries that an import left out, by the digest of the layer and then by the name they are counted under. */
export type MetaFilteredData = ReadonlyMap<string, ReadonlyMap<string, number>>

/** Entries of a layer that are in no way part of its tree, other than those that path rules leave out. */
export interface LostEntries {
  /** Number of hard links to objects that the layer does not have. The layers below may have the file. */
  readonly linksWithoutObject: number
  /** Number of modified objects to which the layer has no hard link with a path in a deployment. */
  readonly objectsWithoutLink: number
  /** Paths of some of these entries, at most ten of each kind. */
  readonly examples: readonly string[]
}

/** The lost entries of layers that have any, by the digest of the layer. */
export type LostByLayer = ReadonlyMap<string, LostEntries>

/** The stored image, and what the import of it did. */
export interface ImportResult extends LayeredImageState {
  /** The result of verifying the signature of the base commit, as text. `undefined` when it was not verified. */
  readonly verifyText: string | undefined
  /** The entries left out of the layers that were fetched. `undefined` when there were none. */
  readonly filteredFiles: MetaFilteredData | undefined
  /** The entries of fetched layers that are lost without being counted there. `undefined` when there were none. */
  readonly lostEntries: LostByLayer | undefined
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

/** Returns a line for each layer that lost entries, which names some of them. */
export function lostEntriesWarnings(lost: LostByLayer | undefined): string[] {
  return [...(lost ?? [])].map(([digest, { linksWithoutObject, objectsWithoutLink, examples }]) => {
    const parts: string[] = []
    if (linksWithoutObject > 0) parts.push(`${linksWithoutObject} hard links to objects that it does not have`)
    if (objectsWithoutLink > 0) parts.push(`${objectsWithoutLink} changed objects without a hard link`)
    return `Layer ${digest} has entries that are left out: ${parts.join(', ')}: ${examples.join(' ')}`
  })
}
