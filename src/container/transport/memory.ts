/** Reads an image from an OCI layout in memory, such as one that a program built or received itself. */
import { memoryTree } from './file-tree.ts'
import type { ImageSource, SourceContext } from './interface.ts'
import { openLayout } from './oci-layout.ts'

/**
 * Opens an image of an OCI layout that is in memory.
 * @param files contents by path, such as `index.json`; they are not copied
 * @param image a tag, or `@N` for the image at position N of the index; without it the layout must hold one image
 * @throws {NotFoundError} when there is no such image; {FormatError} when a document of it is malformed
 */
export async function openMemoryLayout(
  files: ReadonlyMap<string, Uint8Array>,
  image: string | undefined,
  context: SourceContext,
): Promise<ImageSource> {
  return await openLayout(memoryTree(files), image, context)
}
