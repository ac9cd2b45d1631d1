/**
 * Configures access to registries with the options of ostree-ext and containers-image-proxy. Credentials that are not
 * configured are read from OSTree's own files, never from those that an interactive `podman login` writes.
 *
 * Source: containers-image-proxy, ImageProxyConfig; ostree-ext, container::merge_default_container_proxy_opts and
 * globals.rs (get_global_authfile).
 */

import type { MaybePromise } from '../../bytes.ts'
import { UsageError, withContext } from '../../errors.ts'
import type { Network } from '../../platform/index.ts'
import { anonymousCredentials, credentialsFromFiles, parseAuthFile } from './credentials.ts'
import type { RegistryOptions } from './options.ts'

/**
 * How images are fetched, in the names of ostree-ext. At most one of `authfile`, `authData` and `authAnonymous` may be
 * given.
 */
export interface ImageProxyConfig {
  /** Path of a file of credentials in the format of containers-auth.json(5). */
  readonly authfile?: string | undefined
  /** Content of a file of credentials in the format of containers-auth.json(5). */
  readonly authData?: Uint8Array | undefined
  /** Access registries anonymously, and do not look for credentials. */
  readonly authAnonymous?: boolean | undefined
  /** Path of a directory with certificates for TLS: authorities to trust, and the client's certificate and key. */
  readonly certificateDirectory?: string | undefined
  readonly insecureSkipTlsVerification?: boolean | undefined
  readonly userAgentPrefix?: string | undefined
}

/** The user and environment variables that determine where OSTree's file of credentials is. */
export interface AuthfileSurroundings {
  readonly uid: number
  /** Environment variables: `HOME`, `XDG_RUNTIME_DIR`, `XDG_CONFIG_HOME` and `XDG_CACHE_HOME` are read. */
  readonly env: Readonly<Record<string, string | undefined>>
}

/** A path where credentials may be, and the words of an error for opening it. */
export interface AuthfileCandidate {
  readonly path: string
  readonly what: string
}

/** Returns the possible paths of OSTree's file of credentials, in the order in which they are tried. */
export function globalAuthfileCandidates({ uid, env }: AuthfileSurroundings): AuthfileCandidate[] {
  const runtime = 'Opening runtime auth file'
  const persistent = 'Opening persistent auth file'
  if (uid === 0) {
    return [
      { path: '/run/ostree/auth.json', what: runtime },
      { path: '/etc/ostree/auth.json', what: persistent },
      { path: '/usr/lib/ostree/auth.json', what: 'Opening system auth file' },
    ]
  }
  const set = (name: string) => env[name] || undefined
  const home = set('HOME') ?? '/'
  const runtimeDir = set('XDG_RUNTIME_DIR') ?? set('XDG_CACHE_HOME') ?? `${home}/.cache`
  const configDir = set('XDG_CONFIG_HOME') ?? `${home}/.config`
  return [
    { path: `${runtimeDir}/ostree/auth.json`, what: runtime },
    { path: `${configDir}/ostree/auth.json`, what: persistent },
  ]
}

/**
 * Reads OSTree's file of credentials: the first of `/run/ostree/auth.json`, `/etc/ostree/auth.json` and
 * `/usr/lib/ostree/auth.json` for root, else of `ostree/auth.json` in the runtime and configuration directories of the
 * user.
 * @param read returns the content of a file, `undefined` when it does not exist
 * @returns the content of the file; `undefined` when none of them exists
 * @throws what `read` throws, with the file's name in front of the message
 */
export async function loadGlobalAuthfile(
  surroundings: AuthfileSurroundings,
  read: (path: string) => MaybePromise<Uint8Array | undefined>,
): Promise<Uint8Array | undefined> {
  for (const { path, what } of globalAuthfileCandidates(surroundings)) {
    try {
      const bytes = await read(path)
      if (bytes !== undefined) return bytes
    } catch (error) {
      throw withContext(`Loading global authfile: ${what}`, error)
    }
  }
  return undefined
}

/**
 * Completes a config without credentials: with those that `loadGlobal` returns, or with anonymous access when that is
 * `undefined`. Returns a config with credentials as it is.
 * @throws {UsageError} when `config` has two kinds of credentials
 */
export async function mergeDefaultContainerProxyOpts(
  config: ImageProxyConfig,
  loadGlobal: () => MaybePromise<Uint8Array | undefined>,
): Promise<ImageProxyConfig> {
  const { authfile, authData, authAnonymous = false } = config
  const ways = [authfile !== undefined, authData !== undefined, authAnonymous].filter(Boolean).length
  if (ways > 1) throw new UsageError('Conflicting authentication options')
  if (ways === 1) return config
  const found = await loadGlobal()
  return found === undefined ? { ...config, authAnonymous: true } : { ...config, authData: found }
}

/**
 * Returns the options of the registry client for a config.
 * @param network the network, made with the certificates that the config names
 * @param config what `mergeDefaultContainerProxyOpts` returned; the content of an `authfile` has to be in `authData`
 * @throws {FormatError} when the credentials are malformed
 */
export function registryOptionsOf(config: ImageProxyConfig, network: Network): RegistryOptions {
  const { authData, authfile, insecureSkipTlsVerification: insecure, userAgentPrefix: userAgent } = config
  const credentials =
    authData === undefined
      ? anonymousCredentials
      : credentialsFromFiles([parseAuthFile(authData, authfile)], network.credentialHelper)
  return { network, credentials, insecure, userAgent }
}
