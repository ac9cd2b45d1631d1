/** Reads local refs. */

import type { Checksum } from '../../bytes.ts'
import type { Repo } from '../../repo/index.ts'
import { readRef } from '../../repo/internal.ts'

/** Lists the local refs at or below a path of whole components. */
export async function listLocalRefs(repo: Repo, prefix: string): Promise<string[]> {
  const paths = await repo.refs.list(`heads/${prefix}`)
  return paths.map((path) => path.slice('heads/'.length))
}

export function resolveLocalRef(repo: Repo, ref: string): Promise<Checksum | undefined> {
  return readRef(repo.refs, `heads/${ref}`)
}
