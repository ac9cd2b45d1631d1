/** Opens the files of a stored image. */

import { type CommitFiles, type FileTreeOptions, openCommit, type Repo } from '../../repo/index.ts'
import { formatImageReference, type ImageReference, parseAnyImageReference } from '../oci/reference.ts'
import { type LayeredImageState, noSuchImage, queryImage } from '../store/query.ts'

/** A stored image: its files, and what is known of it. */
export interface StoredImage extends CommitFiles, LayeredImageState {
  /** The name that it is stored under, such as `docker://quay.io/a/b:latest`. */
  readonly reference: string
}

/**
 * Opens the files of a stored image.
 *
 * @example
 * const image = await openStoredImage(repo, 'docker://quay.io/exampleos/os:1')
 * console.log(new TextDecoder().decode(await image.readFile('/etc/os-release')))
 * @param image a reference, or its text
 * @param options Default: `/usr/etc`, where images are stored with their `/etc`, is shown as `/etc`
 * @throws {InvalidNameError} when the text is not a reference
 * @throws {NotFoundError} when the image is not stored; as `queryImage`
 */
export async function openStoredImage(
  repo: Repo,
  image: string | ImageReference,
  { etc = 'deployed' }: FileTreeOptions = {},
): Promise<StoredImage> {
  const reference = typeof image === 'string' ? parseAnyImageReference(image).imgref : image
  const state = await queryImage(repo, reference)
  if (state === undefined) throw noSuchImage(reference)
  const files = await openCommit(repo, state.mergeCommit, { etc })
  return Object.assign(files, state, { reference: formatImageReference(reference) })
}
