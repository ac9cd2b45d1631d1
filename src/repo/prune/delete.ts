/** Deleting one object, with what goes with it. Source: ostree-repo.c, ostree_repo_delete_object. */

import { IoError, ObjectNotFoundError } from '../../errors.ts'
import { encodeTombstone, formatObjectName, loosePath, type ObjectName } from '../../objects/index.ts'
import type { Repo } from '../repo.ts'
import { editConfig } from '../repo.ts'

/**
 * A commit loses its detached metadata, and leaves a tombstone where the configuration wants one; its tree stays, as does
 * the note that it was partial.
 * @throws {IoError} `Deleting object …` when it is not there
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
    throw notThere(formatObjectName(name), loosePath(name, repo.mode === 'archive'))
  }
  if (type === 'commit' && repo.settings.tombstoneCommits) {
    await objects.writeAttached('tombstone-commit', checksum, encodeTombstone(checksum))
  }
}

/** In the words of a repository that is a directory. @param path from its root */
export function notThere(object: string, path: string): IoError {
  const shown = path.replace(/^objects\//, '')
  return new IoError(`Deleting object ${object}: unlinkat(${shown}): No such file or directory`, 'ENOENT', shown)
}

/** Sets `core.tombstone-commits`, once and for all. */
export async function enableTombstones(repo: Repo): Promise<void> {
  if (repo.settings.tombstoneCommits) return
  await editConfig(repo, (config) => config.set('core', 'tombstone-commits', 'true'))
}

/** @throws {ReadOnlyError} */
export async function requireWritable(repo: Repo): Promise<void> {
  // The store knows best why nothing can be written, and says so to whoever begins.
  if (!repo.storage.writable) await repo.transaction(async () => {})
}
