/**
 * What may go: images by name, and the layers that no image needs any more. Only refs are deleted; objects go with the
 * next prune.
 *
 * Source: ostree-ext, container::store (remove_images, gc_image_layers, list_container_deployment_manifests).
 */

import type { Checksum } from '../bytes.ts'
import { NotFoundError, withContext } from '../errors.ts'
import type { Repo } from '../repo/index.ts'
import {
  BASE_IMAGE_PREFIX,
  IMAGE_PREFIX,
  LAYER_PREFIX,
  META_MANIFEST_DIGEST,
  OSTREE_BASE_DEPLOYMENT_REFS,
  RPMOSTREE_BASE_REFS,
  refForImage,
} from './names.ts'
import type { ImageManifest } from './oci-types.ts'
import { listLocalRefs, manifestDataFromCommitmeta, resolveLocalRef } from './query.ts'
import { unprefixUnescapeRef } from './ref-escape.ts'
import { formatImageReference, type ImageReference, parseImageReference } from './reference.ts'

/** Refs of commits that are, were or will be booted. */
const DEPLOYMENT_PREFIXES = [...OSTREE_BASE_DEPLOYMENT_REFS, ...RPMOSTREE_BASE_REFS, BASE_IMAGE_PREFIX]

/** Deletes the ref of an image; its layers stay. @returns whether it was there */
export async function removeImage(repo: Repo, image: ImageReference): Promise<boolean> {
  const ref = refForImage(image)
  try {
    if ((await resolveLocalRef(repo, ref)) === undefined) return false
    await repo.refs.write(`heads/${ref}`, undefined)
    return true
  } catch (error) {
    throw withContext(`Pruning ${formatImageReference(image)}`, error)
  }
}

/** @throws {NotFoundError} naming all that were missing, once the others are removed */
export async function removeImages(repo: Repo, images: readonly ImageReference[]): Promise<void> {
  const missing: string[] = []
  for (const image of images) {
    if (!(await removeImage(repo, image))) missing.push(formatImageReference(image))
  }
  if (missing.length > 0) throw new NotFoundError(missing.join(' '), `Missing images: ${missing.join('')}`)
}

/**
 * Deletes the refs of layers that neither a stored image nor a deployment names. Not inside a transaction.
 * @param inUse manifests that count as stored too
 * @returns how many were deleted
 */
export async function gcImageLayers(repo: Repo, inUse: readonly ImageManifest[] = []): Promise<number> {
  try {
    const needed = new Set<string>()
    for (const manifest of [...inUse, ...(await listImageManifests(repo)), ...(await listDeployed(repo))]) {
      for (const { digest } of manifest.layers) needed.add(digest)
    }
    const refs = await listLocalRefs(repo, LAYER_PREFIX)
    const unneeded = refs.filter((ref) => !needed.has(unprefixUnescapeRef(LAYER_PREFIX, ref)))
    if (unneeded.length === 0) return 0
    await repo.transaction(async (tx) => {
      for (const ref of unneeded) tx.setRef(`heads/${ref}`, undefined)
    })
    return unneeded.length
  } catch (error) {
    throw withContext('Pruning image layers', error)
  }
}

/** A stored image whose name or commit cannot be read stops a collection: what it needs is not known. */
async function listImageManifests(repo: Repo): Promise<ImageManifest[]> {
  const refs = await listLocalRefs(repo, IMAGE_PREFIX)
  const commits = new Set<Checksum>()
  for (const ref of refs) {
    parseImageReference(unprefixUnescapeRef(IMAGE_PREFIX, ref))
    const commit = await resolveLocalRef(repo, ref)
    if (commit !== undefined) commits.add(commit)
  }
  return readManifests(repo, commits)
}

/** Manifests of the images that deployments and base image refs hold. */
export async function listContainerDeploymentManifests(repo: Repo): Promise<ImageManifest[]> {
  try {
    return await listDeployed(repo)
  } catch (error) {
    throw withContext('Listing deployment manifests', error)
  }
}

async function listDeployed(repo: Repo): Promise<ImageManifest[]> {
  const commits = new Set<Checksum>()
  for (const prefix of DEPLOYMENT_PREFIXES) {
    for (const ref of await listLocalRefs(repo, prefix)) {
      const commit = await resolveLocalRef(repo, ref)
      if (commit !== undefined) commits.add(commit)
    }
  }
  return readManifests(repo, commits, { onlyImages: true })
}

async function readManifests(
  repo: Repo,
  commits: Iterable<Checksum>,
  { onlyImages = false } = {},
): Promise<ImageManifest[]> {
  const manifests: ImageManifest[] = []
  for (const commit of commits) {
    const { metadata } = await repo.readCommit(commit)
    // A deployment need not come from an image.
    if (onlyImages && !metadata.some(([key]) => key === META_MANIFEST_DIGEST)) continue
    manifests.push(manifestDataFromCommitmeta(metadata).manifest)
  }
  return manifests
}
