/** How the container commands reach registries: the options all of them take, and files of credentials. */
import { lstatSync, readFileSync, readlinkSync, realpathSync } from 'node:fs'
import { resolve } from 'node:path'
import {
  type HostPolicy,
  type ImageProxyConfig,
  loadGlobalAuthfile,
  loadPolicy,
  mergeDefaultContainerProxyOpts,
  type RegistryError,
  type RegistryOptions,
  registryOptionsOf,
} from '../../container/index.ts'
import { IoError, UsageError } from '../../errors.ts'
import { nodeNetwork } from '../../system/network.ts'
import type { OptionTable, OptionValues } from '../options.ts'

export const PROXY_OPTIONS = {
  'auth-anonymous': { type: 'flag', help: 'Use no credentials, and look for none' },
  authfile: { type: 'string', arg: 'PATH', help: 'Credentials for registries' },
  'cert-dir': { type: 'string', arg: 'PATH', help: 'Certificates for registries (*.crt, *.cert, *.key)' },
  'insecure-skip-tls-verification': { type: 'flag', help: 'Take any certificate, or none' },
} as const satisfies OptionTable

export type ProxyOptions = OptionValues<typeof PROXY_OPTIONS>

/** @throws {UsageError} on options that exclude each other, {IoError} and {FormatError} of the file of credentials */
export async function registryOptions(options: ProxyOptions): Promise<RegistryOptions> {
  const { authfile } = options
  const given: ImageProxyConfig = {
    authfile,
    authAnonymous: options['auth-anonymous'],
    certificateDirectory: options['cert-dir'],
    insecureSkipTlsVerification: options['insecure-skip-tls-verification'],
  }
  const surroundings = { uid: process.geteuid?.() ?? 0, env: process.env }
  const merged = await mergeDefaultContainerProxyOpts(given, () =>
    loadGlobalAuthfile(surroundings, (path) => readInRoot('/', path)),
  )
  const config = authfile === undefined ? merged : { ...merged, authData: readAuthfile(authfile) }
  const { certificateDirectory, insecureSkipTlsVerification } = config
  const network = nodeNetwork({ certificateDirectory, insecureSkipTlsVerification })
  return { ...registryOptionsOf(config, network), onRetry: warnOfRetry }
}

/** Whoever waits shall know what for. */
function warnOfRetry(error: RegistryError, delay: number): void {
  process.stderr.write(`warning: ${error.message}; asking again in ${(delay / 1000).toFixed(1)} s\n`)
}

/** What the host says about images; the file is read anew each time. */
export async function hostPolicy(): Promise<HostPolicy> {
  const bytes = await loadPolicy(process.env, (path) => readInRoot('/', resolve(path)))
  return { bytes, realPath: realpath }
}

/** Of what is there of it: an image that is not says so itself. */
async function realpath(path: string): Promise<string> {
  try {
    return realpathSync(path)
  } catch {
    return resolve(path)
  }
}

function readAuthfile(path: string): Uint8Array {
  try {
    return readFileSync(path)
  } catch (error) {
    throw ioError(path, error)
  }
}

/** Links on the way to one file; more are a ring. */
const MAX_LINKS = 40

/**
 * A file below `root`, where links, absolute ones too, lead to what is below `root`.
 * @returns `undefined` when there is none
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
      ahead.push(...target.split('/').reverse())
    }
    return readFileSync(`${base}/${done.join('/')}`)
  } catch (error) {
    const wrapped = ioError(path, error)
    if (wrapped instanceof IoError && (wrapped.data.errno === 'ENOENT' || wrapped.data.errno === 'ENOTDIR')) {
      return undefined
    }
    throw wrapped
  }
}

function ioError(path: string, error: unknown): unknown {
  const code = error instanceof Error && 'code' in error ? String(error.code) : undefined
  return error instanceof Error && code?.startsWith('E')
    ? new IoError(error.message, code, path, { cause: error })
    : error
}
