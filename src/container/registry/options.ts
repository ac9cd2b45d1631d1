/** Options for access to registries, and the contexts for opening images and destinations. */
import { UnsupportedError } from '../../errors.ts'
import type { Network, WritableFiles } from '../../platform/index.ts'
import type { SourceContext } from '../transport/interface.ts'
import type { ClientOptions } from './client.ts'
import { anonymousCredentials, type CredentialSource } from './credentials.ts'
import type { RegistryRule } from './endpoints.ts'
import type { SpeedLimit, TimeLimit } from './lifeline.ts'
import type { RetryOptions } from './retry.ts'

/** How registries are reached. */
export interface RegistryOptions extends RetryOptions {
  readonly network: Network
  /** Default: anonymous access. */
  readonly credentials?: CredentialSource | undefined
  /** Mirrors, locations and blocks, as in containers-registries.conf(5). */
  readonly registries?: readonly RegistryRule[] | undefined
  /**
   * Allow plain HTTP where TLS fails, unless a rule decides otherwise. Whether certificates are verified is decided by
   * `network`. Default false.
   */
  readonly insecure?: boolean | undefined
  readonly userAgent?: string | undefined
  /** Maximum time until an answer begins, in milliseconds. Default 60 000; the time for an upload is added to it. */
  readonly responseTimeout?: number | undefined
  /** Lowest speed of a download. Default: 1000 bytes in 30 seconds. */
  readonly speedLimit?: SpeedLimit | undefined
  /**
   * Longest time of waiting for one request, also when a few bytes arrive or are taken steadily. Default: ten minutes, and
   * the time that the bytes transferred so far take at 10 000 bytes a second.
   */
  readonly timeLimit?: TimeLimit | undefined
  /**
   * Bytes of one piece of an upload, held in memory. Default 0: each blob is sent as one stream, which every registry
   * accepts. With pieces, an interrupted upload continues at the offset of the registry.
   */
  readonly uploadPiece?: number | undefined
}

/** The surroundings that opening an image of any transport needs. */
export interface TransportContext extends SourceContext {
  /** How registries are reached. Without it, `docker://` images cannot be opened. */
  readonly registry?: RegistryOptions | undefined
}

/** The surroundings that opening a destination of any transport needs. */
export interface DestinationContext extends TransportContext {
  /** The file system to write to. Without it, only `docker://` and memory destinations can be opened. */
  readonly files?: WritableFiles | undefined
}

/** Returns the options of a registry client. @throws {UnsupportedError} when `options` is `undefined` */
export function clientOptions(options: RegistryOptions | undefined, signal: AbortSignal | undefined): ClientOptions {
  if (options === undefined) {
    throw new UnsupportedError(
      'network',
      'Registries cannot be reached without a network; copy the image to an oci: layout',
    )
  }
  return { ...options, credentials: options.credentials ?? anonymousCredentials, signal }
}
