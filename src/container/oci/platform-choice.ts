/**
 * Which manifest of an index a host takes.
 * Source: containers/image, `internal/pkg/platform` (wanted platforms), `internal/manifest` (choice).
 */
import { NotFoundError } from '../../errors.ts'
import type { ImageIndex } from './manifest.ts'
import { DOCKER_LIST } from './media-types.ts'
import type { Descriptor, HostPlatform } from './oci-types.ts'

/** The most capable first; a host runs what its own variant and those after it run. */
const VARIANTS: ReadonlyMap<string, readonly string[]> = new Map([
  ['arm', ['v8', 'v7', 'v6', 'v5']],
  ['arm64', ['v8']],
])

/** Variants the host runs, the best first; `''` is an image that names none. */
export function wantedVariants({ architecture, variant = '' }: HostPlatform): string[] {
  const known = VARIANTS.get(architecture) ?? []
  if (variant === '') return ['', ...known]
  const own = known.indexOf(variant)
  return [variant, ...(own < 0 ? [] : known.slice(own + 1)), '']
}

/**
 * Operating system, architecture and variant must match; in an OCI index an entry that names no platform does for want
 * of a better one. Among equals of an OCI index, layers in gzip come before those in zstd; then the first is taken.
 * @throws {NotFoundError} naming what was looked for
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

/** Lower is better. */
function rankOf(
  { platform, annotations }: Descriptor,
  host: HostPlatform,
  variants: readonly string[],
  docker: boolean,
): number | undefined {
  let place = variants.length
  if (platform !== undefined) {
    if (platform['os'] !== host.os || platform['architecture'] !== host.architecture) return undefined
    place = variants.indexOf(String(platform['variant'] ?? ''))
    if (place < 0) return undefined
  } else if (docker) {
    return undefined
  }
  const zstd = !docker && annotations?.['io.github.containers.compression.zstd'] === 'true'
  return place * 2 + (zstd ? 1 : 0)
}
