/** A stored image from one repository into another. Source: ostree-ext, container::store::copy. */

import type { Checksum } from '../../bytes.ts'
import { NotFoundError, withContext } from '../../errors.ts'
import type { ProgressOptions } from '../../progress.ts'
import { pullLocal, type Repo } from '../../repo/index.ts'
import type { ImageReference } from '../oci/reference.ts'
import { refForImage, refForLayer } from './names.ts'
import { noSuchImage, queryImage, resolveLocalRef } from './query.ts'

/**
 * Copies all layers and the merge commit, whatever modes the two repositories have, then sets the refs: of the layers
 * under the names they have, of the image under `as`.
 * @param as the image's name over there. Default: the one it has here
 * @throws {NotFoundError} when there is no such image, or one of its layers is gone: then nothing was changed
 */
export async function copyImage(
  from: Repo,
  image: ImageReference,
  into: Repo,
  as: ImageReference = image,
  options: ProgressOptions = {},
): Promise<void> {
  try {
    const state = await queryImage(from, image)
    if (state === undefined) throw noSuchImage(image)
    const layers = new Map<string, Checksum>()
    for (const layer of state.manifest.layers) {
      const ref = refForLayer(layer)
      const commit = await resolveLocalRef(from, ref)
      if (commit === undefined) throw new NotFoundError(ref, `No such ref: ${ref}`)
      layers.set(ref, commit)
    }
    // By checksum: what the source tells others of its refs says nothing of these.
    const commits = new Set([...layers.values(), state.mergeCommit])
    await pullLocal(from, into, { ...options, refs: [...commits], verifyBindings: false })
    await into.transaction(async (tx) => {
      for (const [ref, commit] of layers) tx.setRef(`heads/${ref}`, { commit })
      tx.setRef(`heads/${refForImage(as)}`, { commit: state.mergeCommit })
    })
  } catch (error) {
    throw withContext('Copying image', error)
  }
}
