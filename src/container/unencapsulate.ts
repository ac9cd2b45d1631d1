/**
 * The OSTree commit that was put into an image, back out of it.
 *
 * Source: ostree-ext, container::unencapsulate.
 */

import type { Repo } from '../repo/index.ts'
import type { ImportOptions } from './import-options.ts'
import { ImageImporter, type UnencapsulatedImage } from './importer.ts'
import { type OstreeImageReference, parseOstreeImageReference } from './reference.ts'

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
