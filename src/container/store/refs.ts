/** Reads local refs, and locks them. */

import type { Checksum } from '../../bytes.ts'
import type { ObjectName } from '../../objects/index.ts'
import type { ObjectReader, Repo } from '../../repo/index.ts'
import { readRef } from '../../repo/internal.ts'

/** Lists the local refs at or below a path of whole components. */
export async function listLocalRefs(repo: Repo, prefix: string): Promise<string[]> {
  const paths = await repo.refs.list(`heads/${prefix}`)
  return paths.map((path) => path.slice('heads/'.length))
}

export function resolveLocalRef(repo: Repo, ref: string): Promise<Checksum | undefined> {
  return readRef(repo.refs, `heads/${ref}`)
}

/** Returns the commit that a local ref names. @returns `undefined` also when that is not stored */
export async function resolveStoredRef(repo: Repo, tx: ObjectReader, ref: string): Promise<Checksum | undefined> {
  const checksum = await resolveLocalRef(repo, ref)
  if (checksum === undefined) return undefined
  const name: ObjectName = { checksum, type: 'commit' }
  // A transaction may not see a commit that another program has stored since it began.
  return (await tx.has(name)) || (await repo.objects.has(name)) ? checksum : undefined
}

/** The lock for choosing refs (`Storage.lockRefs`), which is taken once and released by disposing. */
export class RefsLock implements AsyncDisposable {
  readonly #repo: Repo
  #held: AsyncDisposable | undefined

  constructor(repo: Repo) {
    this.#repo = repo
  }

  /** Takes the lock, unless the storage does without. @throws {RepoLockedError} after `core.lock-timeout-secs` */
  async take(): Promise<void> {
    this.#held = await this.#repo.storage.lockRefs?.()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#held?.[Symbol.asyncDispose]()
  }
}
