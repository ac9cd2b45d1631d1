/**
 * Whether all objects that commits reach are there and are what their names say. Source: ot-builtin-fsck.c;
 * ostree-repo.c, ostree_repo_fsck_object.
 */

import type { Checksum } from '../bytes.ts'
import { ChecksumMismatchError, ObjectNotFoundError, withContext } from '../errors.ts'
import {
  checksumMeta,
  createFileVerifier,
  formatObjectName,
  type ObjectName,
  validateFileHeader,
  validateMeta,
} from '../objects/index.ts'
import type { Repo } from './repo.ts'

/**
 * Reads one object whole, checks its structure, and that it hashes to its name.
 * @throws {ObjectNotFoundError}, {ChecksumMismatchError}, {FormatError}
 */
export async function verifyObject(repo: Repo, { type, checksum }: ObjectName): Promise<void> {
  if (type === 'file') {
    const { header, body } = await repo.objects.readFile(checksum)
    validateFileHeader(header)
    const verifier = createFileVerifier(repo.platform, header, checksum)
    if (body instanceof Uint8Array) verifier.update(body)
    else for await (const chunk of body) verifier.update(chunk)
    try {
      verifier.finish()
    } catch (error) {
      throw withContext(`fsck content object ${checksum}`, error)
    }
    return
  }
  if (type !== 'commit' && type !== 'dirtree' && type !== 'dirmeta') return
  const bytes = await repo.objects.readMeta(type, checksum)
  const actual = checksumMeta(repo.platform, bytes)
  if (actual !== checksum) throw new ChecksumMismatchError(formatObjectName({ type, checksum }), checksum, actual)
  validateMeta(type, bytes)
}

/** A missing object is one kind of finding, anything else wrong with it the other. */
export type ObjectFinding =
  | { readonly kind: 'sound' | 'missing' }
  | { readonly kind: 'corrupt'; readonly error: unknown }

/** As `verifyObject`, and tells what is wrong in place of throwing it. */
export async function inspectObject(repo: Repo, name: ObjectName): Promise<ObjectFinding> {
  try {
    await verifyObject(repo, name)
    return { kind: 'sound' }
  } catch (error) {
    return error instanceof ObjectNotFoundError ? { kind: 'missing' } : { kind: 'corrupt', error }
  }
}

export interface CommitCensus {
  readonly complete: readonly Checksum[]
  readonly partial: number
  /** Of these, marked by an earlier fsck. */
  readonly fsckPartial: number
}

/** The commits of this repository, by whether all they reach should be there. */
export async function countCommits(repo: Repo): Promise<CommitCensus> {
  const complete: Checksum[] = []
  let partial = 0
  let fsckPartial = 0
  for await (const { checksum } of repo.storage.objects.list('commit')) {
    const state = await repo.commitState(checksum)
    if (state === 'complete') complete.push(checksum)
    else partial++
    if (state === 'fsck-partial') fsckPartial++
  }
  return { complete, partial, fsckPartial }
}
