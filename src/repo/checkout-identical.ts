/** Whether a file at the destination is the object already. Source: ostree-core.c, ostree_checksum_file_at. */

import type { Checksum } from '../bytes.ts'
import { ChecksumMismatchError } from '../errors.ts'
import { createFileVerifier, type FileHeader, isSymlink, NO_XATTRS, S_IFMT, S_IFREG } from '../objects/index.ts'
import type { TargetDirectory } from './checkout-target.ts'
import type { RepoSettings } from './config.ts'
import type { ObjectReader } from './interface.ts'
import type { Repo } from './repo.ts'

/** As much of a repository as files of a checkout take. */
export interface FileSource extends Pick<Repo, 'platform' | 'mode'> {
  readonly objects: ObjectReader
  readonly settings: Pick<RepoSettings, 'disableXattrs'>
}

/** Hashes the file. @param name of a regular file or a symbolic link */
export async function holdsFile(
  repo: FileSource,
  directory: TargetDirectory,
  name: string,
  checksum: Checksum,
): Promise<boolean> {
  const bareUserOnly = repo.mode === 'bare-user-only'
  const { header, body } = await directory.readFile(name, !repo.settings.disableXattrs && !bareUserOnly)
  const verifier = createFileVerifier(repo.platform, bareUserOnly ? canonical(header) : header, checksum)
  if (body instanceof Uint8Array) verifier.update(body)
  else for await (const chunk of body) verifier.update(chunk)
  try {
    verifier.finish()
    return true
  } catch (error) {
    if (error instanceof ChecksumMismatchError) return false
    throw error
  }
}

function canonical(header: FileHeader): FileHeader {
  const mode = isSymlink(header) ? header.mode : header.mode & (S_IFREG | 0o755)
  return { uid: 0, gid: 0, mode, target: header.target, xattrs: NO_XATTRS }
}

export function isRegularOrLink(mode: number): boolean {
  return (mode & S_IFMT) === S_IFREG || (mode & S_IFMT) === 0o120000
}
