/**
 * How images are fetched, as the programs of this field let people say it, and where credentials are looked for when
 * nobody says: in files of OSTree's own, never in those an interactive `podman login` leaves behind.
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
  /** Path of a file as containers-auth.json(5) describes it. */
  readonly authfile?: string | undefined
  /** Content of such a file. */
  readonly authData?: Uint8Array | undefined
  /** Use no credentials, and look for none. */
  readonly authAnonymous?: boolean | undefined
  /** Directory of certificates for TLS: authorities to trust, and our own. */
  readonly certificateDirectory?: string | undefined
  readonly insecureSkipTlsVerification?: boolean | undefined
  readonly userAgentPrefix?: string | undefined
}

/** User and environment, which decide where OSTree's file of credentials is. */
export interface AuthfileSurroundings {
  readonly uid: number
  /** `HOME`, `XDG_RUNTIME_DIR`, `XDG_CONFIG_HOME`, `XDG_CACHE_HOME`. */
  readonly env: Readonly<Record<string, string | undefined>>
}

/** A place for credentials, and what its opening is called in an error. */
export interface AuthfileCandidate {
  readonly path: string
  readonly what: string
}

/** In this order; the first that exists is taken. */
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
 * @returns `undefined` when there is none
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
 * Fills in the credentials: without any in `config` those of `loadGlobal`, and anonymous access when it has none.
 * Applying it twice changes nothing.
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
 * Returns options of the registry client for a config.
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
