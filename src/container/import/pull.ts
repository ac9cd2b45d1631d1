/**
 * An image into a repository, in one call.
 *
 * ```ts
 * await pullImage(repo, 'ostree-unverified-image:oci:exampleos:1.0', { files: nodeFiles, host })
 * ```
 */

import type { Repo } from '../../repo/index.ts'
import { type OstreeImageReference, parseOstreeImageReference } from '../oci/reference.ts'
import type { ImportOptions } from './import-options.ts'
import { ImageImporter, type UnencapsulatedImage } from './importer.ts'
import type { ImportedImage } from './prepared-import.ts'

export interface PulledImage extends ImportedImage {
  /** False when the image was here already: then nothing was written. */
  readonly changed: boolean
}

/**
 * Pulls what is not here yet. An import that fails leaves finished layers behind; the next one goes on from there.
 * @param reference text as on a command line: `ostree-unverified-registry:…`, `ostree-unverified-image:oci:…`
 * @throws {InvalidNameError} on a malformed reference, and as `ImageImporter`
 */
export async function pullImage(
  repo: Repo,
  reference: string | OstreeImageReference,
  options: ImportOptions,
): Promise<PulledImage> {
  const parsed = typeof reference === 'string' ? parseOstreeImageReference(reference) : reference
  await using importer = new ImageImporter(repo, parsed, options)
  const result = await importer.prepare()
  if (result.kind === 'ready') return { ...(await importer.import(result.prepared)), changed: true }
  const layersReused = result.state.manifest.layers.length
  return { ...result.state, layersFetched: 0, layersReused, changed: false }
}

/**
 * Stores commit and objects under the checksums their producer gave them, and sets no ref: that is the caller's.
 * @throws {FormatError} when the image has other layers too, or no OSTree commit
 */
export async function unencapsulate(
  repo: Repo,
  reference: string | OstreeImageReference,
  options: ImportOptions,
): Promise<UnencapsulatedImage> {
  const parsed = typeof reference === 'string' ? parseOstreeImageReference(reference) : reference
  await using importer = new ImageImporter(repo, parsed, options)
  return await importer.unencapsulate()
}
