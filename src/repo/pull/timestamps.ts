/**
 * Refuses commits that are older than the current one, so that a server cannot bring back an old state.
 * Source: ostree-repo-pull.c, scan_commit_object; ostree-core.c, _ostree_compare_timestamps.
 */

import type { Checksum } from '../../bytes.ts'
import { DeniedError } from '../../errors.ts'
import type { Commit } from '../../objects/index.ts'
import type { CollectionRef } from '../fsck/bindings.ts'
import type { Repo } from '../repo.ts'

/** The commits that new ones must not be older than. */
export class TimestampRules {
  readonly #repo: Repo
  readonly #current: boolean
  readonly #from: Checksum | undefined

  /**
   * @param current whether to compare with the commit that the name of the ref resolves to now
   * @param from the commit to compare with in any case
   */
  constructor(repo: Repo, current: boolean, from: Checksum | undefined) {
    this.#repo = repo
    this.#current = current
    this.#from = from
  }

  /** @throws {DeniedError} `Upgrade target revision … is chronologically older …` when the commit is older */
  async check(checksum: Checksum, commit: Commit, ref: CollectionRef | undefined): Promise<void> {
    if (this.#current && ref !== undefined) {
      const current = await this.#repo.tryResolve(ref.name)
      if (current !== undefined) await this.#compare(current, checksum, commit)
    }
    if (this.#from !== undefined) await this.#compare(this.#from, checksum, commit)
  }

  async #compare(current: Checksum, checksum: Checksum, { timestamp }: Commit): Promise<void> {
    if (current === checksum) return
    const known = (await this.#repo.readCommit(current)).timestamp
    if (timestamp >= known) return
    throw new DeniedError(
      checksum,
      `Upgrade target revision '${checksum}' with timestamp '${formatDate(timestamp)}' is chronologically older ` +
        `than current revision '${current}' with timestamp '${formatDate(known)}'; use --allow-downgrade to permit`,
    )
  }
}

/** Formats a time as C's `%c` does in UTC: `Wed Jan  3 03:04:05 2024`. @param seconds since the epoch */
function formatDate(seconds: bigint): string {
  const date = new Date(Number(seconds) * 1000)
  if (Number.isNaN(date.getTime())) return String(seconds)
  const [day = '', number = '', month = '', year = '', time = ''] = date.toUTCString().replace(',', '').split(' ')
  return `${day} ${month} ${String(Number(number)).padStart(2)} ${time} ${year}`
}
