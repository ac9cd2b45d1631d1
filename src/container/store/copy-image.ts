/** Copies a stored image from one repository into another. Source: ostree-ext, container::store::copy. */

import { withContext } from '../../errors.ts'
import type { ProgressOptions } from '../../progress.ts'
import { pullLocal, type Repo } from '../../repo/index.ts'
import type { ImageReference } from '../oci/reference.ts'
import { requirePlace } from './image-place.ts'
import { requireLayer } from './layer-refs.ts'
import { layersOfLayout, parseManifestLayout } from './layout.ts'
import { copyMergeRules } from './merge-rules.ts'
import { refForImage } from './names.ts'
import { type LayerCommit, placeImage } from './place-image.ts'
import { noSuchImage, queryImage } from './query.ts'
import { RefsLock } from './refs.ts'

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
 * @throws {InvalidNameError} when a text is not a reference, or the image cannot be stored under that name
 * @throws {ConflictError} when the name of a stored image is in the way
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
    await requirePlace(into, target)
    const { mergeCommit } = state
    const layers: LayerCommit[] = []
    for (const layer of layersOfLayout(parseManifestLayout(state.manifest, state.configuration))) {
      layers.push({ ...layer, commit: await requireLayer(from, mergeCommit, layer) })
    }
    const commits = new Set([...layers.map(({ commit }) => commit), mergeCommit])
    // Until the refs are set, a prune could delete the commits.
    await using _ = await into.storage.lock('shared')
    // By checksum: what the source tells others of its refs says nothing of these.
    await pullLocal(from, into, { refs: [...commits], verifyBindings: false, signal, onProgress })
    await using refs = new RefsLock(into)
    await into.transaction(async (tx) => {
      await refs.take()
      await placeImage(into, tx, { mergeCommit, layers, ref: refForImage(target) })
      await copyMergeRules(from, into, tx, mergeCommit)
    })
  } catch (error) {
    throw withContext('Copying image', error)
  }
}
