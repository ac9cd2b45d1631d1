/**
 * Computes the checksums that name objects: SHA-256 of a metadata object's bytes, or of a file's framed header followed
 * by its content.
 */

import type { Checksum } from '../bytes.ts'
import { ChecksumMismatchError } from '../errors.ts'
import type { Hasher, Platform } from '../platform/index.ts'
import { encodeFileHeader, type FileHeaderCache } from './file-header.ts'
import { type FileHeader, type FileObject, isSymlink } from './interface.ts'
import { isCanonical, sortXattrs } from './xattrs.ts'

/** Computes the checksum of a metadata object. */
export function checksumMeta(platform: Platform, bytes: Uint8Array): Checksum {
  return platform.sha256(bytes)
}

/**
 * Computes the checksum of a file whose content is in memory.
 * @param body content of a regular file; ignored for a symbolic link
 * @param headers cache that avoids encoding the same header again
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

/** Creates a hasher that has taken the framed header; the caller updates it with the content. */
export function createFileHasher(platform: Platform, header: FileHeader): Hasher {
  const hasher = platform.createSha256()
  hasher.update(encodeFileHeader(header))
  return hasher
}

/** Computes the checksum of a file object; a streamed body is read to its end. */
export async function checksumObject(platform: Platform, { header, body }: FileObject): Promise<Checksum> {
  if (body instanceof Uint8Array) return checksumFile(platform, header, body)
  const hasher = createFileHasher(platform, header)
  for await (const chunk of body) hasher.update(chunk)
  return hasher.digest()
}

/** Compares the content of a file with an expected checksum. */
export interface FileVerifier {
  /** Takes the next bytes of the content. */
  update(bytes: Uint8Array): void
  /** Ends the content. @throws {ChecksumMismatchError} when neither checksum of the file is the expected one */
  finish(): void
}

/**
 * Creates a verifier of a file's content. ostree before 2024.10 hashed xattrs in the order of the tar file, later
 * versions sort them first, so the checksum may be over the header as it is or with its xattrs sorted. When the xattrs
 * are sorted already, only one hash is computed.
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

/**
 * Verifies content in memory as `createFileVerifier` verifies a stream.
 * @throws {ChecksumMismatchError} when the checksum is not the expected one
 */
export function verifyFile(platform: Platform, header: FileHeader, body: Uint8Array, expected: Checksum): void {
  const actual = checksumFile(platform, header, body)
  if (actual === expected) return
  if (!isCanonical(header.xattrs)) {
    const sorted = { ...header, xattrs: sortXattrs(header.xattrs) }
    if (checksumFile(platform, sorted, body) === expected) return
  }
  throw new ChecksumMismatchError('file', expected, actual)
}
