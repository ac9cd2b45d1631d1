/**
 * Parses the names of images in a registry, `[domain/]path[:tag][@digest]`:
 *
 *     busybox                       docker.io/library/busybox:latest
 *     localhost:5000/a/b:1.0        localhost:5000/a/b:1.0
 *     quay.io/a/b@sha256:…          quay.io/a/b@sha256:…
 *
 * Source: distribution/reference (normalize.go, regexp.go).
 */
import { InvalidNameError } from '../../errors.ts'
import { parseDigest } from './digest.ts'
import type { Digest } from './oci-types.ts'

/** Names an image in a registry: its domain, its repository, and its tag or digest. */
export interface RegistryReference {
  /** Host and port, as in the name: `docker.io`, `localhost:5000`. */
  readonly domain: string
  /** Path of the repository in its registry: `library/busybox`. */
  readonly repository: string
  /** The tag; present unless there is a digest. */
  readonly tag?: string
  readonly digest?: Digest
}

const DOMAIN =
  /^(?:(?:[A-Za-z0-9]|[A-Za-z0-9][A-Za-z0-9-]*[A-Za-z0-9])(?:\.(?:[A-Za-z0-9]|[A-Za-z0-9][A-Za-z0-9-]*[A-Za-z0-9]))*|\[[0-9a-fA-F:]+\])(?::[0-9]{1,5})?$/
const COMPONENT = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/
const TAG = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/
/** Maximum length of domain and path together, in characters. */
const MAX_NAME_LENGTH = 255
const DOCKER_HUB = 'docker.io'

/**
 * Parses a name. Missing parts are filled in: the domain `docker.io`, its namespace `library`, the tag `latest`. Of a tag
 * and a digest only the digest counts.
 * @throws {InvalidNameError} when the text is not such a name
 */
export function parseRegistryReference(name: string): RegistryReference {
  const fault = (why: string) => new InvalidNameError(name, `Invalid image name ${JSON.stringify(name)}: ${why}`)
  const at = name.indexOf('@')
  const digest = at < 0 ? undefined : checkedDigest(name.slice(at + 1), fault)
  const tagged = at < 0 ? name : name.slice(0, at)
  const colon = tagged.indexOf(':', tagged.lastIndexOf('/') + 1)
  // `localhost:5000` alone is a repository with a tag, as in Docker.
  const path = colon < 0 ? tagged : tagged.slice(0, colon)
  const tag = colon < 0 ? undefined : tagged.slice(colon + 1)
  if (tag !== undefined && !TAG.test(tag)) throw fault('malformed tag')

  const { domain, rest } = splitDomain(path)
  if (!DOMAIN.test(domain)) throw fault('malformed domain')
  const repository = domain === DOCKER_HUB && !rest.includes('/') ? `library/${rest}` : rest
  const wrong = repository.split('/').find((component) => !COMPONENT.test(component))
  if (wrong !== undefined) {
    throw fault(/[A-Z]/.test(wrong) ? 'repository name must be lowercase' : 'malformed repository name')
  }
  if (domain.length + 1 + repository.length > MAX_NAME_LENGTH) {
    throw fault(`repository name must not be more than ${MAX_NAME_LENGTH} characters`)
  }
  if (digest !== undefined) return { domain, repository, digest }
  return { domain, repository, tag: tag ?? 'latest' }
}

function splitDomain(path: string): { domain: string; rest: string } {
  const slash = path.indexOf('/')
  const first = path.slice(0, slash)
  const isDomain = slash >= 0 && (/[.:]/.test(first) || first === 'localhost' || first !== first.toLowerCase())
  if (!isDomain) return { domain: DOCKER_HUB, rest: path }
  return { domain: first === 'index.docker.io' ? DOCKER_HUB : first, rest: path.slice(slash + 1) }
}

function checkedDigest(text: string, fault: (why: string) => InvalidNameError): Digest {
  try {
    return parseDigest(text)
  } catch (error) {
    throw error instanceof InvalidNameError ? fault(error.message) : error
  }
}

/** Returns domain and path, the name that policies and credentials use for a repository. */
export function repositoryName({ domain, repository }: Pick<RegistryReference, 'domain' | 'repository'>): string {
  return `${domain}/${repository}`
}

/** Formats a reference in full: `docker.io/library/busybox:latest`, or with `@DIGEST` in place of the tag. */
export function formatRegistryReference(reference: RegistryReference): string {
  const { tag, digest } = reference
  return repositoryName(reference) + (digest === undefined ? `:${tag}` : `@${digest}`)
}

/** Returns the host of a domain: that of Docker's own registry has another name. */
export function wireHost(domain: string): string {
  return domain === DOCKER_HUB ? 'registry-1.docker.io' : domain
}
