/**
 * Chooses the manifest of an index for a host.
 * Source: containers/image, `internal/pkg/platform` (wanted platforms), `internal/manifest` (choice).
 */
import { NotFoundError } from '../../errors.ts'
import type { ImageIndex } from './manifest.ts'
import { DOCKER_LIST } from './media-types.ts'
import type { Descriptor, HostPlatform } from './oci-types.ts'

/** Variants of an architecture, the most capable first. A host runs images of its own variant and of those after it. */
const VARIANTS: ReadonlyMap<string, readonly string[]> = new Map([
  ['arm', ['v8', 'v7', 'v6', 'v5']],
  ['arm64', ['v8']],
])

/** Returns the variants that a host runs, the best first; `''` stands for images without a variant. */
export function wantedVariants({ architecture, variant = '' }: HostPlatform): string[] {
  const known = VARIANTS.get(architecture) ?? []
  if (variant === '') return ['', ...known]
  const own = known.indexOf(variant)
  return [variant, ...(own < 0 ? [] : known.slice(own + 1)), '']
}

/**
 * Chooses a manifest whose operating system, architecture and variant match. In an OCI index an entry without a platform
 * is chosen if no other matches. Of equal entries of an OCI index, one with layers in gzip is preferred to one with
 * layers in zstd; else the first is chosen.
 * @throws {NotFoundError} naming the platform, when no entry matches
 */
export function chooseManifest(index: ImageIndex, host: HostPlatform): Descriptor {
  const docker = index.mediaType === DOCKER_LIST
  const variants = wantedVariants(host)
  let best: { entry: Descriptor; rank: number } | undefined
  for (const entry of index.manifests) {
    const rank = rankOf(entry, host, variants, docker)
    if (rank !== undefined && (best === undefined || rank < best.rank)) best = { entry, rank }
  }
  if (best !== undefined) return best.entry
  const { architecture, variant = '', os } = host
  throw new NotFoundError(
    'image for the platform',
    `no image found in ${docker ? 'manifest list' : 'image index'} ` +
      `for architecture "${architecture}", variant "${variant}", OS "${os}"`,
  )
}

/** Returns the rank of an entry; the lowest is the best. */
function rankOf(
  { platform, annotations }: Descriptor,
  host: HostPlatform,
  variants: readonly string[],
  docker: boolean,
): number | undefined {
  let place = variants.length
  if (platform !== undefined) {
    if (platform['os'] !== host.os || platform['architecture'] !== host.architecture) return undefined
    const { variant = '' } = platform
    if (typeof variant !== 'string') return undefined
    place = variants.indexOf(variant)
    if (place < 0) return undefined
  } else if (docker) {
    return undefined
  }
  const zstd = !docker && annotations?.['io.github.containers.compression.zstd'] === 'true'
  return place * 2 + (zstd ? 1 : 0)
}
