/**
 * Removes stored images, and the layers that no image needs. Only refs are deleted; the next prune deletes the objects.
 *
 * Source: ostree-ext, container::store (remove_images, gc_image_layers), container::deploy (remove_undeployed_images).
 */

import { InvalidNameError, NotFoundError, withContext } from '../../errors.ts'
import type { LockOptions, Repo } from '../../repo/index.ts'
import {
  formatImageReference,
  type ImageReference,
  parseImageReference,
  parseOstreeImageReference,
  toImageReference,
} from '../oci/reference.ts'
import { type LayerGcOptions, prepareLayerGc } from './gc-plan.ts'
import { refForImage } from './names.ts'
import { listImages } from './query.ts'
import { resolveLocalRef } from './refs.ts'

/**
 * Removes a stored image: its ref is deleted. Its layers stay until `gcImageLayers`, its objects until `prune`.
 * @param image a reference, or its text
 * @returns whether the image was stored
 * @throws {InvalidNameError} when the text is not a reference; {ReadOnlyError} when the repository cannot be written
 */
export async function removeImage(repo: Repo, image: string | ImageReference): Promise<boolean> {
  const ref = refForImage(image)
  try {
    if ((await resolveLocalRef(repo, ref)) === undefined) return false
    await repo.refs.write(`heads/${ref}`, undefined)
    return true
  } catch (error) {
    throw withContext(`Pruning ${formatImageReference(toImageReference(image))}`, error)
  }
}

/**
 * Removes several stored images.
 * @param images references, or their texts
 * @throws {NotFoundError} naming the images that are not stored, after the others were removed
 */
export async function removeImages(repo: Repo, images: readonly (string | ImageReference)[]): Promise<void> {
  const missing: string[] = []
  for (const image of images) {
    if (!(await removeImage(repo, image))) missing.push(formatImageReference(toImageReference(image)))
  }
  if (missing.length > 0) throw new NotFoundError(missing.join(' '), `Missing images: ${missing.join('')}`)
}

/** Which layers are removed, and how long to wait for the repository. */
export interface GcImageLayersOptions extends Pick<LayerGcOptions, 'inUse'>, LockOptions {}

/**
 * Removes the layers that neither a stored image nor a deployment needs: their refs are deleted. It takes the exclusive
 * lock, and so waits for every transaction, because an import that is under way has layers that no image names yet. It
 * must not run inside a transaction.
 * @returns how many layers were removed
 * @throws {RepoLockedError} when the repository stays locked
 * @throws {OstreeError} as `planLayerGc`, which also says why a layer stays
 */
export async function gcImageLayers(repo: Repo, { inUse, timeout }: GcImageLayersOptions = {}): Promise<number> {
  await using _ = await repo.storage.lock('exclusive', { timeout })
  const { unneeded, updates } = await prepareLayerGc(repo, { inUse })
  try {
    if (updates.size > 0) {
      await repo.transaction(async (tx) => {
        for (const [ref, commit] of updates) tx.setRef(`heads/${ref}`, commit && { commit })
      })
    }
    return unneeded.length
  } catch (error) {
    throw withContext('Pruning image layers', error)
  }
}

/**
 * Lists the stored images that are not the origin of a deployment.
 * @param origins `container-image-reference` of the origin files of all deployments. Texts that are not references are
 *   ignored, as are refs of the repository that do not name an image
 */
export async function listUndeployedImages(repo: Repo, origins: readonly string[]): Promise<ImageReference[]> {
  const deployed = new Set<string>()
  for (const origin of origins) {
    const image = readable(() => parseOstreeImageReference(origin).imgref)
    if (image !== undefined) deployed.add(formatImageReference(image))
  }
  const images = (await listImages(repo, () => {})).map((name) => readable(() => parseImageReference(name)))
  return images.filter((image) => image !== undefined).filter((image) => !deployed.has(formatImageReference(image)))
}

function readable(parse: () => ImageReference): ImageReference | undefined {
  try {
    return parse()
  } catch (error) {
    if (error instanceof InvalidNameError) return undefined
    throw error
  }
}

/** Removes what `listUndeployedImages` lists. @returns the images that were removed */
export async function removeUndeployedImages(repo: Repo, origins: readonly string[]): Promise<ImageReference[]> {
  const images = await listUndeployedImages(repo, origins)
  await removeImages(repo, images)
  return images
}
