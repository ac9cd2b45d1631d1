/**
 * Finds the layers that are still needed. A layer is needed by every stored image whose manifest names it, and by every
 * deployment of such an image. A newer image that is only noted on a stored one needs no layers.
 *
 * Source: ostree-ext, container::store (gc_image_layers_impl).
 */

import type { Checksum } from '../../bytes.ts'
import { withContext } from '../../errors.ts'
import type { Repo } from '../../repo/index.ts'
import type { ImageReference } from '../oci/reference.ts'
import { type Holder, listHolders, needsSharedRef, readHolder } from './holders.ts'
import { IMAGE_LAYER_PREFIX, LAYER_PREFIX, refForImage, refForImageLayer } from './names.ts'
import { prefixEscapeRef, unescapeRef, unprefixUnescapeRef } from './ref-escape.ts'
import { listLocalRefs, resolveLocalRef } from './refs.ts'

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
  /** Merge commits of images that count as stored too. */
  readonly inUse?: readonly Checksum[] | undefined
  /** Stored images that do not count, to plan a collection after their removal. */
  readonly without?: readonly ImageReference[] | undefined
}

/** A plan, and how it is carried out. */
export interface LayerGc extends LayerGcPlan {
  /** New targets by ref; `undefined` deletes the ref. */
  readonly updates: ReadonlyMap<string, Checksum | undefined>
}

/**
 * Returns which layers `gcImageLayers` would remove, and why the others stay. Nothing is written.
 * @throws {OstreeError} when a stored image cannot be read, since its layers are not known then
 */
export async function planLayerGc(repo: Repo, options: LayerGcOptions = {}): Promise<LayerGcPlan> {
  const { unneeded, kept } = await prepareLayerGc(repo, options)
  return { unneeded, kept }
}

/** Does what `planLayerGc` does, and returns the refs to change too. */
export async function prepareLayerGc(repo: Repo, options: LayerGcOptions): Promise<LayerGc> {
  try {
    return await prepare(repo, options)
  } catch (error) {
    throw withContext('Pruning image layers', error)
  }
}

async function prepare(repo: Repo, { inUse = [], without = [] }: LayerGcOptions): Promise<LayerGc> {
  const { holders, unreadable } = await listHolders(repo, new Set(without.map(refForImage)))
  const [fault] = unreadable
  if (fault !== undefined) throw fault
  const { holders: all } = without.length === 0 ? { holders } : await listHolders(repo)
  const inHand = await Promise.all(inUse.map((commit) => readHolder(repo, 'the image at hand', commit)))
  const users = [...holders, ...inHand]
  const needed = namesByRef(users)
  const sizes = new Map<string, number>(
    [...all, ...inHand].flatMap(({ manifest }) => manifest.layers.map(({ digest, size }) => [digest, size])),
  )
  const unneeded: LayerUse[] = []
  const kept: LayerUse[] = []
  const updates = new Map<string, Checksum | undefined>()
  for (const { ref, digest, key } of await listLayerRefs(repo)) {
    const neededBy = needed.get(key) ?? []
    // One ref is kept for a digest. Another ref that escapes the same digest in another way is unneeded.
    needed.delete(key)
    const use = { ref, digest, size: sizes.get(digest), neededBy }
    if (neededBy.length > 0) kept.push(use)
    else {
      unneeded.push(use)
      updates.set(ref, undefined)
    }
  }
  await shareRefs(repo, users, kept, updates)
  return { unneeded, kept, updates }
}

interface LayerRef {
  readonly ref: string
  readonly digest: string
  /** The ref as this library writes it. */
  readonly key: string
}

/** Lists the refs of layers: those for all images in byte order, then those that one image has. */
async function listLayerRefs(repo: Repo): Promise<LayerRef[]> {
  const shared = (await listLocalRefs(repo, LAYER_PREFIX)).map((ref) => {
    const digest = withRef(ref, () => unprefixUnescapeRef(LAYER_PREFIX, ref))
    return { ref, digest, key: `${LAYER_PREFIX}/${digest}` }
  })
  const own = (await listLocalRefs(repo, IMAGE_LAYER_PREFIX)).map((ref) => {
    return { ref, digest: withRef(ref, () => unescapeRef(ref.slice(ref.lastIndexOf('/') + 1))), key: ref }
  })
  return [...shared, ...own]
}

function withRef<T>(ref: string, read: () => T): T {
  try {
    return read()
  } catch (error) {
    throw withContext(`Reading ref ${ref}`, error)
  }
}

/** Returns the names of the images that need each ref, by the key of `LayerRef`. */
function namesByRef(holders: readonly Holder[]): Map<string, string[]> {
  const names = new Map<string, Set<string>>()
  const add = (key: string, name: string) => names.set(key, (names.get(key) ?? new Set()).add(name))
  for (const holder of holders) {
    for (const { layer, kind } of holder.layers) {
      const own = refForImageLayer(holder.mergeCommit, kind, layer)
      if (holder.ownRefs.has(own)) add(own, holder.name)
    }
    for (const { digest } of holder.manifest.layers) {
      if (needsSharedRef(holder, digest)) add(`${LAYER_PREFIX}/${digest}`, holder.name)
    }
  }
  return new Map([...names].map(([key, set]) => [key, [...set]]))
}

/**
 * Where no image needs a layer's ref for all images any more, one that needs a ref of its own gets that one, so that the
 * store is as if the other images had never been there.
 */
async function shareRefs(
  repo: Repo,
  holders: readonly Holder[],
  kept: readonly LayerUse[],
  updates: Map<string, Checksum | undefined>,
): Promise<void> {
  const own = kept.filter(({ ref }) => ref.startsWith(`${IMAGE_LAYER_PREFIX}/`))
  for (const { ref, digest } of own) {
    if (holders.some((holder) => needsSharedRef(holder, digest))) continue
    const commit = await resolveLocalRef(repo, ref)
    const shared = prefixEscapeRef(LAYER_PREFIX, digest)
    const taken = updates.get(shared)
    if (commit === undefined || (taken !== undefined && taken !== commit)) continue
    updates.set(shared, commit)
    updates.set(ref, undefined)
  }
}
