/** What the container commands take from the machine: its user, and references as people type them. */
import {
  type ImageReference,
  type ImageSource,
  type MetadataPolicy,
  type OstreeImageReference,
  openImage,
  parseImageReference,
  parseOstreeImageReference,
  requireAccepted,
} from '../../container/index.ts'
import { UsageError } from '../../errors.ts'
import { nodePlatform } from '../../platform/node.ts'
import { hostPlatform } from '../../system/host.ts'
import { nodeFiles } from '../../system/local-files.ts'
import { hostPolicy, type ProxyOptions, registryOptions } from './registry-access.ts'

export function processOwner(): { uid: number; gid: number } {
  return { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 }
}

const SCHEMES = /^ostree-(?:image-signed|unverified-image|unverified-registry|remote-image|remote-registry):/

/** `oci:path:tag` alone stands for `ostree-unverified-image:oci:path:tag`. */
export function parseReference(text: string): OstreeImageReference {
  if (SCHEMES.test(text) || !text.includes(':')) return parseOstreeImageReference(text)
  return { ...parseOstreeImageReference('ostree-unverified-image:oci:image'), imgref: parseImageReference(text) }
}

const POLICIES: readonly MetadataPolicy[] = ['exact', 'compat']

/** The value of `--metadata`. */
export function metadataPolicy(text: string | undefined): MetadataPolicy | undefined {
  if (text === undefined) return undefined
  const policy = POLICIES.find((name) => name === text)
  if (policy !== undefined) return policy
  throw new UsageError(`Invalid metadata policy '${text}', expected exact or compat`, 'metadata')
}

/** Opens an image that is not to be stored. */
export async function openSource(
  image: ImageReference,
  options: ProxyOptions,
  signal: AbortSignal,
): Promise<ImageSource> {
  await requireAccepted(image, await hostPolicy())
  const registry = image.transport === 'registry' ? await registryOptions(options) : undefined
  return openImage(image, { platform: nodePlatform, files: nodeFiles, host: hostPlatform(), registry, signal })
}
