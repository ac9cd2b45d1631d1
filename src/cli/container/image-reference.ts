/** Parses image references and related options of the container commands, and opens images. */
import {
  type ImageReference,
  type ImageSource,
  type MetadataPolicy,
  openImage,
  parseAnyImageReference,
} from '../../container/index.ts'
import { requireAccepted } from '../../container/internal.ts'
import { UsageError } from '../../errors.ts'
import { nodePlatform } from '../../platform/node.ts'
import { hostPlatform } from '../../system/host.ts'
import { nodeFiles } from '../../system/local-files.ts'
import { hostPolicy, type ProxyOptions, registryOptions } from './registry-access.ts'

/** Returns the user and group that own the files this process creates; 0 where Node does not know them. */
export function processOwner(): { uid: number; gid: number } {
  return { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 }
}

/** Parses an image reference. One without a scheme, `oci:path:tag`, means `ostree-unverified-image:oci:path:tag`. */
export const parseReference = parseAnyImageReference

const POLICIES: readonly MetadataPolicy[] = ['exact', 'compat']

/** Parses the value of `--metadata`. @throws {UsageError} when it is neither `exact` nor `compat` */
export function metadataPolicy(text: string | undefined): MetadataPolicy | undefined {
  if (text === undefined) return undefined
  const policy = POLICIES.find((name) => name === text)
  if (policy !== undefined) return policy
  throw new UsageError(`Invalid metadata policy '${text}', expected exact or compat`, 'metadata')
}

/**
 * Opens an image for reading, without storing it.
 * @throws {DeniedError} when the host's policy does not accept the image
 */
export async function openSource(
  image: ImageReference,
  options: ProxyOptions,
  signal: AbortSignal,
): Promise<ImageSource> {
  await requireAccepted(image, await hostPolicy())
  const registry = image.transport === 'registry' ? await registryOptions(options) : undefined
  return openImage(image, { platform: nodePlatform, files: nodeFiles, host: hostPlatform(), registry, signal })
}
