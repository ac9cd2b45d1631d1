/** What lies beside objects and refs. */

import { UnsupportedError } from '../errors.ts'
import type { RepoFiles } from './interface.ts'
import type { Repo } from './repo.ts'

/** The files of a repository. @param what needs them, for the message. @throws {UnsupportedError} in stores that keep none */
export function filesOf(repo: Repo, what: string): RepoFiles {
  const { files, location } = repo.storage
  if (files === undefined)
    throw new UnsupportedError(what, `${what} needs a repository that is a directory: ${location}`)
  return files
}
