/** Verifies single objects. Source: ostree-repo.c, ostree_repo_fsck_object. */

import type { Checksum } from '../../bytes.ts'
import { ChecksumMismatchError, IoError, ObjectNotFoundError, withContext } from '../../errors.ts'
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
import { dirTreeEntries } from './read-metadata.ts'

/** The part of a repository that verifying needs. */
interface Readable {
  readonly objects: ObjectReader
  readonly platform: Platform
}

/**
 * Verifies the checksum and the structure of an object. Files are read as a stream. Objects that are not named by their
 * checksum, such as detached metadata, are not verified.
 * @throws {ObjectNotFoundError} when the object does not exist
 * @throws {ChecksumMismatchError}, {FormatError} or another error, with a message that begins with `fsck`, when it is
 *   corrupt
 */
export async function verifyObject(repo: Readable, name: ObjectName): Promise<void> {
  const { checksum, type } = name
  try {
    if (type === 'file') await verifyFile(repo, name)
    else if (type === 'commit' || type === 'dirtree' || type === 'dirmeta') {
      const bytes = await repo.objects.readMeta(type, checksum)
      const actual = checksumMeta(repo.platform, bytes)
      if (actual !== checksum) throw new ChecksumMismatchError(type, checksum, actual)
      verifyStructure(type, checksum, bytes)
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

function verifyStructure(type: MetaType, checksum: Checksum, bytes: Uint8Array): void {
  // Also verifies that its names are sorted. ostree does not, although its lookup depends on it. Bytes in normal form
  // need no other check, which would make an object for each entry.
  if (type === 'dirtree' && dirTreeEntries(bytes, checksum).isNormal) return
  try {
    validateMeta(type, bytes, 'sorted')
  } catch (error) {
    throw withContext(`${checksum}.${type}`, error)
  }
}

/** Tells whether an error means that this very object does not exist. */
export function isMissing(error: unknown, name: ObjectName): boolean {
  return error instanceof ObjectNotFoundError && error.data.object === formatObjectName(name)
}

/**
 * Returns if an error means that an object does not exist, so that what only that object refers to may be deleted.
 * @throws {IoError} when the object is a symbolic link without a target: what it refers to is unknown
 * @throws any other error, unchanged
 */
export function requireAbsent(error: unknown): void {
  if (!(error instanceof ObjectNotFoundError)) throw error
  for (let { cause } = error as Error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof IoError) throw cause
  }
}
