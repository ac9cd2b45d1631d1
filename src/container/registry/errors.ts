/**
 * The error of failed registry requests, with the registry's diagnostics and whether a retry may help.
 *
 *     {"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown","detail":{…}}]}
 *
 * Source: OCI distribution-spec 1.1, "Error codes".
 */
import { displayUtf8 } from '../../bytes.ts'
import { OstreeError } from '../../errors.ts'

/** The registry, repository and resource that an error is about. Never contains credentials. */
export interface RegistryPlace {
  /** Host and port of the registry or mirror that was asked. */
  readonly registry: string
  readonly repository: string
  /** A tag, a digest, or words for another resource or step. */
  readonly what: string
}

/** One entry of the `errors` in a registry's answer. Source: OCI distribution-spec 1.1, "Error codes". */
export interface RegistryDiagnostic {
  readonly code: string
  readonly message: string
}

/** Details of a failed request. */
export interface RegistryFailure {
  /** HTTP status; absent when no answer arrived. */
  readonly status?: number | undefined
  /** Whether the same request may succeed later. Default false. */
  readonly retryable?: boolean | undefined
  /** Milliseconds to wait before a retry, as the registry asked for. */
  readonly retryAfter?: number | undefined
  readonly diagnostics?: readonly RegistryDiagnostic[] | undefined
  readonly cause?: unknown
}

/**
 * An error of a registry: it did not answer, denied access, does not have the requested resource, or violated the
 * protocol.
 */
export class RegistryError extends OstreeError {
  override get name() {
    return 'RegistryError' as const
  }
  readonly code: 'network' | 'denied' | 'not-found' | 'unsupported'
  readonly data: RegistryPlace & {
    readonly retryable: boolean
    readonly status?: number
    readonly retryAfter?: number
    readonly diagnostics: readonly RegistryDiagnostic[]
  }

  constructor(code: RegistryError['code'], place: RegistryPlace, message: string, failure: RegistryFailure = {}) {
    const { registry, repository, what } = place
    const { status, retryable = false, retryAfter, diagnostics = [], cause } = failure
    super(`${nameOf(place)}: ${message}`, cause === undefined ? {} : { cause })
    this.code = code
    this.data = {
      registry,
      repository,
      what,
      retryable,
      diagnostics,
      ...(status === undefined ? {} : { status }),
      ...(retryAfter === undefined ? {} : { retryAfter }),
    }
  }
}

const TAG = /^\w[\w.-]{0,127}$/

/** Formats a place as an image reference when `what` is a tag or a digest, otherwise as `registry/repository: what`. */
function nameOf({ registry, repository, what }: RegistryPlace): string {
  const separator = what.startsWith('sha256:') ? '@' : TAG.test(what) ? ':' : ': '
  return `${registry}/${repository}${separator}${what}`
}

/** Whether the error is a `RegistryError` after which the same request may succeed. */
export function isRetryable(error: unknown): error is RegistryError {
  return error instanceof RegistryError && error.data.retryable
}

/** HTTP statuses of temporary failures. */
const PASSING: ReadonlySet<number> = new Set([408, 425, 429, 500, 502, 503, 504])
const REASONS: ReadonlyMap<number, string> = new Map([
  [400, 'bad request'],
  [401, 'unauthorized'],
  [403, 'denied'],
  [404, 'not found'],
  [405, 'method not allowed'],
  [408, 'request timeout'],
  [416, 'range not satisfiable'],
  [429, 'too many requests'],
  [500, 'internal server error'],
  [502, 'bad gateway'],
  [503, 'service unavailable'],
  [504, 'gateway timeout'],
])

/**
 * Returns the error for a status, with the diagnostics of the registry.
 * @param body the body of the answer, as far as it was read
 * @param retryAfter milliseconds
 */
export function statusError(
  place: RegistryPlace,
  status: number,
  body: Uint8Array,
  retryAfter?: number | undefined,
): RegistryError {
  const diagnostics = parseDiagnostics(body)
  const reason = REASONS.get(status) ?? 'unexpected status'
  const said = diagnostics.map(({ code, message }) => message || code).filter((text) => text !== '')
  const message = [`${reason} (${status})`, ...said].join(': ')
  return new RegistryError(codeOf(status, diagnostics), place, message, {
    status,
    diagnostics,
    retryAfter,
    retryable: PASSING.has(status),
  })
}

function codeOf(status: number, diagnostics: readonly RegistryDiagnostic[]): RegistryError['code'] {
  const said = new Set(diagnostics.map(({ code }) => code))
  if (status === 401 || status === 403) return 'denied'
  if (status === 404) return 'not-found'
  if (status < 400 || status >= 500) return 'network'
  if (said.has('UNAUTHORIZED') || said.has('DENIED')) return 'denied'
  if (status === 405 || said.has('UNSUPPORTED')) return 'unsupported'
  return 'network'
}

/** UTF-16 code units of one text from a registry that are shown in a message. */
const MAX_MESSAGE = 300
const MAX_DIAGNOSTICS = 5

/** Reads the diagnostics of a body. Returns an empty array for other bodies, such as a proxy's page or an empty one. */
function parseDiagnostics(body: Uint8Array): RegistryDiagnostic[] {
  let document: unknown
  try {
    document = JSON.parse(displayUtf8(body))
  } catch {
    return []
  }
  const errors = (document as { errors?: unknown } | null)?.errors
  if (!Array.isArray(errors)) return []
  return errors.slice(0, MAX_DIAGNOSTICS).map((item: { code?: unknown; message?: unknown } | null) => ({
    code: printable(item?.code),
    message: printable(item?.message),
  }))
}

/** Cuts an untrusted text and replaces its control characters, so that it is safe to show on a terminal. */
export function printable(text: unknown): string {
  return typeof text === 'string' ? text.slice(0, MAX_MESSAGE).replaceAll(/[\p{Cc}\p{Cf}]+/gu, ' ') : ''
}
