import { lstatSync } from 'node:fs'
import type { Checksum } from '../../bytes.ts'
import { ObjectNotFoundError, OstreeError, UnsupportedError, withContext } from '../../errors.ts'
import type { Repo } from '../repo.ts'

/**
 * Returns the inode number of a file object. Source: ostree-ext, container::store (inode_of_object).
 * @throws {UnsupportedError} when the repository is not a directory
 * @throws {ObjectNotFoundError} when the object does not exist
 */
export function inodeOfObject(repo: Repo, file: Checksum): bigint {
  try {
    const { loose } = repo.objects
    if (loose === undefined) {
      throw new UnsupportedError('inode', `Objects of ${repo.storage.location} are not files with inodes`)
    }
    const path = loose.path({ checksum: file, type: 'file' })
    const stats = path === undefined ? path : lstatSync(path, { bigint: true, throwIfNoEntry: false })
    if (stats === undefined) throw new ObjectNotFoundError(`${file}.file`)
    return stats.ino
  } catch (error) {
    throw error instanceof OstreeError ? withContext('Querying object inode', error) : error
  }
}
