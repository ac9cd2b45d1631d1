/**
 * Removes stored images, and the layers that no image needs. Only refs are deleted; the next prune deletes the objects.
 *
 * Source: ostree-ext, container::store (remove_images, gc_image_layers), container::deploy (remove_undeployed_images).
 */

import { InvalidNameError, NotFoundError, withContext } from '../../errors.ts'
import type { Repo } from '../../repo/index.ts'
import type { ImageManifest } from '../oci/oci-types.ts'
import {
  formatImageReference,
  type ImageReference,
  parseImageReference,
  parseOstreeImageReference,
  toImageReference,
} from '../oci/reference.ts'
import { planLayerGc } from './gc-plan.ts'
import { refForImage } from './names.ts'
import { listImages, resolveLocalRef } from './query.ts'

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

/**
 * Removes the layers that neither a stored image nor a deployment needs: their refs are deleted. It must not run inside
 * a transaction.
 * @param inUse manifests whose layers stay too
 * @returns how many layers were removed
 * @throws {OstreeError} as `planLayerGc`, which also says why a layer stays
 */
export async function gcImageLayers(repo: Repo, inUse: readonly ImageManifest[] = []): Promise<number> {
  const { unneeded } = await planLayerGc(repo, { inUse })
  try {
    if (unneeded.length > 0) {
      await repo.transaction(async (tx) => {
        for (const { ref } of unneeded) tx.setRef(`heads/${ref}`, undefined)
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
  const images = (await listImages(repo)).map((name) => readable(() => parseImageReference(name)))
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
