/** An OCI layout in memory: what a program built itself, or got from where no transport reaches. */
import { memoryTree } from './file-tree.ts'
import type { ImageSource, SourceContext } from './interface.ts'
import { openLayout } from './oci-layout.ts'

/**
 * @param files contents by path, such as `index.json`; not copied
 * @param image a tag, or `@N`; without it the layout must hold exactly one image
 */
export async function openMemoryLayout(
  files: ReadonlyMap<string, Uint8Array>,
  image: string | undefined,
  context: SourceContext,
): Promise<ImageSource> {
  return await openLayout(memoryTree(files), image, context)
}
