/** Import settings that come from this machine, and from the options that all importing commands have. */

import { existsSync } from 'node:fs'
import type { ImportOptions, OstreeImageReference } from '../../container/index.ts'
import type { Repo } from '../../repo/index.ts'
import { isSqlitePath } from '../../repo/local.ts'
import { hostPlatform } from '../../system/host.ts'
import { nodeFiles } from '../../system/local-files.ts'
import { createRepo, openRepo } from '../local-repo.ts'
import { hostVerification } from '../verification.ts'
import { processOwner } from './image-reference.ts'
import { hostPolicy, type ProxyOptions, registryOptions } from './registry-access.ts'

/** Returns the settings to import `image`. @throws {UsageError} when the proxy options exclude each other */
export async function importSettings(image: OstreeImageReference, options: ProxyOptions): Promise<ImportOptions> {
  return {
    host: hostPlatform(),
    files: nodeFiles,
    owner: processOwner(),
    now: () => Date.now() / 1000,
    registry: image.imgref.transport === 'registry' ? await registryOptions(options) : undefined,
    policy: await hostPolicy(),
    verification: hostVerification(),
  }
}

/** Opens a repository. Creates a missing SQLite file, but not a directory, whose mode `ostree init` has to choose. */
export function openOrCreateStore(path: string): Promise<Repo> {
  return isMissingFile(path) ? createRepo(path) : openRepo(path)
}

/** Tells whether a path names a SQLite file that does not exist. */
export function isMissingFile(path: string): boolean {
  return isSqlitePath(path) && !existsSync(path)
}
