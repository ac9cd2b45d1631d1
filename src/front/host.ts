/**
 * What this machine gives to the functions of the front door where the caller gives nothing else: files, network,
 * credentials, the signature policy, and the platform for which an image is chosen.
 */
import { lstatSync, readFileSync, readlinkSync, realpathSync } from 'node:fs'
import { resolve } from 'node:path'
import {
  type CredentialSource,
  credentialsFromFiles,
  type HostPlatform,
  type HostPolicy,
  loadGlobalAuthfile,
  loadPolicy,
  parseAuthFile,
  type RegistryOptions,
} from '../container/index.ts'
import { UsageError } from '../errors.ts'
import type { LocalFiles, Platform } from '../platform/index.ts'
import { errnoOf, ioError } from '../system/errno.ts'
import { hostPlatform } from '../system/host.ts'
import { nodeFiles } from '../system/local-files.ts'
import { nodeNetwork } from '../system/network.ts'
import { threadedPlatform } from '../system/threaded-platform.ts'

/** The options that every function of the front door has, all with defaults. */
export interface HostOptions {
  /** Hashing and decompression. Default: those of Node. */
  readonly platform?: Platform | undefined
  /** The platform whose manifest is chosen from an image index. Default: that of this machine. */
  readonly host?: HostPlatform | undefined
  /** Access to files, for the transports that read them. Default: those of this machine. */
  readonly files?: LocalFiles | undefined
  /**
   * How registries are reached. Default: `https`, the proxies of the environment, the certificates of
   * containers-certs.d(5), and credentials as `hostCredentials` finds them. What is given here replaces these one by one.
   */
  readonly registry?: Partial<RegistryOptions> | undefined
  /** The signature policy. Default: that of the host, containers-policy.json(5); `null` accepts every image. */
  readonly policy?: HostPolicy | null | undefined
}

/** Options with the defaults of this machine filled in. */
export interface ResolvedHost {
  readonly platform: Platform
  readonly host: HostPlatform
  readonly files: LocalFiles
  readonly registry: RegistryOptions
  readonly policy: HostPolicy | undefined
}

/** Fills in the defaults. @throws {IoError} when the policy cannot be read */
export async function resolveHost(options: HostOptions): Promise<ResolvedHost> {
  const { platform = threadedPlatform, host = hostPlatform(), files = nodeFiles, registry = {}, policy } = options
  const { network = nodeNetwork({ environment: process.env }), ...rest } = registry
  return {
    platform,
    host,
    files,
    registry: { credentials: hostCredentials(), ...rest, network },
    policy: policy === undefined ? await hostPolicy() : (policy ?? undefined),
  }
}

/**
 * Returns the credentials of this user, from the first file that has some for a repository: OSTree's, then those of
 * `podman login` and `docker login` in the places that containers-auth.json(5) names. Files are read when credentials are
 * needed first.
 * @returns a source that throws {FormatError} when a file is malformed, {IoError} when it cannot be read
 */
export function hostCredentials(
  environment: Readonly<Record<string, string | undefined>> = process.env,
): CredentialSource {
  const helper = nodeNetwork({ environment }).credentialHelper
  let source: Promise<CredentialSource> | undefined
  return async (repository) => {
    source ??= readCredentials(environment, helper)
    return (await source)(repository)
  }
}

async function readCredentials(
  environment: Readonly<Record<string, string | undefined>>,
  helper: Parameters<typeof credentialsFromFiles>[1],
): Promise<CredentialSource> {
  const own = await loadGlobalAuthfile({ uid: effectiveUser(), env: environment }, (path) => readInRoot('/', path))
  const files = own === undefined ? [] : [parseAuthFile(own)]
  for (const path of authfilePaths(environment)) {
    const bytes = readInRoot('/', path)
    if (bytes !== undefined) files.push(parseAuthFile(bytes, path))
  }
  return credentialsFromFiles(files, helper)
}

/** Returns where `podman login` and `docker login` keep credentials, in the order of containers-auth.json(5). */
function authfilePaths(environment: Readonly<Record<string, string | undefined>>): string[] {
  const given = environment['REGISTRY_AUTH_FILE']
  if (given) return [resolve(given)]
  const { HOME: home, XDG_RUNTIME_DIR: runtime, XDG_CONFIG_HOME: config, DOCKER_CONFIG: docker } = environment
  const paths = [runtime ? `${runtime}/containers/auth.json` : `/run/containers/${effectiveUser()}/auth.json`]
  if (config || home) paths.push(`${config || `${home}/.config`}/containers/auth.json`)
  if (docker || home) paths.push(`${docker || `${home}/.docker`}/config.json`)
  return paths
}

function effectiveUser(): number {
  return process.geteuid?.() ?? 0
}

/** Reads the host's containers-policy.json(5). The file is read again at every call. */
export async function hostPolicy(): Promise<HostPolicy> {
  const bytes = await loadPolicy(process.env, (path) => readInRoot('/', resolve(path)))
  return { bytes, realPath: realpath }
}

/** Resolves symlinks. A path that does not exist is returned as an absolute path; opening the image reports it. */
async function realpath(path: string): Promise<string> {
  try {
    return realpathSync(path)
  } catch {
    return resolve(path)
  }
}

/** Symlinks followed for one path, as in Linux. More are taken for a loop. */
const MAX_LINKS = 40

/**
 * Reads a file below `root`, resolving all symlinks, absolute ones too, as if `root` were `/`.
 * @returns `undefined` when the file does not exist
 * @throws {UsageError} when there are more than 40 symlinks
 * @throws {IoError} when it cannot be read
 */
export function readInRoot(root: string, path: string): Uint8Array | undefined {
  let links = 0
  const done: string[] = []
  const ahead = path.split('/').reverse()
  const base = root.replace(/\/+$/, '')
  try {
    for (let name = ahead.pop(); name !== undefined; name = ahead.pop()) {
      if (name === '' || name === '.') continue
      if (name === '..') {
        done.pop()
        continue
      }
      const here = `${base}/${[...done, name].join('/')}`
      if (!lstatSync(here).isSymbolicLink()) {
        done.push(name)
        continue
      }
      if (++links > MAX_LINKS) throw new UsageError(`${path}: too many levels of symbolic links`)
      const target = readlinkSync(here)
      if (target.startsWith('/')) done.length = 0
      for (const part of target.split('/').reverse()) ahead.push(part)
    }
    return readFileSync(`${base}/${done.join('/')}`)
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(errnoOf(error) ?? '')) return undefined
    throw ioError(error, path)
  }
}
