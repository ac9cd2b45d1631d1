/** An image packed into one file, which takes its place whole. */
import type { WritableFiles } from '../../platform/index.ts'
import { packTar, type TarEntry } from '../../tar/index.ts'

/** @param folder on the same file system as `path`, and to be removed by who made it */
export async function writeArchive(
  files: WritableFiles,
  folder: string,
  members: Iterable<TarEntry> | AsyncIterable<TarEntry>,
  path: string,
): Promise<void> {
  const packed = files.join(folder, 'archive')
  const file = await files.createFile(packed)
  try {
    for await (const chunk of packTar(members)) await file.write(chunk)
  } finally {
    await file.close(true)
  }
  await files.rename(packed, path)
}
