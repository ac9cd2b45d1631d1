/** Opens the image of a reference, with the transport that it names. */
import { UnsupportedError } from '../../errors.ts'
import type { LocalFiles } from '../../platform/index.ts'
import { formatImageReference, type ImageReference } from '../oci/reference.ts'
import type { TransportContext } from '../registry/options.ts'
import { openRegistryImage } from '../registry/source.ts'
import { openArchive } from '../transport/archive-tree.ts'
import { openDir } from '../transport/dir.ts'
import { openDockerArchive } from '../transport/docker-archive.ts'
import { directoryTree } from '../transport/file-tree.ts'
import type { ImageSource } from '../transport/interface.ts'
import { openLayout, splitImageName } from '../transport/oci-layout.ts'

/**
 * Opens the image of the platform `context.host`, and reads its manifest. The caller disposes of it.
 * @throws {NotFoundError} when there is no image of that name or platform; {PathNotFoundError} when its file is missing
 * @throws {UnsupportedError} for `containers-storage:` and `docker-daemon:`, and without the `files` or `registry` that
 *   the transport needs
 * @throws {FormatError} when a document of the image is malformed; {DigestMismatchError} when it has another digest
 * @throws {TarFormatError} when an archive is malformed; {LimitError} when something is larger than it may be
 */
export async function openImage(ref: ImageReference, context: TransportContext): Promise<ImageSource> {
  const { platform, signal } = context
  signal?.throwIfAborted()
  switch (ref.transport) {
    case 'oci': {
      const { path, image } = splitImageName(ref.name)
      return await openLayout(directoryTree(localFiles(ref, context), path), image, context)
    }
    case 'oci-archive': {
      const { path, image } = splitImageName(ref.name)
      const archive = await openArchive(platform, localFiles(ref, context), path, signal, 'last')
      return await openLayout(archive, image, context)
    }
    case 'docker-archive': {
      const { path, image } = splitImageName(ref.name)
      const archive = await openArchive(platform, localFiles(ref, context), path, signal, 'refused')
      return await openDockerArchive(archive, image, context)
    }
    case 'dir':
      return await openDir(directoryTree(localFiles(ref, context), ref.name), context)
    case 'registry':
      return await openRegistryImage(ref.name, context)
    case 'containers-storage':
    case 'docker-daemon':
      throw new UnsupportedError(
        ref.transport,
        `${formatImageReference(ref)}: transport ${ref.transport} is not supported; copy the image to an oci: layout first`,
      )
  }
}

function localFiles(ref: ImageReference, { files }: TransportContext): LocalFiles {
  if (files !== undefined) return files
  throw new UnsupportedError('files', `${formatImageReference(ref)}: reading it needs a file system`)
}
