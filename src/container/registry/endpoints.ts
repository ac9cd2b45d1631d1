/**
 * Determines which hosts are asked for an image: its registry, mirrors, or a replacement location.
 *
 * ```
 * prefix  example.com/team        the rule applies to names below it; the longest prefix decides
 * mirrors mirror.lan/team         asked first, in order
 * location internal.lan/team      asked in place of the registry itself
 * ```
 *
 * Source: containers-registries.conf(5), version 2.
 */
import { DeniedError } from '../../errors.ts'
import { formatRegistryReference, type RegistryReference, repositoryName, wireHost } from '../oci/registry-reference.ts'

/** A registry that is asked before the image's own registry. */
export interface RegistryMirror {
  /** Host and path that replace the prefix. */
  readonly location: string
  /** Allow plain HTTP where TLS fails. Default: the client's own setting. */
  readonly insecure?: boolean | undefined
  /** Which images it is asked for: by the form of their reference. Default `all`. */
  readonly pull?: 'all' | 'digest-only' | 'tag-only' | undefined
}

/** How images below a prefix are reached, as in containers-registries.conf(5). The longest matching prefix applies. */
export interface RegistryRule {
  /** `host`, `host/path`, or `*.domain`. */
  readonly prefix: string
  /** Host and path that replace the prefix. Default: the prefix. */
  readonly location?: string | undefined
  /** Allow plain HTTP where TLS fails. Whether certificates are verified is decided by the network. */
  readonly insecure?: boolean | undefined
  /** Refuse every image below the prefix. */
  readonly blocked?: boolean | undefined
  readonly mirrors?: readonly RegistryMirror[] | undefined
}

/** A repository of a registry, with the host to connect to. */
export interface Endpoint {
  /** The registry's name in references, rules and credentials, such as `docker.io`. */
  readonly domain: string
  /** Host and port to connect to, such as `registry-1.docker.io`. */
  readonly host: string
  readonly repository: string
  readonly insecure: boolean
}

/**
 * Returns the endpoints for an image, in the order in which they are to be asked. The registry itself is the last.
 * @param insecure whether plain HTTP is allowed where no rule decides it
 * @throws {DeniedError} when a rule blocks the image
 */
export function endpointsOf(
  reference: RegistryReference,
  rules: readonly RegistryRule[] = [],
  insecure = false,
): [Endpoint, ...Endpoint[]] {
  const name = repositoryName(reference)
  const rule = ruleFor(reference, rules)
  if (rule === undefined) return [endpoint(name, insecure)]
  const { prefix, location = prefix, blocked = false, mirrors = [] } = rule
  if (blocked) {
    const image = formatRegistryReference(reference)
    throw new DeniedError(image, `registry ${prefix} is blocked: ${image}`)
  }
  const wanted = reference.digest === undefined ? 'digest-only' : 'tag-only'
  const asked = mirrors.filter(({ pull = 'all' }) => pull !== wanted)
  const own = endpoint(rewritten(name, prefix, location), rule.insecure ?? insecure)
  const [first, ...others] = asked.map((mirror) =>
    endpoint(rewritten(name, prefix, mirror.location), mirror.insecure ?? insecure),
  )
  return first === undefined ? [own] : [first, ...others, own]
}

function ruleFor(reference: RegistryReference, rules: readonly RegistryRule[]): RegistryRule | undefined {
  let best: RegistryRule | undefined
  for (const rule of rules) {
    if (matches(reference, rule.prefix) && rule.prefix.length > (best?.prefix.length ?? 0)) best = rule
  }
  return best
}

function matches(reference: RegistryReference, prefix: string): boolean {
  if (prefix.startsWith('*.')) return reference.domain.replace(/:\d+$/, '').endsWith(prefix.slice(1))
  const name = formatRegistryReference(reference)
  return name.startsWith(prefix) && (name.length === prefix.length || '/:@'.includes(name.charAt(prefix.length)))
}

/** Replaces the prefix of a name by the location. For a wildcard prefix, that is the whole host. */
function rewritten(name: string, prefix: string, location: string): string {
  if (prefix.startsWith('*.')) return location === prefix ? name : location + name.slice(name.indexOf('/'))
  return location + name.slice(prefix.length)
}

function endpoint(name: string, insecure: boolean): Endpoint {
  const slash = name.indexOf('/')
  const domain = name.slice(0, slash)
  return { domain, host: wireHost(domain), repository: name.slice(slash + 1), insecure }
}
