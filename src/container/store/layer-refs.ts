/**
 * Finds the layers of a stored image.
 *
 * ```
 * ostree/container/blob/DIGEST                      the layer, for every image that has it in the same form
 * ostree/container/image-layer/MERGE/KIND/DIGEST    the layer, for the image with that merge commit
 * ```
 *
 * A ref of the second form exists only where the first one belongs to another stored image, which has the blob as
 * another kind of layer, or imported with other rules. ostree-ext has only the first form: it moves that ref, or uses it
 * for both.
 */

import type { Checksum } from '../../bytes.ts'
import { FormatError, NotFoundError, OstreeError } from '../../errors.ts'
import type { Repo } from '../../repo/index.ts'
import { requireKind } from './layer-kind.ts'
import type { LayerOfKind } from './layout.ts'
import { refForImageLayer, refForLayer } from './names.ts'
import { resolveLocalRef } from './refs.ts'

/** The ref of a layer, and the commit that it names. */
export interface StoredLayer {
  readonly ref: string
  readonly commit: Checksum
}

/** Finds the ref of a layer of an image; what kind of commit it names is not checked. */
export async function findLayerRef(
  repo: Repo,
  mergeCommit: Checksum,
  { layer, kind }: LayerOfKind,
): Promise<StoredLayer | undefined> {
  for (const ref of [refForImageLayer(mergeCommit, kind, layer), refForLayer(layer)]) {
    const commit = await resolveLocalRef(repo, ref)
    if (commit !== undefined) return { ref, commit }
  }
  return undefined
}

/**
 * Finds the commit of a layer of an image.
 * @param missing the message of the error when the layer is not stored, before the name of the ref
 * @throws {NotFoundError} when the layer is not stored
 * @throws {FormatError} when the blob is stored only as a layer of another kind, or as another commit
 * @throws {ObjectNotFoundError} when the commit is missing
 */
export async function requireLayer(
  repo: Repo,
  mergeCommit: Checksum,
  layer: LayerOfKind,
  missing = 'No such ref:',
): Promise<Checksum> {
  const found = await findLayerRef(repo, mergeCommit, layer)
  if (found === undefined) {
    const ref = refForLayer(layer.layer)
    throw new NotFoundError(ref, `${missing} ${ref}`)
  }
  const { digest } = layer.layer
  const { parent } = await repo.readCommit(mergeCommit)
  if (layer.kind !== 'commit' || parent === undefined) {
    await requireKind(repo.objects, layer.layer, found.commit, layer.kind)
    return found.commit
  }
  // The parent of the merge commit is the commit that was encapsulated, whatever it looks like.
  if (found.commit === parent) return parent
  throw new FormatError(
    `${mergeCommit}.commit`,
    `Layer ${digest} is stored as commit ${found.commit}, but the image was made of ${parent}: pull the image again`,
  )
}

/** Finds the commit of a layer of an image. @returns `undefined` where `requireLayer` throws an error */
export async function tryRequireLayer(
  repo: Repo,
  mergeCommit: Checksum,
  layer: LayerOfKind,
): Promise<Checksum | undefined> {
  try {
    return await requireLayer(repo, mergeCommit, layer)
  } catch (error) {
    if (error instanceof OstreeError) return undefined
    throw error
  }
}
