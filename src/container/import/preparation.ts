/**
 * What an import asks before it fetches anything.
 *
 * Source: ostree-ext, container::store (prepare_internal).
 */

import type { Checksum } from '../../bytes.ts'
import { FormatError, UnsupportedError, UsageError } from '../../errors.ts'
import { string, variantOf } from '../../gvariant/index.ts'
import { BOOTABLE_KEY, type Repo, type Verification, verifyCommitFor } from '../../repo/index.ts'
import { canonicalJson } from '../oci/canonical-json.ts'
import type { Digest, HostPlatform, ImageConfiguration, ImageManifest } from '../oci/oci-types.ts'
import { formatOstreeImageReference, type ImageReference, type OstreeImageReference } from '../oci/reference.ts'
import type { CommitVerifier } from '../ostree-tar/ostree-tar.ts'
import { label } from '../store/layout.ts'
import {
  BOOTC_LABEL,
  CACHED_CONFIG,
  CACHED_KEYS,
  CACHED_MANIFEST,
  CACHED_MANIFEST_DIGEST,
  OSTREE_COMMIT_LABEL,
} from '../store/names.ts'
import type { LayeredImageState } from '../store/query.ts'

const BOOTABLE_LABELS = [BOOTABLE_KEY, BOOTC_LABEL]

/**
 * Returns the verifier of the commit in an image, with the keys of the remote that the reference names.
 * @returns `undefined` when the reference names no remote
 * @throws {UnsupportedError} when it does, but `verification` is absent
 */
export function commitVerifier(
  repo: Repo,
  reference: OstreeImageReference,
  verification: Verification | undefined,
): CommitVerifier | undefined {
  const { sigverify } = reference
  if (sigverify.kind !== 'remote') return undefined
  const { remote } = sigverify
  if (verification === undefined) {
    const name = formatOstreeImageReference(reference)
    throw new UnsupportedError(
      'signature verification',
      `Cannot verify signatures of ${name}; ostree-unverified-image: pulls without`,
    )
  }
  return { remote, verify: (commit) => verifyCommitFor(repo, remote, commit, verification) }
}

/** Returns the digest at the end of a name such as `docker://host/name@sha256:…`. */
export function digestOfName({ name }: ImageReference): string | undefined {
  return /^[a-z0-9][^@\s]*@(sha256:[0-9a-f]{64})$/i.exec(name)?.[1]
}

/**
 * Returns whether a stored image is the one with this manifest. It also is when only the compression of layers differs:
 * the config names their content.
 */
export function isSameImage(stored: LayeredImageState, manifest: ImageManifest, digest: Digest): boolean {
  return stored.manifestDigest === digest || stored.manifest.config.digest === manifest.config.digest
}

/** Notes a newer image in the detached metadata of the stored one's merge commit, instead of the newer one noted before. */
export async function cacheUpdate(
  repo: Repo,
  commit: Checksum,
  manifest: ImageManifest,
  digest: Digest,
  config: ImageConfiguration,
): Promise<void> {
  const others = (await repo.readDetachedMetadata(commit)).filter(([key]) => !CACHED_KEYS.has(key))
  await repo.writeDetachedMetadata(commit, [
    ...others,
    [CACHED_CONFIG, variantOf(string, canonicalJson(config))],
    [CACHED_MANIFEST, variantOf(string, canonicalJson(manifest))],
    [CACHED_MANIFEST_DIGEST, variantOf(string, digest)],
  ])
}

/** Checks the label of an image that names its commit. @throws {FormatError} when it names another commit, or none */
export function requireCommitLabel(config: ImageConfiguration, commit: Checksum): void {
  const named = label(config, OSTREE_COMMIT_LABEL)
  if (named === commit) return
  throw new FormatError('config', `Label ${OSTREE_COMMIT_LABEL} names ${named ?? 'nothing'}, the image holds ${commit}`)
}

/** @throws {UsageError} when the image is not labelled bootable, or is for another architecture */
export function requireBootable(config: ImageConfiguration, { architecture }: HostPlatform): void {
  if (BOOTABLE_LABELS.every((name) => label(config, name) === undefined)) {
    throw new UsageError('Target image does not have ostree.bootable label')
  }
  if (config.architecture !== architecture) {
    throw new UsageError(`Image has architecture ${config.architecture}; expected ${architecture}`)
  }
}
