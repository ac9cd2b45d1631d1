/**
 * Whether one object is what its name says. Source: ostree-repo.c, ostree_repo_fsck_object.
 */

import type { Checksum } from '../../bytes.ts'
import { ChecksumMismatchError, ObjectNotFoundError, withContext } from '../../errors.ts'
import {
  checksumMeta,
  createFileVerifier,
  formatObjectName,
  type MetaType,
  type ObjectName,
  validateFileMode,
  validateMeta,
} from '../../objects/index.ts'
import type { Platform } from '../../platform/index.ts'
import type { ObjectReader } from './interface.ts'
import { readDirTree } from './read-metadata.ts'

/** As much of a repository as this takes. */
interface Readable {
  readonly objects: ObjectReader
  readonly platform: Platform
}

/**
 * Reads the object whole; content of any size passes through in pieces. Objects whose name is no hash of theirs, such as
 * what is attached to commits, have nothing that could be wrong.
 * @throws {ObjectNotFoundError} when there is none; any other error, its message beginning with `fsck`, says what is wrong
 */
export async function verifyObject(repo: Readable, name: ObjectName): Promise<void> {
  const { checksum, type } = name
  try {
    if (type === 'file') await verifyFile(repo, name)
    else if (type === 'commit' || type === 'dirtree' || type === 'dirmeta') {
      const bytes = await repo.objects.readMeta(type, checksum)
      const actual = checksumMeta(repo.platform, bytes)
      if (actual !== checksum) throw new ChecksumMismatchError(type, checksum, actual)
      await verifyStructure(repo, type, checksum, bytes)
    }
  } catch (error) {
    if (isMissing(error, name)) throw error
    throw withContext(type === 'file' ? `fsck content object ${checksum}` : `fsck ${formatObjectName(name)}`, error)
  }
}

async function verifyFile({ objects, platform }: Readable, { checksum }: ObjectName): Promise<void> {
  const { header, body } = await objects.readFile(checksum)
  validateFileMode(header.mode)
  const verifier = createFileVerifier(platform, header, checksum)
  if (body instanceof Uint8Array) verifier.update(body)
  else for await (const chunk of body) verifier.update(chunk)
  verifier.finish()
}

async function verifyStructure(
  { objects }: Readable,
  type: MetaType,
  checksum: Checksum,
  bytes: Uint8Array,
): Promise<void> {
  // Also the order of its names, which ostree does not look at, but relies on when it looks names up.
  if (type === 'dirtree') await readDirTree(objects, checksum)
  try {
    validateMeta(type, bytes)
  } catch (error) {
    throw withContext(`${checksum}.${type}`, error)
  }
}

/** That very object is not there. */
export function isMissing(error: unknown, name: ObjectName): boolean {
  return error instanceof ObjectNotFoundError && error.data.object === formatObjectName(name)
}
