/**
 * Verifies ref bindings: the refs, and the collection, that a commit was made for and names in its metadata.
 *
 * Source: ostree-repo-pull-verify.c, _ostree_repo_verify_bindings; ot-builtin-fsck.c.
 */

import type { Checksum } from '../../bytes.ts'
import { FormatError } from '../../errors.ts'
import { array, lookup, string } from '../../gvariant/index.ts'
import type { Commit } from '../../objects/index.ts'
import { COLLECTION_BINDING_KEY, REF_BINDING_KEY } from '../commit/metadata.ts'
import { collectionRefPath, readRef, refspecOf } from '../refs/refs.ts'
import type { Repo } from '../repo.ts'

const refNames = array(string)

/** A ref, and the collection it belongs to if any. */
export interface CollectionRef {
  readonly collection: string | undefined
  readonly name: string
}

/**
 * Verifies that a commit is bound to a ref and its collection.
 * @param ref without a name, a binding to any ref is accepted
 * @throws {FormatError} when the commit is bound to other refs or to another collection, or lacks a required binding
 */
export function verifyBindings({ metadata }: Commit, ref: Partial<CollectionRef>): void {
  const { collection, name } = ref
  const refs = lookup(metadata, REF_BINDING_KEY, refNames)
  if (refs === undefined && collection !== undefined) {
    throw fault('Expected commit metadata to have ref binding information, found none')
  }
  if (refs !== undefined && name !== undefined && !refs.includes(name)) {
    const shown = refs.length === 0 ? 'no refs' : refs.map((ref) => `‘${ref}’`).join(', ')
    throw fault(`Commit has no requested ref ‘${name}’ in ref binding metadata (${shown})`)
  }
  if (collection === undefined) return
  const binding = lookup(metadata, COLLECTION_BINDING_KEY, string)
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

/**
 * Verifies that each ref a commit is bound to points to that commit.
 * @throws {FormatError} when such a ref does not exist, or points to another commit
 */
export async function verifyBackRefs(repo: Repo, checksum: Checksum, { metadata }: Commit): Promise<void> {
  const collection = lookup(metadata, COLLECTION_BINDING_KEY, string)
  for (const name of lookup(metadata, REF_BINDING_KEY, refNames) ?? []) {
    const target =
      collection === undefined ? await repo.tryResolve(name) : await findCollectionRef(repo, collection, name)
    if (target === checksum) continue
    const shown = collection === undefined ? `Ref ‘${name}’` : `Collection–ref (${collection}, ${name})`
    const how = target === undefined ? 'does not exist' : 'does not resolve to that commit'
    throw fault(`${shown} in bindings for commit ${checksum} ${how}`)
  }
}

/**
 * Finds the commit of a collection's ref: a local ref if the repository has that collection ID, else a mirrored ref,
 * else a ref of a remote that is configured with that collection ID.
 */
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
