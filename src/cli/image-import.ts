/** What every import of an image takes from the machine and from options all such commands have. */
import type { ImportOptions, OstreeImageReference } from '../container/index.ts'
import { nodeFiles } from '../platform/node-files.ts'
import { hostPlatform } from '../platform/node-host.ts'
import { processOwner } from './image-reference.ts'
import { hostPolicy, type ProxyOptions, registryOptions } from './registry-access.ts'
import { hostVerification } from './verification.ts'

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
