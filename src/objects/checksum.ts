/**
 * Names of objects from their bytes: SHA-256 of a metadata object as it is, of a file as framed header and content.
 */

import type { Checksum } from '../bytes.ts'
import { ChecksumMismatchError } from '../errors.ts'
import type { Hasher, Platform } from '../platform/index.ts'
import { encodeFileHeader, type FileHeaderCache } from './file-header.ts'
import { type FileHeader, type FileObject, isSymlink } from './interface.ts'
import { isCanonical, sortXattrs } from './xattrs.ts'

export function checksumMeta(platform: Platform, bytes: Uint8Array): Checksum {
  return platform.sha256(bytes)
}

/**
 * @param body content of a regular file; ignored for a symbolic link
 * @param headers saves encoding a header that was seen before
 */
export function checksumFile(
  platform: Platform,
  header: FileHeader,
  body: Uint8Array,
  headers?: FileHeaderCache,
): Checksum {
  const framed = headers === undefined ? encodeFileHeader(header) : headers.encode(header)
  return isSymlink(header) ? platform.sha256(framed) : platform.sha256(framed, body)
}

/** A hash that has taken the header and waits for the content. */
export function createFileHasher(platform: Platform, header: FileHeader): Hasher {
  const hasher = platform.createSha256()
  hasher.update(encodeFileHeader(header))
  return hasher
}

/** Of a file as it was read; a stream is read to its end. */
export async function checksumObject(platform: Platform, { header, body }: FileObject): Promise<Checksum> {
  if (body instanceof Uint8Array) return checksumFile(platform, header, body)
  const hasher = createFileHasher(platform, header)
  for await (const chunk of body) hasher.update(chunk)
  return hasher.digest()
}

/** Holds content against the name it came under. */
export interface FileVerifier {
  update(bytes: Uint8Array): void
  /** @throws {ChecksumMismatchError} */
  finish(): void
}

/**
 * Versions before 2024.10 hashed xattrs in the order a tar file gave them, later ones sort before hashing. Both names
 * are accepted: over the header as it is, or with its xattrs sorted. Where they are sorted already that is one hash.
 */
export function createFileVerifier(platform: Platform, header: FileHeader, expected: Checksum): FileVerifier {
  const asStored = createFileHasher(platform, header)
  const sorted = isCanonical(header.xattrs)
    ? undefined
    : createFileHasher(platform, { ...header, xattrs: sortXattrs(header.xattrs) })
  return {
    update(bytes) {
      asStored.update(bytes)
      sorted?.update(bytes)
    },
    finish() {
      const actual = asStored.digest()
      if (actual === expected || sorted?.digest() === expected) return
      throw new ChecksumMismatchError('file', expected, actual)
    },
  }
}

/** `createFileVerifier` for content at hand. @throws {ChecksumMismatchError} */
export function verifyFile(platform: Platform, header: FileHeader, body: Uint8Array, expected: Checksum): void {
  const actual = checksumFile(platform, header, body)
  if (actual === expected) return
  if (!isCanonical(header.xattrs)) {
    const sorted = { ...header, xattrs: sortXattrs(header.xattrs) }
    if (checksumFile(platform, sorted, body) === expected) return
  }
  throw new ChecksumMismatchError('file', expected, actual)
}
