/** Copies a stored image from one repository into another. Source: ostree-ext, container::store::copy. */

import type { Checksum } from '../../bytes.ts'
import { NotFoundError, withContext } from '../../errors.ts'
import type { ProgressOptions } from '../../progress.ts'
import { pullLocal, type Repo } from '../../repo/index.ts'
import type { ImageReference } from '../oci/reference.ts'
import { refForImage, refForLayer } from './names.ts'
import { noSuchImage, queryImage, resolveLocalRef } from './query.ts'

/** How a stored image is copied. */
export interface CopyImageOptions extends ProgressOptions {
  /** The image's name in the other repository: a reference, or its text. Default: the name that it has in this one. */
  readonly target?: string | ImageReference | undefined
}

/**
 * Copies a stored image into another repository, which may have another mode: the commits of all layers and the merge
 * commit, and then their refs.
 *
 * @example
 * await copyImage(from, 'docker://quay.io/exampleos/os:1', into, { target: 'docker://quay.io/exampleos/os:stable' })
 * @param image a reference, or its text
 * @throws {NotFoundError} when the image, or one of its layers, is not stored; then nothing was changed
 * @throws {InvalidNameError} when a text is not a reference
 */
export async function copyImage(
  from: Repo,
  image: string | ImageReference,
  into: Repo,
  options: CopyImageOptions = {},
): Promise<void> {
  const { target = image, signal, onProgress } = options
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
    await pullLocal(from, into, { refs: [...commits], verifyBindings: false, signal, onProgress })
    await into.transaction(async (tx) => {
      for (const [ref, commit] of layers) tx.setRef(`heads/${ref}`, { commit })
      tx.setRef(`heads/${refForImage(target)}`, { commit: state.mergeCommit })
    })
  } catch (error) {
    throw withContext('Copying image', error)
  }
}
