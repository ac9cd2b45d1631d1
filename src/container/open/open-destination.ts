/** Opens a destination for an image reference. */
import { PathNotFoundError, UnsupportedError, withContext } from '../../errors.ts'
import type { Platform, WritableFiles } from '../../platform/index.ts'
import { formatImageReference, type ImageReference } from '../oci/reference.ts'
import { openRegistryDestination } from '../registry/destination.ts'
import type { DestinationContext } from '../registry/options.ts'
import { writeArchive } from '../transport/archive-file.ts'
import type { ImageDestination } from '../transport/destination.ts'
import { openDirDestination } from '../transport/dir-destination.ts'
import { openDockerArchiveDestination } from '../transport/docker-archive-destination.ts'
import { LayoutDestination } from '../transport/layout-destination.ts'
import { splitImageName } from '../transport/oci-layout.ts'
import { directoryWritableTree, memoryWritableTree } from '../transport/writable-tree.ts'

/** How a destination is opened. */
export interface OpenDestinationOptions {
  /** Create the directory of an `oci:` layout if it does not exist; its parent must exist. Default true. */
  readonly create?: boolean | undefined
}

/**
 * Opens a place to write one image to. The caller disposes of it, also after `commit`.
 * @throws {UnsupportedError} for `containers-storage:` and `docker-daemon:`, and without the `files` or `registry` that
 *   the transport needs
 * @throws {PathNotFoundError} when a directory that has to exist does not; {IoError} when it cannot be made
 */
export async function openDestination(
  ref: ImageReference,
  context: DestinationContext,
  { create = true }: OpenDestinationOptions = {},
): Promise<ImageDestination> {
  const { platform, signal } = context
  signal?.throwIfAborted()
  switch (ref.transport) {
    case 'oci': {
      const { path, image } = splitImageName(ref.name)
      const files = writableFiles(ref, context)
      await requireDirectory(files, path, create)
      return new LayoutDestination(await directoryWritableTree(files, path), platform, image)
    }
    case 'oci-archive': {
      const { path, image } = splitImageName(ref.name)
      return await openArchiveDestination(platform, writableFiles(ref, context), path, image)
    }
    case 'registry':
      return openRegistryDestination(ref.name, context)
    case 'dir':
      return await openDirDestination(writableFiles(ref, context), ref.name, platform)
    case 'docker-archive': {
      const { path, image } = splitImageName(ref.name)
      return await openDockerArchiveDestination(writableFiles(ref, context), path, image, platform)
    }
    case 'containers-storage':
    case 'docker-daemon':
      throw new UnsupportedError(
        ref.transport,
        `${formatImageReference(ref)}: cannot write to transport ${ref.transport}; write an oci: layout and copy it`,
      )
  }
}

/**
 * Opens an OCI layout in memory to write one image to.
 * @param files contents by path, such as `index.json`; the image is added to those that are there
 * @param tag the image's name in the index; `undefined` writes it without one
 */
export function openMemoryDestination(
  files: Map<string, Uint8Array>,
  tag: string | undefined,
  platform: Platform,
): ImageDestination {
  return new LayoutDestination(memoryWritableTree(files), platform, tag)
}

async function requireDirectory(files: WritableFiles, path: string, create: boolean): Promise<void> {
  try {
    if (create) await files.createDirectory(path)
    else if ((await files.stat(path))?.kind !== 'directory') throw new PathNotFoundError(path)
  } catch (error) {
    throw withContext(`${create ? 'Creating' : 'Opening'} ${path}`, error)
  }
}

/**
 * Opens a layout in a temporary directory beside the archive, which `commit` packs. A tar header comes before its file,
 * so a blob's size must be known first.
 */
async function openArchiveDestination(
  platform: Platform,
  files: WritableFiles,
  path: string,
  tag: string | undefined,
): Promise<ImageDestination> {
  const folder = await files.createTemporary(files.parent(path))
  const blobs: string[] = []
  const tree = await directoryWritableTree(files, folder)
  const listed = {
    ...tree,
    async put(bytes: AsyncIterable<Uint8Array>, name: () => Promise<string>) {
      await tree.put(bytes, async () => {
        const blob = await name()
        blobs.push(blob)
        return blob
      })
    },
    async [Symbol.asyncDispose]() {
      await files.remove(folder)
    },
  }
  return new LayoutDestination(listed, platform, tag, async () => {
    await writeArchive(files, folder, members(files, folder, blobs), path)
  })
}

async function* members(files: WritableFiles, folder: string, blobs: readonly string[]) {
  yield { path: 'blobs/', type: 'directory' as const }
  yield { path: 'blobs/sha256/', type: 'directory' as const }
  for (const path of [...new Set(blobs)].sort().concat('index.json', 'oci-layout')) {
    const from = files.join(folder, path)
    const size = (await files.stat(from))?.size
    if (size === undefined) throw new PathNotFoundError(from)
    yield { path, size, body: files.stream(from) }
  }
}

function writableFiles(ref: ImageReference, { files }: DestinationContext): WritableFiles {
  if (files !== undefined) return files
  throw new UnsupportedError('files', `${formatImageReference(ref)}: writing it needs a file system`)
}
