/**
 * Image references in the place of revisions: `ostree-ts ls oci:/srv/image:1.0` lists the stored image. A ref of ostree
 * comes first, because `oci:main` may also name the ref `main` of a remote `oci`.
 */
import { InvalidNameError, RefNotFoundError } from '../errors.ts'
import type { Repo } from '../repo/index.ts'

const VERIFIED = /^ostree-(?:image-signed|unverified-image|unverified-registry|remote-image|remote-registry):/
const TRANSPORT = /^(?:docker:\/\/|(?:registry|oci|oci-archive|docker-archive|containers-storage|dir|docker-daemon):)/

/** Tells whether a text begins as an image reference does: with a transport, or with how an image is verified. */
export function isImageName(text: string): boolean {
  return VERIFIED.test(text) || TRANSPORT.test(text)
}

/**
 * Returns the revision that an argument names: the ref of a stored image, followed by any `^` of the argument.
 * @param text a revision, or an image reference
 * @returns `text` unchanged when it is not an image reference, names a ref, or names an image that is not stored, so that
 *   resolving it gives the error of ostree
 */
export async function imageRevision(repo: Repo, text: string): Promise<string> {
  if (!isImageName(text) || (await exists(repo, text))) return text
  const { parseImageReference, parseOstreeImageReference, refForImage } = await import('../container/index.ts')
  const [, name = '', parents = ''] = /^(.*?)(\^*)$/s.exec(text) ?? []
  try {
    const ref = refForImage(VERIFIED.test(name) ? parseOstreeImageReference(name).imgref : parseImageReference(name))
    return (await exists(repo, ref)) ? `${ref}${parents}` : text
  } catch (error) {
    if (error instanceof InvalidNameError) return text
    throw error
  }
}

/** Tells whether a revision names a commit. */
async function exists(repo: Repo, rev: string): Promise<boolean> {
  try {
    return (await repo.tryResolve(rev)) !== undefined
  } catch (error) {
    if (error instanceof InvalidNameError || error instanceof RefNotFoundError) return false
    throw error
  }
}
