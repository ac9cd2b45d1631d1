/** Reads the SELinux policy of a local directory, which `--selinux-policy` names. */

import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { LimitError } from '../../errors.ts'
import { namesIn } from '../../system/directories.ts'
import { withIo } from '../../system/errno.ts'
import { OpenDirectory } from '../../system/open-directory.ts'
import { directoryPath, fsPath } from '../../system/raw-path.ts'
import { MAX_POLICY_TEXT, parseSePolicy, SELINUX_DIRECTORIES, type SePolicy, type SePolicyFiles } from './sepolicy.ts'

/** Maximum size of a binary policy in bytes. Current ones have about 8 MB. */
const MAX_BINARY_POLICY = 1 << 28

/**
 * Reads the policy in `etc/selinux` or `usr/etc/selinux` of a directory.
 * @param root the directory. Symlinks below it are resolved as usual, absolute ones from `/`
 * @returns `undefined` when there is no policy, or it is disabled
 * @throws {IoError} `opendir(…): …` when `root` is not a directory
 * @throws {FormatError}, {UnsupportedError} or {LimitError} as `parseSePolicy` does
 */
export async function readLocalSePolicy(root: string): Promise<SePolicy | undefined> {
  OpenDirectory.at(fsPath(root), root).close()
  const place = withIo(root, () => directoryPath(root))
  const directory = SELINUX_DIRECTORIES.map((path) => join(place, path)).find((path) => existsSync(path))
  return directory === undefined || !statSync(directory).isDirectory()
    ? undefined
    : parseSePolicy(localFiles(directory), directory)
}

function localFiles(directory: string): SePolicyFiles {
  const stat = (path: string) => withIo(path, () => statSync(path, { throwIfNoEntry: false }))
  return {
    read: async (name) => {
      const path = join(directory, name)
      const found = stat(path)
      if (!found?.isFile()) return undefined
      const limit = name.includes('/policy/') ? MAX_BINARY_POLICY : MAX_POLICY_TEXT
      if (found.size > limit) throw new LimitError('size of a file of the SELinux policy', limit, undefined, path)
      return withIo(path, () => readFileSync(path))
    },
    list: async (name) => namesIn(join(directory, name)),
  }
}
