/**
 * Reads the metadata of merge commits, and the note of a newer image in their detached metadata.
 *
 * Source: ostree-ext, container::store (manifest_data_from_commitmeta, image_config_from_commitmeta, parse_cached_update).
 */

import { encodeUtf8 } from '../../bytes.ts'
import { FormatError, withContext } from '../../errors.ts'
import { lookup, string, type Vardict } from '../../gvariant/index.ts'
import type { Commit } from '../../objects/index.ts'
import { normaliseConfig } from '../oci/config.ts'
import { parseDigest } from '../oci/digest.ts'
import { parseManifest } from '../oci/manifest.ts'
import type { Digest, ImageConfiguration, ImageManifest } from '../oci/oci-types.ts'
import { versionForConfig } from './image-time.ts'
import {
  CACHED_CONFIG,
  CACHED_MANIFEST,
  CACHED_MANIFEST_DIGEST,
  META_CONFIG,
  META_MANIFEST,
  META_MANIFEST_DIGEST,
} from './names.ts'

/** A newer version of a stored image, which an import saw but did not fetch. */
export interface CachedImageUpdate {
  readonly manifest: ImageManifest
  readonly manifestDigest: Digest
  readonly config: ImageConfiguration
  readonly version: string | undefined
}

/**
 * Reads the manifest and its digest from the metadata of a merge commit.
 * @throws {FormatError} when a key is missing or its value is malformed
 */
export function manifestDataFromCommitmeta(metadata: Vardict): { manifest: ImageManifest; manifestDigest: Digest } {
  try {
    const digest = text(metadata, META_MANIFEST_DIGEST)
    if (digest === undefined) {
      throw new FormatError('commit', `Missing ${META_MANIFEST_DIGEST} metadata on merge commit`)
    }
    const manifest = text(metadata, META_MANIFEST)
    if (manifest === undefined) throw new FormatError('commit', `Failed to find ${META_MANIFEST} metadata key`)
    return { manifest: parseManifest(encodeUtf8(manifest)), manifestDigest: parseDigest(digest) }
  } catch (error) {
    throw withContext('Reading manifest data from commit', error)
  }
}

/** Reads the digest of the manifest from a merge commit. @throws {FormatError} as `manifestDataFromCommitmeta` */
export function manifestDigestFromCommit({ metadata }: Commit): Digest {
  return manifestDataFromCommitmeta(metadata).manifestDigest
}

/**
 * Reads the config of an image from the metadata of a merge commit. Commits of the first versions of ostree-ext have
 * none; for those a config without diff ids is returned.
 * @throws {FormatError} when the value is malformed
 */
export function imageConfigFromCommitmeta(metadata: Vardict): ImageConfiguration {
  const config = text(metadata, META_CONFIG)
  if (config === undefined || !hasConfig(metadata)) {
    return { architecture: 'unknown', os: 'unknown', rootfs: { type: 'layers', diff_ids: [] } }
  }
  return normaliseConfig(encodeUtf8(config))
}

/** Returns whether a merge commit holds a config. */
export function hasConfig(metadata: Vardict): boolean {
  const config = text(metadata, META_CONFIG)
  return config !== undefined && config !== 'null'
}

/**
 * Reads a newer version of the image from the detached metadata of a merge commit.
 * @returns `undefined` when none was seen
 * @throws {FormatError} when a part of it is missing or malformed
 */
export function parseCachedUpdate(detached: Vardict): CachedImageUpdate | undefined {
  const digest = text(detached, CACHED_MANIFEST_DIGEST)
  if (digest === undefined) return undefined
  const manifest = text(detached, CACHED_MANIFEST)
  if (manifest === undefined) throw new FormatError('commitmeta', `Expected cached manifest ${CACHED_MANIFEST}`)
  const config = text(detached, CACHED_CONFIG)
  if (config === undefined) throw new FormatError('commitmeta', `Expected cached manifest ${CACHED_CONFIG}`)
  const parsed = normaliseConfig(encodeUtf8(config))
  return {
    manifest: parseManifest(encodeUtf8(manifest)),
    manifestDigest: parseDigest(digest),
    config: parsed,
    version: versionForConfig(parsed),
  }
}

/** Returns a string of the metadata; `undefined` when the key is absent. @throws {FormatError} when it has another type */
function text(metadata: Vardict, key: string): string | undefined {
  const value = lookup(metadata, key, string)
  if (value === undefined && metadata.some(([name]) => name === key)) {
    throw new FormatError('metadata', `Metadata ${key} is no string`)
  }
  return value
}
