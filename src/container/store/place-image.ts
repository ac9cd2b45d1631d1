/** Sets the refs of an image and of its layers, without moving a ref that another stored image needs. */

import type { Checksum } from '../../bytes.ts'
import { NotFoundError } from '../../errors.ts'
import { type Repo, readCommit, type Transaction } from '../../repo/index.ts'
import type { Descriptor } from '../oci/oci-types.ts'
import { listHolders, needsSharedRef } from './holders.ts'
import { kindOfCommit } from './layer-kind.ts'
import { copyRules } from './layer-rules.ts'
import type { LayerOfKind } from './layout.ts'
import { IMAGE_LAYER_PREFIX, type LayerKind, refForImageLayer, refForLayer } from './names.ts'
import { listLocalRefs, resolveStoredRef } from './refs.ts'

/** A layer of an image, and the commit that the image was made of. */
export interface LayerCommit extends LayerOfKind {
  readonly commit: Checksum
}

/** An image whose refs are to be set. */
export interface PlacedImage {
  readonly mergeCommit: Checksum
  readonly layers: readonly LayerCommit[]
  /** The ref of the image, which is set too; `undefined` for an image without a ref. */
  readonly ref: string | undefined
}

/**
 * Sets the refs of an image and of all its layers, also of those that were stored already: since the import began, the
 * collection of another program may have deleted them. A ref that another stored image needs stays as it is; the layer
 * then gets a ref that only this image has. The caller has taken `RefsLock`, and releases it after the commit of `tx`: of
 * two imports at the same time the second one sees the refs of the first.
 * @throws {NotFoundError} when the commit of a layer is missing
 */
export async function placeImage(repo: Repo, tx: Transaction, image: PlacedImage): Promise<void> {
  const { mergeCommit, layers, ref } = image
  const holders = once(() => listHolders(repo, new Set(ref === undefined ? [] : [ref])))
  const own = new Set(await listLocalRefs(repo, `${IMAGE_LAYER_PREFIX}/${mergeCommit}`))
  const shared = new Map<string, Checksum>()
  for (const { layer, kind, commit } of layers) {
    await requireStored(tx, layer, commit)
    const sharedRef = refForLayer(layer)
    const ownRef = refForImageLayer(mergeCommit, kind, layer)
    const named = shared.get(sharedRef) ?? (await choose(repo, tx, layer, commit, holders))
    shared.set(sharedRef, named)
    tx.setRef(`heads/${sharedRef}`, { commit: named })
    const isSame = await isSameLayer(tx, named, commit)
    if (isSame && named !== commit) await copyRules(tx, commit, named)
    if (!isSame) tx.setRef(`heads/${ownRef}`, { commit })
    else if (own.has(ownRef)) tx.setRef(`heads/${ownRef}`, undefined)
  }
  if (ref !== undefined) tx.setRef(`heads/${ref}`, { commit: mergeCommit })
}

async function requireStored(tx: Transaction, { digest }: Descriptor, commit: Checksum): Promise<void> {
  if (await tx.has({ checksum: commit, type: 'commit' })) return
  throw new NotFoundError(digest, `Layer ${digest} has been removed meanwhile: its commit ${commit} is missing`)
}

/** Returns the commit that the layer's ref for all images shall name. */
async function choose(
  repo: Repo,
  tx: Transaction,
  layer: Descriptor,
  commit: Checksum,
  holders: () => ReturnType<typeof listHolders>,
): Promise<Checksum> {
  const present = await resolveStoredRef(repo, tx, refForLayer(layer))
  if (present === undefined || present === commit) return commit
  const { holders: images, unreadable } = await holders()
  // What an image that cannot be read needs is not known.
  const needed = unreadable.length > 0 || images.some((holder) => needsSharedRef(holder, layer.digest))
  return needed ? present : commit
}

/** Returns whether two commits are of the same kind and have the same tree. */
async function isSameLayer(tx: Transaction, a: Checksum, b: Checksum): Promise<boolean> {
  if (a === b) return true
  const [left, right] = [await readCommit(tx, a), await readCommit(tx, b)]
  const kinds: LayerKind[] = [kindOfCommit(left), kindOfCommit(right)]
  if (kinds[0] !== kinds[1] || kinds[0] === 'commit') return false
  return left.rootTree === right.rootTree && left.rootMeta === right.rootMeta
}

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined
  return () => {
    made ??= make()
    return made
  }
}
