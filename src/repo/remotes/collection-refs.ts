/**
 * Lists refs by collection: local refs if the repository has a collection ID, mirrored refs, and refs of remotes whose
 * collection ID is configured.
 *
 * Source: ostree-repo-refs.c, ostree_repo_list_collection_refs.
 */

import { compareUtf8 } from '../../bytes.ts'
import { withContext } from '../../errors.ts'
import { validateCollectionId } from '../../objects/index.ts'
import type { RefPath } from '../core/interface.ts'
import type { MirroredRef } from '../refs/table-order.ts'
import type { Repo } from '../repo.ts'
import { remoteCollections } from './remotes.ts'

/** Which refs to list. */
export interface ListCollectionRefsOptions {
  /** List only this collection. */
  readonly only?: string | undefined
  /** Include refs of remotes. Default true. */
  readonly remotes?: boolean | undefined
}

/**
 * Lists refs with their collections, sorted by collection and name in byte order.
 * @throws {InvalidNameError} `Listing refs: Invalid collection ID …` when `only` is not a valid collection ID
 */
export async function listCollectionRefs(repo: Repo, options: ListCollectionRefsOptions = {}): Promise<MirroredRef[]> {
  const { only, remotes = true } = options
  if (only !== undefined) requireCollectionId(only)
  // A ref that exists in several places is listed once: a remote's before a mirrored one before a local one.
  const found = new Map<string, MirroredRef>()
  const add = async (collection: string | undefined, prefix: RefPath): Promise<void> => {
    if (collection === undefined || (only !== undefined && only !== collection)) return
    for (const path of await repo.refs.list(prefix)) {
      const name = path.slice(prefix.length + 1)
      found.set(`${collection}\0${name}`, { collection, name, path })
    }
  }
  await add(repo.settings.collectionId, 'heads')
  const mirrored = await repo.refs.list('mirrors')
  for (const collection of new Set(mirrored.map((path) => path.split('/')[1]))) {
    await add(collection, `mirrors/${collection}`)
  }
  if (remotes) {
    for (const [remote, collection] of await remoteCollections(repo)) await add(collection, `remotes/${remote}`)
  }
  return [...found.values()].sort((a, b) => compareUtf8(a.collection, b.collection) || compareUtf8(a.name, b.name))
}

function requireCollectionId(text: string): void {
  try {
    validateCollectionId(text)
  } catch (error) {
    throw withContext('Listing refs', error)
  }
}
