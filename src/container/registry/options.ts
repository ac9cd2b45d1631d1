/** What is to be known before a registry can be asked anything. */
import { UnsupportedError } from '../../errors.ts'
import type { Network, WritableFiles } from '../../platform/index.ts'
import type { SourceContext } from '../transport/interface.ts'
import type { ClientOptions } from './client.ts'
import { anonymousCredentials, type CredentialSource } from './credentials.ts'
import type { RegistryRule } from './endpoints.ts'
import type { SpeedLimit } from './lifeline.ts'
import type { RetryOptions } from './retry.ts'

/** How registries are reached. */
export interface RegistryOptions extends RetryOptions {
  readonly network: Network
  /** Default: anonymous. */
  readonly credentials?: CredentialSource | undefined
  /** Mirrors, locations and blocks, as registries.conf has them. */
  readonly registries?: readonly RegistryRule[] | undefined
  /**
   * Plain HTTP will do where TLS fails, unless a rule says otherwise. Whether a certificate is looked at is the
   * network's business.
   */
  readonly insecure?: boolean | undefined
  readonly userAgent?: string | undefined
  /** Milliseconds until an answer begins. Default 60 000. */
  readonly responseTimeout?: number | undefined
  readonly speedLimit?: SpeedLimit | undefined
  /** Bytes of one piece of an upload, held in memory. Default 16 MiB; 0 sends each blob in one request. */
  readonly uploadPiece?: number | undefined
}

/** What opening an image of any transport needs. */
export interface TransportContext extends SourceContext {
  /** How registries are reached. Without it, `docker://` images cannot be opened. */
  readonly registry?: RegistryOptions | undefined
}

/** What opening a destination of any transport needs. */
export interface DestinationContext extends TransportContext {
  /** The file system to write to. Without it, only `docker://` and memory destinations can be opened. */
  readonly files?: WritableFiles | undefined
}

/** @throws {UnsupportedError} where there is no network */
export function clientOptions(options: RegistryOptions | undefined, signal: AbortSignal | undefined): ClientOptions {
  if (options === undefined) {
    throw new UnsupportedError(
      'network',
      'There is no network to reach a registry over; copy the image to an oci: layout',
    )
  }
  return { ...options, credentials: options.credentials ?? anonymousCredentials, signal }
}
