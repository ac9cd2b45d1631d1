/** Changing the configuration of a repository. Source: ostree-repo.c, ostree_repo_copy_config, ostree_repo_write_config. */

import { KeyFile } from '../keyfile/index.ts'
import type { Repo } from './repo.ts'

/**
 * Rewrites the key file as libostree does: what is neither group nor key is dropped.
 * @throws {FormatError}, {UnsupportedError}, and nothing is written, when the outcome is not right
 */
export async function editConfig(repo: Repo, change: (file: KeyFile) => void): Promise<void> {
  const file = KeyFile.parse(await repo.storage.readConfig(), 'config', { keep: 'values' })
  change(file)
  await repo.writeConfig(file.toString())
}
