/**
 * An image held against a policy. The most specific scope that has a list decides, and of its list every requirement
 * must be met.
 *
 * ```
 * docker  quay.io/a/b:1 ─▶ quay.io/a/b ─▶ quay.io/a ─▶ quay.io ─▶ *.io ─▶ ''  ─▶ default
 * oci     /srv/images/os ─▶ /srv/images ─▶ /srv                      ─▶ ''  ─▶ default
 * ```
 *
 * Signatures are not verified: an image whose policy asks for some is refused, and told why.
 * Source: containers/image, signature/policy_eval.go and `PolicyConfigurationNamespaces` of the transports.
 */
import type { MaybePromise } from '../../bytes.ts'
import { DeniedError, NotFoundError, UnsupportedError, withContext } from '../../errors.ts'
import { formatImageReference, type ImageReference, type OstreeImageReference } from '../oci/reference.ts'
import { formatRegistryReference, parseRegistryReference, repositoryName } from '../oci/registry-reference.ts'
import { splitImageName } from '../transport/oci-layout.ts'
import { type PolicyRequirement, parsePolicy, policyDefaultIsInsecure, type SignaturePolicy } from './policy.ts'

/** Returns the absolute path without symbolic links, by which a policy names local images. */
export type RealPath = (path: string) => MaybePromise<string>

/** The container signature policy of a host. */
export interface HostPolicy {
  /** Content of its policy.json; `undefined` when there is none. */
  readonly bytes: Uint8Array | undefined
  /** Default: the path as given. */
  readonly realPath?: RealPath | undefined
}

/** Names of transports in a policy, where they differ from ours. */
function transportName(reference: ImageReference): string {
  return reference.transport === 'registry' ? 'docker' : reference.transport
}

/**
 * The scopes an image is under, the most specific first; neither `''` nor the default is among them.
 * @throws {InvalidNameError}
 */
export async function policyScopes(reference: ImageReference, realPath: RealPath = (path) => path): Promise<string[]> {
  const { transport, name } = reference
  switch (transport) {
    case 'registry':
      return registryScopes(name)
    case 'dir':
      return pathScopes(await realPath(name))
    case 'oci':
    case 'oci-archive':
      // `/dir:tag` and `/dir` may be the same image: only the path counts
      return pathScopes(await realPath(splitImageName(name).path))
    case 'docker-archive':
    case 'docker-daemon':
    case 'containers-storage':
      return []
  }
}

function registryScopes(name: string): string[] {
  const reference = parseRegistryReference(name)
  const scopes = [formatRegistryReference(reference)]
  for (let parent = repositoryName(reference); ; parent = parent.slice(0, parent.lastIndexOf('/'))) {
    scopes.push(parent)
    if (!parent.includes('/')) break
  }
  let host = reference.domain.replace(/:\d+$/, '')
  for (let dot = host.indexOf('.'); dot >= 0; dot = host.indexOf('.')) {
    host = host.slice(dot + 1)
    scopes.push(`*.${host}`)
  }
  return scopes
}

function pathScopes(path: string): string[] {
  const scopes: string[] = []
  for (let at = path; at.length > 1; at = at.slice(0, at.lastIndexOf('/'))) scopes.push(at)
  return scopes
}

export function requirementsFor(
  { default: fallback, transports }: SignaturePolicy,
  transport: string,
  scopes: readonly string[],
): readonly PolicyRequirement[] {
  const own = transports.get(transport)
  for (const scope of [...scopes, '']) {
    const list = own?.get(scope)
    if (list !== undefined) return list
  }
  return fallback
}

/**
 * Returns when the policy takes the image.
 * @throws {DeniedError} when it does not; {UnsupportedError} when it asks for a signature
 */
export async function checkPolicy(
  reference: ImageReference,
  policy: SignaturePolicy,
  realPath?: RealPath,
): Promise<void> {
  const image = formatImageReference(reference)
  const scopes = await policyScopes(reference, realPath)
  const requirements = requirementsFor(policy, transportName(reference), scopes)
  for (const { type } of requirements) {
    if (type === 'insecureAcceptAnything') continue
    if (type === 'reject') throw new DeniedError(image, `Running image ${image} is rejected by policy.`)
    const message = `${image}: the policy asks for signatures (${type}), which cannot be verified here; the image is refused`
    throw new UnsupportedError('signature verification', message)
  }
}

/**
 * For `ostree-image-signed:`: there is a policy, and its default is not to take anything.
 * @throws {NotFoundError}, {DeniedError}; {FormatError} when the policy is no JSON object
 */
export function requireStrictDefault({ sigverify, imgref }: OstreeImageReference, host: HostPolicy | undefined): void {
  if (sigverify.kind !== 'policy') return
  if (host?.bytes === undefined) throw noPolicy()
  if (!policyDefaultIsInsecure(host.bytes)) return
  const message = 'containers-policy.json specifies a default of `insecureAcceptAnything`; refusing usage'
  throw new DeniedError(formatImageReference(imgref), message)
}

/** Whether an image may be opened. A host without a policy has nothing to say. @throws as `checkPolicy`; {FormatError} */
export async function requireAccepted(reference: ImageReference, host: HostPolicy | undefined): Promise<void> {
  if (host?.bytes !== undefined) await checkPolicy(reference, parsePolicy(host.bytes), host.realPath)
}

function noPolicy(): NotFoundError {
  const checked = 'checked $CONTAINERS_POLICY_JSON, user config dir, and system paths'
  const missing = new NotFoundError('policy.json', `No containers policy.json found; ${checked}`)
  return withContext('Resolving containers policy path', missing)
}

/**
 * Reads the policy.json of the host: the file that `$CONTAINERS_POLICY_JSON` names, else the first of
 * `$XDG_CONFIG_HOME/containers/policy.json`, `/etc/containers/policy.json` and `/usr/share/containers/policy.json`.
 * @param env environment variables: `CONTAINERS_POLICY_JSON`, `XDG_CONFIG_HOME`, `HOME`
 * @param read returns the content of a file. When it returns `undefined` or throws, the next file is tried
 * @returns the content of the file; `undefined` when there is none
 * @throws {NotFoundError} when the file that `CONTAINERS_POLICY_JSON` names does not exist; what `read` throws for it
 */
export async function loadPolicy(
  env: Readonly<Record<string, string | undefined>>,
  read: (path: string) => MaybePromise<Uint8Array | undefined>,
): Promise<Uint8Array | undefined> {
  const named = env['CONTAINERS_POLICY_JSON']
  if (named !== undefined && named !== '') {
    const context = `Opening policy file from CONTAINERS_POLICY_JSON=${named}`
    try {
      const bytes = await read(named)
      if (bytes !== undefined) return bytes
    } catch (error) {
      throw withContext(context, error)
    }
    throw new NotFoundError(named, `${context}: No such file or directory`)
  }
  const home = env['HOME']
  const config = env['XDG_CONFIG_HOME'] ?? (home === undefined ? undefined : `${home}/.config`)
  const user = config === undefined ? [] : [`${config}/containers/policy.json`]
  for (const path of [...user, '/etc/containers/policy.json', '/usr/share/containers/policy.json']) {
    try {
      const bytes = await read(path)
      if (bytes !== undefined) return bytes
    } catch {
      // as if it were not there: the next one is asked
    }
  }
  return undefined
}
