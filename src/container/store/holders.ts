/**
 * Lists what needs layers: the stored images, and the deployments of images.
 *
 * Source: ostree-ext, container::store (gc_image_layers_impl, list_container_deployment_manifests).
 */

import type { Checksum } from '../../bytes.ts'
import { OstreeError, withContext } from '../../errors.ts'
import type { Vardict } from '../../gvariant/index.ts'
import type { Repo } from '../../repo/index.ts'
import type { ImageConfiguration, ImageManifest } from '../oci/oci-types.ts'
import { formatImageReference, parseImageReference } from '../oci/reference.ts'
import { type LayerOfKind, layersOfLayout, parseManifestLayout } from './layout.ts'
import { imageConfigFromCommitmeta, manifestDataFromCommitmeta } from './merge-metadata.ts'
import {
  BASE_IMAGE_PREFIX,
  IMAGE_LAYER_PREFIX,
  IMAGE_PREFIX,
  META_MANIFEST_DIGEST,
  OSTREE_BASE_DEPLOYMENT_REFS,
  RPMOSTREE_BASE_REFS,
  refForImageLayer,
} from './names.ts'
import { unprefixUnescapeRef } from './ref-escape.ts'
import { listLocalRefs, resolveLocalRef } from './refs.ts'

/** Prefixes of refs of commits that are, were or will be booted. */
const DEPLOYMENT_PREFIXES = [...OSTREE_BASE_DEPLOYMENT_REFS, ...RPMOSTREE_BASE_REFS, BASE_IMAGE_PREFIX]

/** An image or a deployment. */
export interface Holder {
  /** Name of the image, or ref of the deployment. */
  readonly name: string
  readonly mergeCommit: Checksum
  readonly manifest: ImageManifest
  /** `undefined` when it cannot be read. */
  readonly config: ImageConfiguration | undefined
  readonly layers: readonly LayerOfKind[]
  /** The refs of layers that only this image has (layer-refs.ts). */
  readonly ownRefs: ReadonlySet<string>
}

/** All images and deployments, and the errors of those that cannot be read. */
export interface Holders {
  readonly holders: readonly Holder[]
  readonly unreadable: readonly OstreeError[]
}

/** Lists all images and deployments, without the images that have certain refs. Errors name what cannot be read. */
export async function listHolders(repo: Repo, without: ReadonlySet<string> = new Set()): Promise<Holders> {
  const holders: Holder[] = []
  const unreadable: OstreeError[] = []
  for (const ref of await listLocalRefs(repo, IMAGE_PREFIX)) {
    if (without.has(ref)) continue
    try {
      const holder = await readImage(repo, ref)
      if (holder !== undefined) holders.push(holder)
    } catch (error) {
      if (!(error instanceof OstreeError)) throw error
      unreadable.push(error)
    }
  }
  const deployed = await listDeployed(repo, (error) => unreadable.push(error))
  return { holders: [...holders, ...deployed], unreadable }
}

/** Returns whether an image uses the ref that a layer has for all images. */
export function needsSharedRef({ mergeCommit, layers, ownRefs }: Holder, digest: string): boolean {
  return layers.some(
    ({ layer, kind }) => layer.digest === digest && !ownRefs.has(refForImageLayer(mergeCommit, kind, layer)),
  )
}

/** Reads the image that a ref names. @returns `undefined` when the ref was deleted meanwhile */
async function readImage(repo: Repo, ref: string): Promise<Holder | undefined> {
  let name = ref
  try {
    name = formatImageReference(parseImageReference(unprefixUnescapeRef(IMAGE_PREFIX, ref)))
    const commit = await resolveLocalRef(repo, ref)
    return commit === undefined ? undefined : await readHolder(repo, name, commit)
  } catch (error) {
    throw withContext(name === ref ? `Reading ref ${ref}` : `Reading image ${name}`, error)
  }
}

/** Reads the image of a merge commit. @param name for messages */
export async function readHolder(repo: Repo, name: string, mergeCommit: Checksum): Promise<Holder> {
  const { metadata } = await repo.readCommit(mergeCommit)
  const { manifest } = manifestDataFromCommitmeta(metadata)
  const { config, layers } = readConfig(manifest, metadata)
  const ownRefs = new Set(await listLocalRefs(repo, `${IMAGE_LAYER_PREFIX}/${mergeCommit}`))
  return { name, mergeCommit, manifest, config, layers, ownRefs }
}

/** Divides the layers by kind. Where the config does not tell, all count as derived layers. */
function readConfig(manifest: ImageManifest, metadata: Vardict): Pick<Holder, 'config' | 'layers'> {
  try {
    const config = imageConfigFromCommitmeta(metadata)
    return { config, layers: layersOfLayout(parseManifestLayout(manifest, config)) }
  } catch (error) {
    if (!(error instanceof OstreeError)) throw error
    return { config: undefined, layers: manifest.layers.map((layer) => ({ layer, kind: 'derived' })) }
  }
}

/**
 * Lists the images of deployments, and base images, one for each commit.
 * @param onError called with an error for each one that cannot be read, which is skipped
 */
async function listDeployed(repo: Repo, onError: (error: OstreeError) => void): Promise<Holder[]> {
  const commits = new Set<Checksum>()
  const holders: Holder[] = []
  for (const prefix of DEPLOYMENT_PREFIXES) {
    for (const ref of await listLocalRefs(repo, prefix)) {
      try {
        const commit = await resolveLocalRef(repo, ref)
        if (commit === undefined || commits.has(commit)) continue
        commits.add(commit)
        const { metadata } = await repo.readCommit(commit)
        // The commit of a deployment may not be that of an image.
        if (!metadata.some(([key]) => key === META_MANIFEST_DIGEST)) continue
        holders.push(await readHolder(repo, ref, commit))
      } catch (error) {
        const named = withContext(`Listing deployment manifests: Reading ref ${ref}`, error)
        if (!(named instanceof OstreeError)) throw named
        onError(named)
      }
    }
  }
  return holders
}

/**
 * Lists the manifests of the images that refs of deployments and base images point to, one for each commit.
 * @throws {OstreeError} naming the ref, when a commit cannot be read
 */
export async function listContainerDeploymentManifests(repo: Repo): Promise<ImageManifest[]> {
  const holders = await listDeployed(repo, (error) => {
    throw error
  })
  return holders.map(({ manifest }) => manifest)
}
