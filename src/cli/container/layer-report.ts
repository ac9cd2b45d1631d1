/** Prints which layers a `--dry-run` would remove. */

import type { LayerGcPlan, LayerUse } from '../../container/index.ts'
import { formatSize } from '../../format-size.ts'
import type { Output } from '../text/output.ts'

function layer({ digest, size }: LayerUse): string {
  return size === undefined ? digest : `${digest} (${formatSize(size)})`
}

/** Prints a line per layer: first those to be removed, then those kept and the images that need them. */
export function printLayerPlan(out: Output, { unneeded, kept }: LayerGcPlan): void {
  for (const use of unneeded) out.line(`Would remove layer ${layer(use)}: nothing needs it`)
  for (const use of kept) out.line(`Keeping layer ${layer(use)}: needed by ${use.neededBy.join(', ')}`)
}
