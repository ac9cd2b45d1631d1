/** Packs an image into one tar file, which is moved to its place when it is complete. */
import type { WritableFiles } from '../../platform/index.ts'
import { packTar, type TarEntry } from '../../tar/index.ts'

/**
 * Writes `members` as a tar archive to `path`. A file that exists there is replaced in one step.
 * @param folder a temporary directory on the same file system as `path`; the caller removes it
 * @throws {IoError} when writing fails; what `members` throws
 */
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
