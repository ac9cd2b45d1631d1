/**
 * Applies the settings of a remote to the network: `tls-permissive`, `tls-ca-path`, `tls-client-cert-path`,
 * `tls-client-key-path` and `proxy`. Source: ostree-repo-pull.c, _ostree_repo_remote_new_fetcher.
 */

import { UnsupportedError, UsageError } from '../../../errors.ts'
import type { Network, NetworkSettings } from '../../../platform/index.ts'
import type { Remote } from '../../remotes/remotes.ts'

/**
 * Returns the network for a remote.
 * @throws {UsageError} when there is a client certificate without its key, or the reverse
 * @throws {UnsupportedError} when the runtime does not have the settings
 */
export function configuredNetwork(network: Network, { name, config, group }: Remote): Network {
  const get = (key: string): string | undefined => config.get(group, key) || undefined
  const clientCertificate = get('tls-client-cert-path')
  const clientKey = get('tls-client-key-path')
  if ((clientCertificate === undefined) !== (clientKey === undefined)) {
    throw new UsageError(
      `Remote "${name}" must specify both "tls-client-cert-path" and "tls-client-key-path"`,
      'tls-client-cert-path',
    )
  }
  const permissive = config.getBoolean(group, 'tls-permissive', false)
  const settings: NetworkSettings = {
    ...(permissive && { permissive }),
    authorities: get('tls-ca-path'),
    clientCertificate,
    clientKey,
    proxy: get('proxy'),
  }
  if (Object.values(settings).every((value) => value === undefined)) return network
  if (network.configure === undefined) {
    throw new UnsupportedError('tls', `The certificates and the proxy of remote "${name}" cannot be used here`)
  }
  return network.configure(settings)
}
