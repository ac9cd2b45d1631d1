/**
 * The errors of the library. Every error thrown on purpose is an `OstreeError`: programs test its class or its `code`
 * and read its `data`; `message` is for people. The only other error that reaches a caller is the `AbortError` of a
 * signal the caller passed in. Anything else is a bug.
 *
 * @module ostree-ts/errors
 */

import type { Checksum } from './bytes.ts'
// Imported here because every module that disposes of something can also fail, and so imports this one.
import './dispose.ts'

/**
 * What kind of failure an error is:
 * - `not-found`    the thing asked for does not exist
 * - `corrupt`      bytes are truncated, malformed, or do not have the checksum their name promises
 * - `invalid`      the request is wrong
 * - `limit`        the input is larger or deeper than a limit allows
 * - `unsupported`  the request is understood, but not possible here
 * - `conflict`     the thing is locked, or exists already
 * - `read-only`    the repository cannot be written
 * - `denied`       refused by a policy, by permissions or for want of credentials
 * - `network`      a server did not answer, or not as the protocol requires
 * - `io`           the operating system reported an error; `data.errno` names it
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

/**
 * Base class of every error thrown on purpose. A subclass gives its own name with a getter, so that the name is known
 * when the stack is recorded, and keeps what it knows in public fields, so that `withMessage` can copy them.
 */
export abstract class OstreeError extends Error {
  abstract override get name(): string
  abstract readonly code: ErrorCode
  /** Details for programs; their shape depends on the class. */
  abstract readonly data: object

  /**
   * Returns a new error of the same class, with the same `code` and `data`, another message and its own stack.
   * @param options `cause` is usually the original error
   */
  withMessage(message: string, options?: ErrorOptions): this {
    // `new Error` with another prototype: constructors of the classes take details, and compose the message from them.
    const copy: this = Reflect.construct(Error, [message, options], this.constructor)
    Object.assign(copy, this)
    // V8 leaves out all frames up to the constructor it was told of, which has not been called.
    Error.captureStackTrace?.(copy, this.withMessage)
    return copy
  }
}

/** An object is not in the repository. `data.object` names it as `CHECKSUM.TYPE`. */
export class ObjectNotFoundError extends OstreeError {
  override get name() {
    return 'ObjectNotFoundError' as const
  }
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

/** A ref, a refspec or an abbreviated checksum names no commit. `data.rev` is it as given. */
export class RefNotFoundError extends OstreeError {
  override get name() {
    return 'RefNotFoundError' as const
  }
  readonly code = 'not-found'
  readonly data: { rev: string }

  constructor(rev: string, message = `Refspec '${rev}' not found`) {
    super(message)
    this.data = { rev }
  }
}

/** A path in a commit, an image or the file system does not exist. */
export class PathNotFoundError extends OstreeError {
  override get name() {
    return 'PathNotFoundError' as const
  }
  readonly code = 'not-found'
  readonly data: { path: string }

  constructor(path: string, message = `No such file or directory: ${path}`, options?: ErrorOptions) {
    super(message, options)
    this.data = { path }
  }
}

/** A key, a group, an image or anything else without a class of its own is missing. `data.what` names it. */
export class NotFoundError extends OstreeError {
  override get name() {
    return 'NotFoundError' as const
  }
  readonly code = 'not-found'
  readonly data: { what: string }

  constructor(what: string, message: string, options?: ErrorOptions) {
    super(message, options)
    this.data = { what }
  }
}

/** An object does not have the SHA-256 checksum it is named by. If it was to be stored, it was not. */
export class ChecksumMismatchError extends OstreeError {
  override get name() {
    return 'ChecksumMismatchError' as const
  }
  readonly code = 'corrupt'
  readonly data: { type: string; expected: Checksum; actual: Checksum }

  constructor(type: string, expected: Checksum, actual: Checksum) {
    super(`Corrupted ${type} object; checksum expected='${expected}' actual='${actual}'`)
    this.data = { type, expected, actual }
  }
}

/**
 * An OCI blob does not have the digest, diff id or size that its descriptor or the image configuration gives.
 * `data.expected` and `data.actual` are bytes for `size`, otherwise `sha256:HEX`.
 */
export class DigestMismatchError extends OstreeError {
  override get name() {
    return 'DigestMismatchError' as const
  }
  readonly code = 'corrupt'
  readonly data: {
    what: 'digest' | 'diffId' | 'size'
    blob: string
    expected: string | number
    actual: string | number
  }

  constructor(what: 'digest' | 'diffId' | 'size', blob: string, expected: string | number, actual: string | number) {
    super(mismatch(what, blob, expected, actual))
    this.data = { what, blob, expected, actual }
  }
}

/** Words of containers/image for size and digest, which does not check diff ids. */
function mismatch(what: string, blob: string, expected: string | number, actual: string | number): string {
  if (what === 'size') return `Blob ${blob}: expected ${expected} bytes in blob, got ${actual}`
  if (what === 'diffId') return `Blob ${blob}: diff id expected ${expected}, actual ${actual}`
  const place = blob === expected ? '' : `${blob}: `
  return `${place}corrupted blob, expecting ${expected}, got ${actual}`
}

/** An object, a variant, a manifest, a configuration or another document is malformed. */
export class FormatError extends OstreeError {
  override get name() {
    return 'FormatError' as const
  }
  readonly code = 'corrupt'
  readonly data: { what: string }

  /** @param what the malformed object, file or document */
  constructor(what: string, message: string, options?: ErrorOptions) {
    super(message, options)
    this.data = { what }
  }
}

/** A tar stream is malformed, or has an entry that cannot be stored. */
export class TarFormatError extends OstreeError {
  override get name() {
    return 'TarFormatError' as const
  }
  readonly code = 'corrupt'
  readonly data: { offset: number; path?: string }

  /**
   * @param offset bytes from the start of the uncompressed stream to the header of the entry
   * @param path name of the entry, if it was read
   */
  constructor(message: string, offset: number, path?: string, options?: ErrorOptions) {
    super(message, options)
    this.data = path === undefined ? { offset } : { offset, path }
  }
}

/** A compressed stream is truncated or malformed, or does not match its checksum. */
export class CompressionError extends OstreeError {
  override get name() {
    return 'CompressionError' as const
  }
  readonly code = 'corrupt'
  readonly data: { kind: string; offset: number }

  /**
   * @param kind the format: `gzip`, `zstd`, `deflate-raw`, `xz` or `bzip2`
   * @param offset bytes of the compressed stream that were read before the fault was found
   */
  constructor(kind: string, message: string, offset: number, options?: ErrorOptions) {
    super(message, options)
    this.data = { kind, offset }
  }
}

/** Input exceeds a limit. `data.limit` is in the unit that `data.what` or the message names. */
export class LimitError extends OstreeError {
  override get name() {
    return 'LimitError' as const
  }
  readonly code = 'limit'
  readonly data: { what: string; limit: number; path?: string }

  constructor(what: string, limit: number, message = `${what} exceeds the limit of ${limit}`, path?: string) {
    super(message)
    this.data = path === undefined ? { what, limit } : { what, limit, path }
  }
}

/** A checksum, ref, file name, image reference or key does not follow its grammar. */
export class InvalidNameError extends OstreeError {
  override get name() {
    return 'InvalidNameError' as const
  }
  readonly code = 'invalid'
  readonly data: { value: string }

  constructor(value: string, message: string) {
    super(message)
    this.data = { value }
  }
}

/** A request is wrong: an unknown mode, a missing argument, options that exclude each other. */
export class UsageError extends OstreeError {
  override get name() {
    return 'UsageError' as const
  }
  readonly code = 'invalid'
  readonly data: { argument?: string }

  constructor(message: string, argument?: string) {
    super(message)
    this.data = argument === undefined ? {} : { argument }
  }
}

/** A feature is not available in this runtime, repository or version. The message names the alternative, if any. */
export class UnsupportedError extends OstreeError {
  override get name() {
    return 'UnsupportedError' as const
  }
  readonly code = 'unsupported'
  readonly data: { feature: string }

  constructor(feature: string, message: string, options?: ErrorOptions) {
    super(message, options)
    this.data = { feature }
  }
}

/** Another process kept the repository locked until the timeout. `data.kind` is the lock that was asked for. */
export class RepoLockedError extends OstreeError {
  override get name() {
    return 'RepoLockedError' as const
  }
  readonly code = 'conflict'
  readonly data: { kind: 'shared' | 'exclusive' }

  constructor(kind: 'shared' | 'exclusive', options?: ErrorOptions) {
    super(`Locking repo ${kind} failed: Resource temporarily unavailable`, options)
    this.data = { kind }
  }
}

/** Something exists already, or something else is in its place. */
export class ConflictError extends OstreeError {
  override get name() {
    return 'ConflictError' as const
  }
  readonly code = 'conflict'
  readonly data: { what: string }

  constructor(what: string, message: string, options?: ErrorOptions) {
    super(message, options)
    this.data = { what }
  }
}

/** A repository or a store was opened, or is stored, such that it cannot be written. */
export class ReadOnlyError extends OstreeError {
  override get name() {
    return 'ReadOnlyError' as const
  }
  readonly code = 'read-only'
  readonly data: { what: string }

  constructor(what: string, message: string, options?: ErrorOptions) {
    super(message, options)
    this.data = { what }
  }
}

/** A policy, a signature check, permissions or missing credentials forbid the request. */
export class DeniedError extends OstreeError {
  override get name() {
    return 'DeniedError' as const
  }
  readonly code = 'denied'
  readonly data: { what: string }

  constructor(what: string, message: string, options?: ErrorOptions) {
    super(message, options)
    this.data = { what }
  }
}

/** Details of a request that failed. */
export interface FetchFailure {
  /** HTTP status; absent when no response arrived. */
  readonly status?: number | undefined
  /** Whether the same request may succeed later. Default false. */
  readonly retryable?: boolean | undefined
  readonly cause?: unknown
}

/** A server of a remote did not answer, or not with the file. `data.url` has no credentials. */
export class FetchError extends OstreeError {
  override get name() {
    return 'FetchError' as const
  }
  /** `not-found` for the statuses 403, 404 and 410. */
  readonly code: 'network' | 'not-found'
  readonly data: { url: string; retryable: boolean; status?: number }

  constructor(url: string, message: string, { status, retryable = false, cause }: FetchFailure = {}) {
    super(`While fetching ${url}: ${message}`, cause === undefined ? {} : { cause })
    this.code = status === 403 || status === 404 || status === 410 ? 'not-found' : 'network'
    this.data = status === undefined ? { url, retryable } : { url, retryable, status }
  }
}

/** The operating system reported an error, such as a full disk or a missing file. */
export class IoError extends OstreeError {
  override get name() {
    return 'IoError' as const
  }
  readonly code = 'io'
  /** `errno` is the symbolic name of the error, such as `ENOSPC`. */
  readonly data: { errno: string; path?: string }

  constructor(message: string, errno: string, path?: string, options?: ErrorOptions) {
    super(message, options)
    this.data = path === undefined ? { errno } : { errno, path }
  }
}

/**
 * Puts what was being done in front of an error's message, as GLib's `g_prefix_error` does.
 * @returns an error of the same class, with the same `code` and `data`, whose message is `CONTEXT: MESSAGE` and whose
 *   `cause` is `error`; `error` itself if it is not an `OstreeError`
 */
export function withContext<E>(context: string, error: E): E {
  if (!(error instanceof OstreeError)) return error
  return error.withMessage(`${context}: ${error.message}`, { cause: error })
}
