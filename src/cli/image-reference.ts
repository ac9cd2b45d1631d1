/** What the container commands take from the machine: its user, and references as people type them. */
import { type OstreeImageReference, parseImageReference, parseOstreeImageReference } from '../container/index.ts'

export function processOwner(): { uid: number; gid: number } {
  return { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 }
}

const SCHEMES = /^ostree-(?:image-signed|unverified-image|unverified-registry|remote-image|remote-registry):/

/** `oci:path:tag` alone stands for `ostree-unverified-image:oci:path:tag`. */
export function parseReference(text: string): OstreeImageReference {
  if (SCHEMES.test(text) || !text.includes(':')) return parseOstreeImageReference(text)
  return { ...parseOstreeImageReference('ostree-unverified-image:oci:image'), imgref: parseImageReference(text) }
}
