/**
 * What may go: images by name, and the layers that no image needs any more. Only refs are deleted; objects go with the
 * next prune.
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

/** Deletes the ref of an image; its layers stay. @returns whether it was there */
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

/** @throws {NotFoundError} naming all that were missing, once the others are removed */
export async function removeImages(repo: Repo, images: readonly (string | ImageReference)[]): Promise<void> {
  const missing: string[] = []
  for (const image of images) {
    if (!(await removeImage(repo, image))) missing.push(formatImageReference(toImageReference(image)))
  }
  if (missing.length > 0) throw new NotFoundError(missing.join(' '), `Missing images: ${missing.join('')}`)
}

/**
 * Deletes the refs of layers that neither a stored image nor a deployment names. Not inside a transaction.
 * @param inUse manifests that count as stored too
 * @returns how many were deleted
 * @throws as `planLayerGc`, which also says why a layer stays
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
 * The stored images that no deployment came from.
 * @param origins what the origin files of the deployments name (`container-image-reference`). What is no image
 *   reference, here or in the repository, is passed over.
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

/** As `listUndeployedImages`, and removes them. @returns those removed */
export async function removeUndeployedImages(repo: Repo, origins: readonly string[]): Promise<ImageReference[]> {
  const images = await listUndeployedImages(repo, origins)
  await removeImages(repo, images)
  return images
}
