/**
 * Checks an image against a policy. The most specific scope with a list of requirements decides, and every requirement
 * of its list must be met.
 *
 * ```
 * docker  quay.io/a/b:1 ─▶ quay.io/a/b ─▶ quay.io/a ─▶ quay.io ─▶ *.io ─▶ ''  ─▶ default
 * oci     /srv/images/os ─▶ /srv/images ─▶ /srv                      ─▶ ''  ─▶ default
 * ```
 *
 * Signatures are not verified: if the policy requires one, the image is refused with an error that says so.
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

/** Returns the name of a reference's transport in a policy. */
function transportName(reference: ImageReference): string {
  return reference.transport === 'registry' ? 'docker' : reference.transport
}

/**
 * Returns the scopes that an image belongs to, the most specific first, without `''` and the default.
 * @throws {InvalidNameError} when the name of the reference is malformed; what `realPath` throws
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
      // `/dir:tag` and `/dir` may be the same image, so the scope is the path only.
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

/** Returns the requirements of the first scope that has some: of `scopes`, then of the transport, then the default. */
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
 * Checks that the policy accepts the image.
 * @throws {DeniedError} when the policy rejects it; {UnsupportedError} when the policy requires a signature
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
    const message = `${image}: refused, since the policy requires signatures (${type}), which are not supported`
    throw new UnsupportedError('signature verification', message)
  }
}

/**
 * Checks, for `ostree-image-signed:`, that the host has a policy whose default does not accept everything.
 * @throws {NotFoundError} when there is no policy; {DeniedError} when its default is `insecureAcceptAnything`
 * @throws {FormatError} when the policy is not a JSON object
 */
export function requireStrictDefault({ sigverify, imgref }: OstreeImageReference, host: HostPolicy | undefined): void {
  if (sigverify.kind !== 'policy') return
  if (host?.bytes === undefined) throw noPolicy()
  if (!policyDefaultIsInsecure(host.bytes)) return
  const message = 'containers-policy.json specifies a default of `insecureAcceptAnything`; refusing usage'
  throw new DeniedError(formatImageReference(imgref), message)
}

/**
 * Checks that the policy of the host accepts the image. Without a policy, every image is accepted.
 * @throws {FormatError} when the policy is malformed; as `checkPolicy`
 */
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
      // A file that cannot be read is treated as missing, and the next one is tried.
    }
  }
  return undefined
}
