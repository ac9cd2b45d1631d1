/**
 * Whether commits and refs say the same of each other: a commit names in its metadata the refs (and the collection) it
 * was made for.
 *
 * Source: ostree-repo-pull-verify.c, _ostree_repo_verify_bindings; ot-builtin-fsck.c.
 */

import type { Checksum } from '../../bytes.ts'
import { FormatError } from '../../errors.ts'
import { array, lookup, string } from '../../gvariant/index.ts'
import type { Commit } from '../../objects/index.ts'
import { COLLECTION_BINDING, REF_BINDING } from '../commit/metadata.ts'
import { collectionRefPath, readRef, refspecOf } from '../refs/refs.ts'
import type { Repo } from '../repo.ts'

const refNames = array(string)

/** A ref by its name, and the collection it belongs to. */
export interface CollectionRef {
  readonly collection: string | undefined
  readonly name: string
}

/**
 * @param ref without a name, any that the commit has will do
 * @throws {FormatError} when the commit was made for other refs, or for another collection
 */
export function verifyBindings({ metadata }: Commit, ref: Partial<CollectionRef>): void {
  const { collection, name } = ref
  const refs = lookup(metadata, REF_BINDING, refNames)
  if (refs === undefined && collection !== undefined) {
    throw fault('Expected commit metadata to have ref binding information, found none')
  }
  if (refs !== undefined && name !== undefined && !refs.includes(name)) {
    const shown = refs.length === 0 ? 'no refs' : refs.map((ref) => `‘${ref}’`).join(', ')
    throw fault(`Commit has no requested ref ‘${name}’ in ref binding metadata (${shown})`)
  }
  if (collection === undefined) return
  const binding = lookup(metadata, COLLECTION_BINDING, string)
  if (binding === undefined) {
    throw fault('Expected commit metadata to have collection ID binding information, found none')
  }
  if (binding !== collection) {
    throw fault(
      `Commit has collection ID ‘${binding}’ in collection binding metadata, ` +
        `while the remote it came from has collection ID ‘${collection}’`,
    )
  }
}

/** The other way round. @throws {FormatError} unless each ref the commit names is there, and points to it */
export async function verifyBackRefs(repo: Repo, checksum: Checksum, { metadata }: Commit): Promise<void> {
  const collection = lookup(metadata, COLLECTION_BINDING, string)
  for (const name of lookup(metadata, REF_BINDING, refNames) ?? []) {
    const target =
      collection === undefined ? await repo.tryResolve(name) : await findCollectionRef(repo, collection, name)
    if (target === checksum) continue
    const shown = collection === undefined ? `Ref ‘${name}’` : `Collection–ref (${collection}, ${name})`
    const how = target === undefined ? 'does not exist' : 'does not resolve to that commit'
    throw fault(`${shown} in bindings for commit ${checksum} ${how}`)
  }
}

/** In the repository's own collection, in what it mirrors, or in a remote that is configured to be of that collection. */
export async function findCollectionRef(repo: Repo, collection: string, name: string): Promise<Checksum | undefined> {
  const { config, refs, settings } = repo
  const own = await readRef(refs, collectionRefPath(collection, name, settings.collectionId))
  if (own !== undefined) return own
  const mirrored = await readRef(refs, collectionRefPath(collection, name))
  if (mirrored !== undefined) return mirrored
  for (const path of await refs.list('remotes')) {
    const [remote, ref] = /^([^:]+):(.+)$/.exec(refspecOf(path) ?? '')?.slice(1) ?? []
    if (ref !== name || config.get(`remote "${remote}"`, 'collection-id') !== collection) continue
    return readRef(refs, path)
  }
  return undefined
}

function fault(message: string): FormatError {
  return new FormatError('commit', message)
}
