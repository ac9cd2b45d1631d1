/**
 * Sorts refs and other names in the iteration order of libostree's hash tables. That order decides the order of its
 * output, and which of several errors it reports. ObjectTable (object-table.ts) does the same for objects.
 *
 * Source: ostree-ref.c, ostree_collection_ref_hash; GLib, g_str_hash.
 */

import { GHashOrder, stringHash } from '../../gvariant/internal.ts'
import type { RefPath, RefStore } from '../core/interface.ts'
import { listPlainRefs, refspecOf } from './refs.ts'

/** Sorts strings in the order of a hash table into which they are inserted one by one. Duplicates are removed. */
export function inTableOrder<T extends string>(texts: Iterable<T>): T[] {
  const table = new GHashOrder<T>()
  for (const text of texts) table.set(text, text)
  return [...table].map(([, text]) => text)
}

/** Lists the refs below `heads` and `remotes`, in the order of a hash table of refspecs. */
export async function plainRefsInOrder(refs: RefStore): Promise<RefPath[]> {
  const table = new GHashOrder<RefPath>()
  for (const path of await listPlainRefs(refs)) {
    const refspec = refspecOf(path)
    if (refspec !== undefined) table.set(refspec, path)
  }
  return [...table].map(([, path]) => path)
}

/** A ref that belongs to a collection. */
export interface MirroredRef {
  readonly collection: string
  readonly name: string
  readonly path: RefPath
}

/**
 * Lists the refs of collections: local refs if the repository has a collection ID, and the refs below `mirrors`.
 * @param own collection ID of the repository
 */
export async function collectionRefsInOrder(refs: RefStore, own: string | undefined): Promise<MirroredRef[]> {
  const found: MirroredRef[] = []
  const add = (collection: string, name: string, path: RefPath) => found.push({ collection, name, path })
  if (own !== undefined) {
    for (const path of await refs.list('heads')) add(own, path.slice('heads/'.length), path)
  }
  for (const path of await refs.list('mirrors')) {
    const [collection, name] = /^mirrors\/([^/]+)\/(.+)$/.exec(path)?.slice(1) ?? []
    if (collection !== undefined && name !== undefined) add(collection, name, path)
  }
  return inRefTableOrder(found)
}

/**
 * Sorts refs, with or without a collection, in the order of a hash table of `OstreeCollectionRef`. Of two equal refs
 * the later one is returned.
 */
export function inRefTableOrder<T extends { readonly collection: string | undefined; readonly name: string }>(
  refs: Iterable<T>,
): T[] {
  const table = new GHashOrder<T>([], (key) => {
    const at = key.indexOf('\0')
    const name = stringHash(key.slice(at + 1))
    return at < 0 ? name : (stringHash(key.slice(0, at)) ^ name) >>> 0
  })
  for (const ref of refs) table.set(ref.collection === undefined ? ref.name : `${ref.collection}\0${ref.name}`, ref)
  return [...table].map(([, ref]) => ref)
}
