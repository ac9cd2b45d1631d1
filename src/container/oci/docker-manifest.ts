/**
 * Converts Docker's manifest version 2, schema 2, to the OCI manifest that the proxy of ostree-ext, a program in Go, makes
 * of it. Stored commits have the converted manifest, whose config digest is that of the config as Go writes it.
 * Source: containers/image, `image/docker_schema2.go`.
 */
import { encodeUtf8 } from '../../bytes.ts'
import { UnsupportedError } from '../../errors.ts'
import type { Platform } from '../../platform/index.ts'
import { goConfigJson, readGoConfig } from './config.ts'
import { digestOf } from './digest.ts'
import { parseManifest } from './manifest.ts'
import {
  DOCKER_FOREIGN_LAYER,
  DOCKER_FOREIGN_LAYER_GZIP,
  DOCKER_LAYER,
  DOCKER_LAYER_GZIP,
  DOCKER_LAYER_ZSTD,
  OCI_CONFIG,
  OCI_FOREIGN_LAYER,
  OCI_FOREIGN_LAYER_GZIP,
  OCI_FOREIGN_LAYER_ZSTD,
  OCI_LAYER,
  OCI_LAYER_GZIP,
  OCI_LAYER_ZSTD,
  OCI_MANIFEST,
} from './media-types.ts'
import type { Descriptor, ImageManifest } from './oci-types.ts'
import { present } from './present.ts'

const LAYER_TYPES: ReadonlyMap<string, string> = new Map([
  [DOCKER_LAYER, OCI_LAYER],
  [DOCKER_LAYER_GZIP, OCI_LAYER_GZIP],
  [DOCKER_LAYER_ZSTD, OCI_LAYER_ZSTD],
  [DOCKER_FOREIGN_LAYER, OCI_FOREIGN_LAYER],
  [DOCKER_FOREIGN_LAYER_GZIP, OCI_FOREIGN_LAYER_GZIP],
  // Some builders write layers of OCI's types into a Docker manifest.
  ...[OCI_LAYER, OCI_LAYER_GZIP, OCI_LAYER_ZSTD, OCI_FOREIGN_LAYER, OCI_FOREIGN_LAYER_GZIP, OCI_FOREIGN_LAYER_ZSTD].map(
    (type) => [type, type] as const,
  ),
])

/**
 * Converts a manifest.
 * @param config the config blob as stored; the caller has verified it against `manifest`
 * @returns a manifest with the same layers, and a config descriptor of a blob that the image does not have
 * @throws {FormatError} {LimitError}, {UnsupportedError} on a layer type OCI has no match for
 */
export function convertDockerManifest(platform: Platform, manifest: Uint8Array, config: Uint8Array): ImageManifest {
  const { layers } = parseManifest(manifest)
  const converted = convertDockerConfig(config)
  return {
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config: { mediaType: OCI_CONFIG, digest: digestOf(platform.sha256(converted)), size: converted.length },
    layers: layers.map(convertLayer),
  }
}

/** Returns the config blob that the converted manifest names. @throws {FormatError}, {LimitError} */
export function convertDockerConfig(config: Uint8Array): Uint8Array {
  return encodeUtf8(goConfigJson(readGoConfig(config)))
}

function convertLayer({ mediaType, digest, size, urls }: Descriptor): Descriptor {
  const type = LAYER_TYPES.get(mediaType)
  if (type === undefined) {
    throw new UnsupportedError('layer type', `Unknown media type during manifest conversion: "${mediaType}"`)
  }
  return present({ mediaType: type, digest, size, urls: urls?.length === 0 ? undefined : urls })
}
