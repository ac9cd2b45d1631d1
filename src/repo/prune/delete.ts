/** Deletes single objects with their side files. Source: ostree-repo.c, ostree_repo_delete_object. */

import { IoError, ObjectNotFoundError } from '../../errors.ts'
import { encodeTombstone, formatObjectName, loosePath, type ObjectName } from '../../objects/index.ts'
import type { Repo } from '../repo.ts'
import { editConfig } from '../repo.ts'

/**
 * Deletes an object. A commit's detached metadata is deleted too, and a tombstone is written if
 * `core.tombstone-commits` is set. The commit's tree and its partial mark are kept.
 * @throws {IoError} `Deleting object …` when the object does not exist
 */
export async function deleteObject(repo: Repo, name: ObjectName): Promise<void> {
  const { objects } = repo.storage
  const { checksum, type } = name
  if (type === 'commit') {
    await objects.writeAttached('commitmeta', checksum, undefined)
  }
  try {
    await objects.delete(name)
  } catch (error) {
    if (!(error instanceof ObjectNotFoundError)) throw error
    throw missingObjectError(formatObjectName(name), loosePath(name, repo.mode === 'archive'))
  }
  if (type === 'commit' && repo.settings.tombstoneCommits) {
    await objects.writeAttached('tombstone-commit', checksum, encodeTombstone(checksum))
  }
}

/**
 * Returns the error of ostree for an object that does not exist, for all stores.
 * @param path loose path of the object
 */
export function missingObjectError(object: string, path: string): IoError {
  const shown = path.replace(/^objects\//, '')
  return new IoError(`Deleting object ${object}: unlinkat(${shown}): No such file or directory`, 'ENOENT', shown)
}

/** Sets `core.tombstone-commits`, so that commits deleted from now on leave a tombstone. Idempotent. */
export async function enableTombstones(repo: Repo): Promise<void> {
  if (repo.settings.tombstoneCommits) return
  await editConfig(repo, (config) => config.set('core', 'tombstone-commits', 'true'))
}

/** @throws {ReadOnlyError} `Cannot write to repository: …` when the repository cannot be written */
export async function requireWritable(repo: Repo): Promise<void> {
  // Beginning a transaction throws the store's own error, which gives the reason.
  if (!repo.storage.writable) await repo.transaction(async () => {})
}
