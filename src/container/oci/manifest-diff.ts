/** Compares two images by their layers. Source: ostree-ext, `ManifestDiff`. */
import { formatSize } from '../../format-size.ts'
import type { Descriptor, ImageManifest } from './oci-types.ts'

/** Which layers two images do not have in common. Sizes are compressed bytes. */
export interface ManifestDiff {
  /** Layers of `from` that `to` does not have, in the order of their digests. */
  readonly removed: readonly Descriptor[]
  /** Layers of `to` that `from` does not have, in the order of their digests. */
  readonly added: readonly Descriptor[]
  /** Number of different layers of `to`. */
  readonly total: number
  /** Bytes of all layers of `to`; one that occurs several times counts each time. */
  readonly totalSize: number
  readonly removedSize: number
  readonly addedSize: number
}

/** Compares the layers of two images by their digests. */
export function manifestDiff(from: ImageManifest, to: ImageManifest): ManifestDiff {
  const before = byDigest(from)
  const after = byDigest(to)
  const removed = without(before, after)
  const added = without(after, before)
  return {
    removed,
    added,
    total: after.size,
    totalSize: sizeOf(to.layers),
    removedSize: sizeOf(removed),
    addedSize: sizeOf(added),
  }
}

/** Formats a difference as three lines, each with its line end. */
export function formatManifestDiff(diff: ManifestDiff): string {
  return (
    line('Total new layers: ', diff.total, diff.totalSize) +
    line('Removed layers:   ', diff.removed.length, diff.removedSize) +
    line('Added layers:     ', diff.added.length, diff.addedSize)
  )
}

/** Returns a difference as the value that `--json` prints. */
export function manifestDiffJson(diff: ManifestDiff): Record<string, number> {
  return {
    total: diff.total,
    total_size: diff.totalSize,
    n_removed: diff.removed.length,
    removed_size: diff.removedSize,
    n_added: diff.added.length,
    added_size: diff.addedSize,
  }
}

function line(title: string, count: number, bytes: number): string {
  return `${title}${String(count).padEnd(4)}  Size: ${formatSize(bytes)}\n`
}

function byDigest({ layers }: ImageManifest): Map<string, Descriptor> {
  return new Map(layers.map((layer) => [layer.digest, layer]))
}

function without(layers: ReadonlyMap<string, Descriptor>, others: ReadonlyMap<string, Descriptor>): Descriptor[] {
  const rest = [...layers.values()].filter(({ digest }) => !others.has(digest))
  return rest.sort((a, b) => (a.digest < b.digest ? -1 : 1))
}

function sizeOf(layers: readonly Descriptor[]): number {
  return layers.reduce((sum, { size }) => sum + size, 0)
}
