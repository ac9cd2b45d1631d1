/** Access of the container commands to registries: their common options, credential files, and the host's policy. */
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
import { UsageError } from '../../errors.ts'
import { errnoOf, ioError, withIo } from '../../system/errno.ts'
import { nodeNetwork } from '../../system/network.ts'
import type { OptionTable, OptionValues } from '../options.ts'

/** Options of all commands that can reach a registry. */
export const PROXY_OPTIONS = {
  'auth-anonymous': { type: 'flag', help: 'Do not look for credentials, and send none' },
  authfile: { type: 'string', arg: 'PATH', help: 'File with credentials for registries' },
  'cert-dir': {
    type: 'string',
    arg: 'PATH',
    help: 'Directory with certificates for registries (*.crt, *.cert, *.key)',
  },
  'insecure-skip-tls-verification': { type: 'flag', help: 'Accept any TLS certificate, and plain HTTP' },
} as const satisfies OptionTable

export type ProxyOptions = OptionValues<typeof PROXY_OPTIONS>

/**
 * Converts the options to those of the registry client. Without any about credentials, looks for the global file.
 * @throws {UsageError} when options exclude each other
 * @throws {IoError} when the credential file cannot be read
 * @throws {FormatError} when the credential file is malformed
 */
export async function registryOptions(options: ProxyOptions): Promise<RegistryOptions> {
  const { authfile } = options
  const given: ImageProxyConfig = {
    authfile,
    authAnonymous: options['auth-anonymous'],
    certificateDirectory: options['cert-dir'],
    insecureSkipTlsVerification: options['insecure-skip-tls-verification'],
  }
  const environment = { uid: process.geteuid?.() ?? 0, env: process.env }
  const merged = await mergeDefaultContainerProxyOpts(given, () =>
    loadGlobalAuthfile(environment, (path) => readInRoot('/', path)),
  )
  const config = authfile === undefined ? merged : { ...merged, authData: readAuthfile(authfile) }
  const { certificateDirectory, insecureSkipTlsVerification } = config
  const network = nodeNetwork({ certificateDirectory, insecureSkipTlsVerification, environment: process.env })
  return { ...registryOptionsOf(config, network), onRetry: warnOfRetry }
}

/** Tells the user why the command is waiting. @param delay milliseconds until the retry */
function warnOfRetry(error: RegistryError, delay: number): void {
  process.stderr.write(`warning: ${error.message}; retrying in ${(delay / 1000).toFixed(1)} s\n`)
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

function readAuthfile(path: string): Uint8Array {
  return withIo(path, () => readFileSync(path))
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
