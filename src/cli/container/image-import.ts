/** Import settings that come from this machine, and from the options that all importing commands have. */

import type { ImportOptions, OstreeImageReference } from '../../container/index.ts'
import { layerThreads } from '../../container/local.ts'
import { hostPlatform } from '../../system/host.ts'
import { nodeFiles } from '../../system/local-files.ts'
import { hostVerification } from '../verification.ts'
import { processOwner } from './image-reference.ts'
import { hostPolicy, type ProxyOptions, registryOptions } from './registry-access.ts'

/** Returns the settings to import `image`. @throws {UsageError} when the proxy options exclude each other */
export async function importSettings(image: OstreeImageReference, options: ProxyOptions): Promise<ImportOptions> {
  return {
    host: hostPlatform(),
    files: nodeFiles,
    threads: layerThreads(),
    owner: processOwner(),
    now: () => Date.now() / 1000,
    registry: image.imgref.transport === 'registry' ? await registryOptions(options) : undefined,
    policy: await hostPolicy(),
    verification: hostVerification(),
  }
}
