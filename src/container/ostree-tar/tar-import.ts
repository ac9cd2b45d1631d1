/**
 * Imports tar streams of commits and of chunks, the inverse of `exportCommit` and `exportChunk`.
 *
 * Source: ostree-ext, tar/import.rs (import_tar, import_tar_objects).
 */

import type { Checksum } from '../../bytes.ts'
import { withContext } from '../../errors.ts'
import type { Repo } from '../../repo/index.ts'
import { importCommitLayer, importObjectSet, type OstreeTarOptions, writeObjectSetCommit } from './ostree-tar.ts'
import { requireComplete } from './require-complete.ts'

/**
 * Stores the commit that a tar stream carries, as `exportCommit` writes it. No ref is set. If it fails, nothing is
 * stored.
 * @param stream uncompressed tar; a chunk may be reused once the next one is asked for
 * @returns the checksum of the commit
 * @throws {TarFormatError} when the stream is malformed; {FormatError} when an object in it is
 * @throws {ChecksumMismatchError} when an object does not have the checksum of its name
 * @throws {LimitError} when the stream exceeds one of `options.limits`
 * @throws {NotFoundError} when neither the stream nor the repository has an object that the commit needs
 */
export async function importOstreeTar(
  repo: Repo,
  stream: AsyncIterable<Uint8Array>,
  options: OstreeTarOptions = {},
): Promise<Checksum> {
  try {
    return await repo.transaction(async (tx) => {
      const { commit } = await importCommitLayer(repo, tx, stream, options)
      await requireComplete(tx, commit)
      options.signal?.throwIfAborted()
      tx.setCommitState(commit, 'complete')
      return commit
    })
  } catch (error) {
    throw withContext('Importing', error)
  }
}

/**
 * Stores the files of a chunk layer, and a commit that lists them. Equal sets of files give equal commits.
 * @throws as `importOstreeTar`
 */
export async function importOstreeTarObjects(
  repo: Repo,
  stream: AsyncIterable<Uint8Array>,
  options: OstreeTarOptions = {},
): Promise<Checksum> {
  try {
    return await repo.transaction(async (tx) => {
      return await writeObjectSetCommit(tx, await importObjectSet(repo, tx, stream, options))
    })
  } catch (error) {
    throw withContext('Importing', error)
  }
}
