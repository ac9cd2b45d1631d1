/** The line that a pull ends with. Source: ostree-repo-pull.c, ostree_repo_pull_with_options. */

import { formatSize } from '../../format-size.ts'
import type { PullResult } from '../../repo/index.ts'

/** Formats what a pull did, as ostree prints it at the end. */
export function formatPullResult(result: PullResult): string {
  const { metadata, content, importedMetadata, importedContent, deltaParts, transferred, seconds, contentBytes } =
    result
  if (result.delta !== undefined) {
    const { parts, size, unpacked } = result.delta
    return `Delta update: 0/${parts} parts, 0 bytes/${formatSize(Number(size))}, ${formatSize(Number(unpacked))} total uncompressed`
  }
  const counts = result.isLocal
    ? `${metadata} metadata, ${content} content objects imported`
    : deltaParts > 0
      ? `${deltaParts} delta parts, ${metadata + content} loose fetched`
      : `${metadata} metadata, ${content} content objects fetched`
  const imported = importedMetadata + importedContent
  const local = imported === 0 ? '' : ` (${importedMetadata} meta, ${importedContent} content local)`
  const amount = transferred < 1024 ? `${transferred} B` : `${Math.floor(transferred / 1024)} KiB`
  const moved = transferred === 0 ? '' : ` ${amount} transferred in ${seconds} seconds;`
  return `${counts}${local};${moved} ${formatSize(contentBytes)} content written`
}
