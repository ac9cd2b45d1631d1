/** Access of the container commands to registries: their common options, credential files, and the host's policy. */
import { readFileSync } from 'node:fs'
import {
  type ImageProxyConfig,
  loadGlobalAuthfile,
  mergeDefaultContainerProxyOpts,
  type RegistryError,
  type RegistryOptions,
  registryOptionsOf,
} from '../../container/index.ts'
import { hostPolicy, readInRoot } from '../../front/internal.ts'
import { withIo } from '../../system/errno.ts'
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

export { hostPolicy, readInRoot }

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

function readAuthfile(path: string): Uint8Array {
  return withIo(path, () => readFileSync(path))
}
