/** Time and version of an image. Source: ostree-ext, `timestamp_of_manifest_or_config`. */

import type { ImageConfiguration, ImageManifest } from '../oci/oci-types.ts'
import { parseLenientRfc3339 } from '../oci/rfc3339.ts'
import { CREATED_ANNOTATION, VERSION_LABELS } from './names.ts'

/**
 * Returns when an image was made, in seconds since the epoch, UTC: the annotation `org.opencontainers.image.created` of
 * the manifest, or `created` of the config when there is no annotation.
 * @returns `undefined` when there is no time, or it is malformed (the annotation may have the
 *   forms that `parseLenientRfc3339` accepts); times before 1970 as unsigned 64-bit numbers
 */
export function timestampOfManifestOrConfig(manifest: ImageManifest, config: ImageConfiguration): bigint | undefined {
  const text = own(manifest.annotations, CREATED_ANNOTATION) ?? config.created
  const seconds = text === undefined ? undefined : parseLenientRfc3339(text)
  return seconds === undefined ? undefined : BigInt.asUintN(64, BigInt(seconds))
}

/** Returns the version of an image: the first of `VERSION_LABELS` that its config has. */
export function versionForConfig(config: ImageConfiguration): string | undefined {
  for (const label of VERSION_LABELS) {
    const version = own(config.config?.Labels, label)
    if (version !== undefined) return version
  }
  return undefined
}

function own(record: Readonly<Record<string, string>> | undefined, key: string): string | undefined {
  return record !== undefined && Object.hasOwn(record, key) ? record[key] : undefined
}
