/**
 * Where an image is looked for: its registry, or what stands for it.
 *
 * ```
 * prefix  example.com/team        rules apply to names below it, the longest prefix decides
 * mirrors mirror.lan/team         asked first, in order
 * location internal.lan/team      asked in place of the registry itself
 * ```
 *
 * Source: containers-registries.conf(5), version 2.
 */
import { DeniedError } from '../../errors.ts'
import { formatRegistryReference, type RegistryReference, repositoryName, wireHost } from '../oci/registry-reference.ts'

/** A place that is asked before the registry itself. */
export interface RegistryMirror {
  /** Host and path that stand for the prefix. */
  readonly location: string
  readonly insecure?: boolean | undefined
  /** What it is asked for. Default `all`. */
  readonly pull?: 'all' | 'digest-only' | 'tag-only' | undefined
}

/** How images below a prefix are reached, as in containers-registries.conf(5). The longest matching prefix applies. */
export interface RegistryRule {
  /** `host`, `host/path`, or `*.domain`. */
  readonly prefix: string
  /** Default: the prefix. */
  readonly location?: string | undefined
  /** Plain HTTP will do, and so will any certificate the network lets pass. */
  readonly insecure?: boolean | undefined
  /** Nothing may come from there. */
  readonly blocked?: boolean | undefined
  readonly mirrors?: readonly RegistryMirror[] | undefined
}

export interface Endpoint {
  /** As rules and credentials know it. */
  readonly domain: string
  /** Where it answers. */
  readonly host: string
  readonly repository: string
  readonly insecure: boolean
}

/**
 * In the order they are to be asked; the registry itself comes last.
 * @param insecure for all that no rule says otherwise
 * @throws {DeniedError} for what a rule blocks
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

/** A wildcard stands for hosts: there is nothing behind it to keep. */
function rewritten(name: string, prefix: string, location: string): string {
  if (prefix.startsWith('*.')) return location === prefix ? name : location + name.slice(name.indexOf('/'))
  return location + name.slice(prefix.length)
}

function endpoint(name: string, insecure: boolean): Endpoint {
  const slash = name.indexOf('/')
  const domain = name.slice(0, slash)
  return { domain, host: wireHost(domain), repository: name.slice(slash + 1), insecure }
}
