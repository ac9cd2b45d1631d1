/**
 * Imports an image into a repository, in one call.
 *
 * ```ts
 * await pullImage(repo, 'docker://quay.io/exampleos/os:1', { registry, files, host })
 * ```
 */

import type { Repo } from '../../repo/index.ts'
import { type OstreeImageReference, parseAnyImageReference } from '../oci/reference.ts'
import type { ImportOptions } from './import-options.ts'
import type { ImportResult } from './import-result.ts'
import { ImageImporter, type UnencapsulatedImage } from './importer.ts'

/** The stored image, and whether it had to be imported. */
export interface PulledImage extends ImportResult {
  /** False when the image was stored already: then nothing was written. */
  readonly changed: boolean
}

/**
 * Pulls an image that is not stored yet. An import that fails keeps the layers it has finished; the next one continues
 * from there.
 *
 * @example
 * const options = { host: hostPlatform(), files: nodeFiles, registry: { network: nodeNetwork() } }
 * const { mergeCommit } = await pullImage(repo, 'ostree-unverified-registry:quay.io/exampleos/os:1', options)
 * @param reference text as on a command line: `docker://…`, `oci:…`, `ostree-image-signed:docker://…`
 * @throws {InvalidNameError} on a malformed reference, or one that the image cannot be stored under
 * @throws {OstreeError} as `ImageImporter`
 */
export async function pullImage(
  repo: Repo,
  reference: string | OstreeImageReference,
  options: ImportOptions,
): Promise<PulledImage> {
  const parsed = typeof reference === 'string' ? parseAnyImageReference(reference) : reference
  await using importer = new ImageImporter(repo, parsed, options)
  const result = await importer.prepare()
  if (result.kind === 'ready') return { ...(await importer.import(result.prepared)), changed: true }
  const layersReused = result.state.manifest.layers.length
  const nothing = { verifyText: undefined, filteredFiles: undefined, lostEntries: undefined, layersFetched: 0 }
  return { ...result.state, ...nothing, layersReused, changed: false }
}

/**
 * Stores the commit in an image, and its objects, under the checksums that their producer gave them. No ref is set.
 *
 * @example
 * const { commit } = await unencapsulate(repo, 'ostree-unverified-image:oci:/srv/image:latest', options)
 * await repo.setRef('main', commit)
 * @throws {FormatError} when the image has other layers too, or no OSTree commit
 */
export async function unencapsulate(
  repo: Repo,
  reference: string | OstreeImageReference,
  options: ImportOptions,
): Promise<UnencapsulatedImage> {
  const parsed = typeof reference === 'string' ? parseAnyImageReference(reference) : reference
  await using importer = new ImageImporter(repo, parsed, options)
  return await importer.unencapsulate()
}
