/**
 * The error family. Callers branch on `code` or class, people read `message`, machines read `data`.
 * Whatever reaches a caller and is no `OstreeError` (or an `AbortError` of the caller's own signal) is a bug.
 */

import type { Checksum } from './bytes.ts'
// Here, because nothing that is disposed of does without errors.
import './dispose.ts'

/**
 * - `not-found`    what was asked for does not exist
 * - `corrupt`      bytes are wrong: truncated, malformed, not what their name promises
 * - `invalid`      the request is wrong
 * - `limit`        the input asks for more than a ceiling allows
 * - `unsupported`  understood, but not to be had here
 * - `conflict`     somebody else holds it, or it exists already
 * - `read-only`    the repository cannot be written
 * - `denied`       refused by policy or credentials
 * - `network`      the other side did not answer as it should
 * - `io`           the operating system said no; `data.errno` says how
 */
export type ErrorCode =
  | 'not-found'
  | 'corrupt'
  | 'invalid'
  | 'limit'
  | 'unsupported'
  | 'conflict'
  | 'read-only'
  | 'denied'
  | 'network'
  | 'io'

/** Base of every error thrown on purpose. */
export abstract class OstreeError extends Error {
  abstract readonly code: ErrorCode
  abstract readonly data: object
}

/** An object, named as `<checksum>.<type>`, is not in the store. */
export class ObjectNotFoundError extends OstreeError {
  override readonly name = 'ObjectNotFoundError'
  readonly code = 'not-found'
  readonly data: { object: string }

  constructor(object: string, options?: ErrorOptions) {
    super(
      object.endsWith('.file')
        ? `Couldn't find file object '${object.slice(0, -5)}'`
        : `No such metadata object ${object}`,
      options,
    )
    this.data = { object }
  }
}

export class RefNotFoundError extends OstreeError {
  override readonly name = 'RefNotFoundError'
  readonly code = 'not-found'
  readonly data: { rev: string }

  constructor(rev: string, message = `Refspec '${rev}' not found`) {
    super(message)
    this.data = { rev }
  }
}

/** A path inside a commit, an image or a directory does not exist. */
export class PathNotFoundError extends OstreeError {
  override readonly name = 'PathNotFoundError'
  readonly code = 'not-found'
  readonly data: { path: string }

  constructor(path: string, message = `No such file or directory: ${path}`, options?: ErrorOptions) {
    super(message, options)
    this.data = { path }
  }
}

/** A key, group, image or anything else that has no error of its own is missing. */
export class NotFoundError extends OstreeError {
  override readonly name = 'NotFoundError'
  readonly code = 'not-found'
  readonly data: { what: string }

  constructor(what: string, message: string, options?: ErrorOptions) {
    super(message, options)
    this.data = { what }
  }
}

/** Bytes hash to something else than their name. Nothing was stored. */
export class ChecksumMismatchError extends OstreeError {
  override readonly name = 'ChecksumMismatchError'
  readonly code = 'corrupt'
  readonly data: { type: string; expected: Checksum; actual: Checksum }

  constructor(type: string, expected: Checksum, actual: Checksum) {
    super(`Corrupted ${type} object; checksum expected='${expected}' actual='${actual}'`)
    this.data = { type, expected, actual }
  }
}

/** An OCI blob or layer does not have the digest, diff id or size its descriptor promises. */
export class DigestMismatchError extends OstreeError {
  override readonly name = 'DigestMismatchError'
  readonly code = 'corrupt'
  readonly data: {
    what: 'digest' | 'diffId' | 'size'
    blob: string
    expected: string | number
    actual: string | number
  }

  constructor(what: 'digest' | 'diffId' | 'size', blob: string, expected: string | number, actual: string | number) {
    const label = what === 'diffId' ? 'diff id' : what
    super(`Blob ${blob}: ${label} expected ${expected}, actual ${actual}`)
    this.data = { what, blob, expected, actual }
  }
}

/** The structure of an object, a variant, a manifest or a similar document is wrong. */
export class FormatError extends OstreeError {
  override readonly name = 'FormatError'
  readonly code = 'corrupt'
  readonly data: { what: string }

  /** @param what names the culprit: an object, a file, a document */
  constructor(what: string, message: string, options?: ErrorOptions) {
    super(message, options)
    this.data = { what }
  }
}

/** A tar stream is malformed or holds what cannot be taken in. */
export class TarFormatError extends OstreeError {
  override readonly name = 'TarFormatError'
  readonly code = 'corrupt'
  readonly data: { offset: number; path?: string }

  /** @param offset bytes from the start of the uncompressed stream to the header of the entry at fault */
  constructor(message: string, offset: number, path?: string, options?: ErrorOptions) {
    super(message, options)
    this.data = path === undefined ? { offset } : { offset, path }
  }
}

/** A compressed stream is truncated, has a wrong check sum, or is not in the format it claims. */
export class CompressionError extends OstreeError {
  override readonly name = 'CompressionError'
  readonly code = 'corrupt'
  readonly data: { kind: string; offset: number }

  /** @param offset bytes of the compressed stream taken in before the fault was seen */
  constructor(kind: string, message: string, offset: number, options?: ErrorOptions) {
    super(message, options)
    this.data = { kind, offset }
  }
}

/** A ceiling was met; each is a named constant and an option. */
export class LimitError extends OstreeError {
  override readonly name = 'LimitError'
  readonly code = 'limit'
  readonly data: { what: string; limit: number; path?: string }

  constructor(what: string, limit: number, message = `${what} exceeds the limit of ${limit}`, path?: string) {
    super(message)
    this.data = path === undefined ? { what, limit } : { what, limit, path }
  }
}

/** A checksum, ref, file name, image reference or key breaks its grammar. */
export class InvalidNameError extends OstreeError {
  override readonly name = 'InvalidNameError'
  readonly code = 'invalid'
  readonly data: { value: string }

  constructor(value: string, message: string) {
    super(message)
    this.data = { value }
  }
}

/** The request as a whole makes no sense: options that exclude each other, a mode that is none. */
export class UsageError extends OstreeError {
  override readonly name = 'UsageError'
  readonly code = 'invalid'
  readonly data: { argument?: string }

  constructor(message: string, argument?: string) {
    super(message)
    this.data = argument === undefined ? {} : { argument }
  }
}

/** Understood, but not to be had here; the message says what would do instead. */
export class UnsupportedError extends OstreeError {
  override readonly name = 'UnsupportedError'
  readonly code = 'unsupported'
  readonly data: { feature: string }

  constructor(feature: string, message: string, options?: ErrorOptions) {
    super(message, options)
    this.data = { feature }
  }
}

/** The lock of the repository could not be had in time. */
export class RepoLockedError extends OstreeError {
  override readonly name = 'RepoLockedError'
  readonly code = 'conflict'
  readonly data: { kind: 'shared' | 'exclusive' }

  constructor(kind: 'shared' | 'exclusive', options?: ErrorOptions) {
    super(`Locking repo ${kind} failed: Resource temporarily unavailable`, options)
    this.data = { kind }
  }
}

/** What should be made is there already, or stands in the way. */
export class ConflictError extends OstreeError {
  override readonly name = 'ConflictError'
  readonly code = 'conflict'
  readonly data: { what: string }

  constructor(what: string, message: string, options?: ErrorOptions) {
    super(message, options)
    this.data = { what }
  }
}

export class ReadOnlyError extends OstreeError {
  override readonly name = 'ReadOnlyError'
  readonly code = 'read-only'
  readonly data: { what: string }

  constructor(what: string, message: string, options?: ErrorOptions) {
    super(message, options)
    this.data = { what }
  }
}

/** Refused by a policy, a missing permission or missing credentials. */
export class DeniedError extends OstreeError {
  override readonly name = 'DeniedError'
  readonly code = 'denied'
  readonly data: { what: string }

  constructor(what: string, message: string, options?: ErrorOptions) {
    super(message, options)
    this.data = { what }
  }
}

/** The operating system refused: full disk, missing file, not a directory. */
export class IoError extends OstreeError {
  override readonly name = 'IoError'
  readonly code = 'io'
  /** `errno` is the symbolic name, such as `ENOSPC`. */
  readonly data: { errno: string; path?: string }

  constructor(message: string, errno: string, path?: string, options?: ErrorOptions) {
    super(message, options)
    this.data = path === undefined ? { errno } : { errno, path }
  }
}

/**
 * The same failure with what was being done in front, as GLib's `g_prefix_error` does: class, `code` and `data` stay,
 * the original is the `cause`. Errors not of the family pass unchanged.
 */
export function withContext<E>(context: string, error: E): E {
  if (!(error instanceof OstreeError)) return error
  const wrapped: OstreeError = Object.create(Object.getPrototypeOf(error))
  Object.defineProperties(wrapped, Object.getOwnPropertyDescriptors(error))
  Object.defineProperty(wrapped, 'message', {
    value: `${context}: ${error.message}`,
    writable: true,
    configurable: true,
  })
  Object.defineProperty(wrapped, 'cause', { value: error, writable: true, configurable: true })
  return wrapped as E
}
