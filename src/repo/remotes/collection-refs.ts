/**
 * Refs as members of collections: the repository's own, those it mirrors, and those of remotes that name their
 * collection.
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

export interface ListCollectionRefsOptions {
  /** Of this collection alone. */
  readonly only?: string | undefined
  /** Those of remotes too. Default true. */
  readonly remotes?: boolean | undefined
}

/** Sorted by collection and name, in byte order. @throws {InvalidNameError} `Listing refs: Invalid collection ID …` */
export async function listCollectionRefs(repo: Repo, options: ListCollectionRefsOptions = {}): Promise<MirroredRef[]> {
  const { only, remotes = true } = options
  if (only !== undefined) requireCollectionId(only)
  // Where a collection has a ref in two places the last one counts.
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
