/** What every import of an image takes from the machine and from options all such commands have. */

import { existsSync } from 'node:fs'
import type { ImportOptions, OstreeImageReference } from '../../container/index.ts'
import type { Repo } from '../../repo/index.ts'
import { createRepo, isSqlitePath, openRepo } from '../../repo/local.ts'
import { hostPlatform } from '../../system/host.ts'
import { nodeFiles } from '../../system/local-files.ts'
import { hostVerification } from '../verification.ts'
import { processOwner } from './image-reference.ts'
import { hostPolicy, type ProxyOptions, registryOptions } from './registry-access.ts'

export async function importSettings(image: OstreeImageReference, options: ProxyOptions): Promise<ImportOptions> {
  return {
    host: hostPlatform(),
    files: nodeFiles,
    owner: processOwner(),
    now: () => BigInt(Math.floor(Date.now() / 1000)),
    registry: image.imgref.transport === 'registry' ? await registryOptions(options) : undefined,
    policy: await hostPolicy(),
    verification: hostVerification(),
  }
}

/** A single-file store comes into being when it is first pulled into; a directory has a mode to be chosen first. */
export function openOrCreateStore(path: string): Promise<Repo> {
  return isSqlitePath(path) && !existsSync(path) ? createRepo(path) : openRepo(path)
}
