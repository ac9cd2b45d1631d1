/**
 * Finds the layers that are still needed. A layer is needed by every stored image whose manifest names it, and by every
 * deployment of such an image. A newer image that is only noted on a stored one needs no layers.
 *
 * Source: ostree-ext, container::store (gc_image_layers_impl, list_container_deployment_manifests).
 */

import type { Checksum } from '../../bytes.ts'
import { withContext } from '../../errors.ts'
import type { Repo } from '../../repo/index.ts'
import type { ImageManifest } from '../oci/oci-types.ts'
import { formatImageReference, type ImageReference, parseImageReference } from '../oci/reference.ts'
import {
  BASE_IMAGE_PREFIX,
  IMAGE_PREFIX,
  LAYER_PREFIX,
  META_MANIFEST_DIGEST,
  OSTREE_BASE_DEPLOYMENT_REFS,
  RPMOSTREE_BASE_REFS,
} from './names.ts'
import { listLocalRefs, manifestDataFromCommitmeta, resolveLocalRef } from './query.ts'
import { unprefixUnescapeRef } from './ref-escape.ts'

/** Prefixes of refs of commits that are, were or will be booted. */
const DEPLOYMENT_PREFIXES = [...OSTREE_BASE_DEPLOYMENT_REFS, ...RPMOSTREE_BASE_REFS, BASE_IMAGE_PREFIX]

/** A stored layer, and what needs it. */
export interface LayerUse {
  readonly ref: string
  readonly digest: string
  /** Bytes of the blob, from a manifest that names it; `undefined` when none does. */
  readonly size: number | undefined
  /** Names of images, and refs of deployments. */
  readonly neededBy: readonly string[]
}

/** Which stored layers are needed, and which are not. */
export interface LayerGcPlan {
  readonly unneeded: readonly LayerUse[]
  readonly kept: readonly LayerUse[]
}

/** Changes to the set of images that need layers. */
export interface LayerGcOptions {
  /** Manifests that count as stored too. */
  readonly inUse?: readonly ImageManifest[] | undefined
  /** Stored images that do not count, to plan a collection after their removal. */
  readonly without?: readonly ImageReference[] | undefined
}

/** An image or a deployment. */
interface Holder {
  readonly name: string
  readonly manifest: ImageManifest
}

/**
 * Returns which layers `gcImageLayers` would remove, and why the others stay. Nothing is written.
 * @throws {OstreeError} when a stored image cannot be read, since its layers are not known then
 */
export async function planLayerGc(repo: Repo, options: LayerGcOptions = {}): Promise<LayerGcPlan> {
  try {
    return await plan(repo, options)
  } catch (error) {
    throw withContext('Pruning image layers', error)
  }
}

async function plan(repo: Repo, { inUse = [], without = [] }: LayerGcOptions): Promise<LayerGcPlan> {
  const gone = new Set(without.map(formatImageReference))
  const images = await listStored(repo)
  const holders = [
    ...images.filter(({ name }) => !gone.has(name)),
    ...(await listDeployed(repo)),
    ...inUse.map((manifest) => ({ name: 'the image at hand', manifest })),
  ]
  const needed = namesByDigest(holders)
  const sizes = new Map(
    [...images, ...holders].flatMap(({ manifest }) => manifest.layers.map((l) => [l.digest, l.size])),
  )
  const unneeded: LayerUse[] = []
  const kept: LayerUse[] = []
  for (const ref of await listLocalRefs(repo, LAYER_PREFIX)) {
    const digest = unprefixUnescapeRef(LAYER_PREFIX, ref)
    const neededBy = needed.get(digest) ?? []
    // One ref is kept for a digest. Another ref that escapes the same digest in another way is unneeded.
    needed.delete(digest)
    const use = { ref, digest, size: sizes.get(digest as ImageManifest['config']['digest']), neededBy }
    if (neededBy.length === 0) unneeded.push(use)
    else kept.push(use)
  }
  return { unneeded, kept }
}

function namesByDigest(holders: readonly Holder[]): Map<string, string[]> {
  const names = new Map<string, string[]>()
  for (const { name, manifest } of holders) {
    for (const digest of new Set(manifest.layers.map((layer) => layer.digest))) {
      names.set(digest, [...(names.get(digest) ?? []), name])
    }
  }
  return names
}

/** Lists the stored images. @throws {OstreeError} when one cannot be read, because the layers it needs are unknown */
async function listStored(repo: Repo): Promise<Holder[]> {
  const holders: Holder[] = []
  for (const ref of await listLocalRefs(repo, IMAGE_PREFIX)) {
    const name = formatImageReference(parseImageReference(unprefixUnescapeRef(IMAGE_PREFIX, ref)))
    const commit = await resolveLocalRef(repo, ref)
    const manifest = commit === undefined ? undefined : await readManifest(repo, commit)
    if (manifest !== undefined) holders.push({ name, manifest })
  }
  return holders
}

/**
 * Lists the manifests of the images that refs of deployments and base images point to, one for each commit.
 * @throws {OstreeError} when a commit cannot be read
 */
export async function listContainerDeploymentManifests(repo: Repo): Promise<ImageManifest[]> {
  return (await listDeployed(repo)).map(({ manifest }) => manifest)
}

async function listDeployed(repo: Repo): Promise<Holder[]> {
  try {
    const commits = new Map<Checksum, string>()
    for (const prefix of DEPLOYMENT_PREFIXES) {
      for (const ref of await listLocalRefs(repo, prefix)) {
        const commit = await resolveLocalRef(repo, ref)
        if (commit !== undefined && !commits.has(commit)) commits.set(commit, ref)
      }
    }
    const holders: Holder[] = []
    for (const [commit, name] of commits) {
      const { metadata } = await repo.readCommit(commit)
      // The commit of a deployment may not be that of an image.
      if (!metadata.some(([key]) => key === META_MANIFEST_DIGEST)) continue
      holders.push({ name, manifest: manifestDataFromCommitmeta(metadata).manifest })
    }
    return holders
  } catch (error) {
    throw withContext('Listing deployment manifests', error)
  }
}

async function readManifest(repo: Repo, commit: Checksum): Promise<ImageManifest> {
  const { metadata } = await repo.readCommit(commit)
  return manifestDataFromCommitmeta(metadata).manifest
}
