/**
 * Parses and formats the names of images:
 *
 *     docker://quay.io/a/b:latest                            ImageReference: transport and name
 *     ostree-unverified-image:docker://quay.io/a/b:latest    OstreeImageReference: how it is verified, and the image
 *     ostree-remote-image:REMOTE:oci:/srv/image:tag
 *
 * Source: ostree-ext, module `container`: `Transport`, `ImageReference`, `SignatureSource`, `OstreeImageReference`.
 */
import { InvalidNameError } from '../../errors.ts'

/** The kind of place that an image is in: a registry, files on a disk, or the store of another program. */
export type Transport =
  | 'registry'
  | 'oci'
  | 'oci-archive'
  | 'docker-archive'
  | 'containers-storage'
  | 'dir'
  | 'docker-daemon'

/**
 * Names an image: its transport, and its name there. Its text is `docker://quay.io/a/b:latest` or `oci:/srv/image:tag`.
 */
export interface ImageReference {
  readonly transport: Transport
  /** Name that the transport interprets. It is not empty, and not validated otherwise. */
  readonly name: string
}

/**
 * How an image is verified:
 *
 * - `policy`: the container signature policy of the host must accept it, and its default must not accept everything
 * - `policy-allow-insecure`: the policy must accept it, and may accept everything
 * - `remote`: the commit in the image must be signed by a key of this remote of the repository
 */
export type SignatureSource =
  | { readonly kind: 'policy' }
  | { readonly kind: 'policy-allow-insecure' }
  | { readonly kind: 'remote'; readonly remote: string }

/**
 * Names an image, and how it is verified. Its text is, for example, `ostree-unverified-registry:quay.io/a/b:latest`.
 */
export interface OstreeImageReference {
  readonly sigverify: SignatureSource
  readonly imgref: ImageReference
}

/** The transports, by the text before the first colon. */
const TRANSPORTS: ReadonlyMap<string, Transport> = new Map<string, Transport>([
  ['registry', 'registry'],
  ['docker', 'registry'],
  ['oci', 'oci'],
  ['oci-archive', 'oci-archive'],
  ['docker-archive', 'docker-archive'],
  ['containers-storage', 'containers-storage'],
  ['dir', 'dir'],
  ['docker-daemon', 'docker-daemon'],
])

/**
 * Parses the transport before the first colon, or the transport alone: command lines default to `registry`.
 * @throws {InvalidNameError} when the text does not begin with a transport
 */
export function parseTransport(text: string): Transport {
  const colon = text.indexOf(':')
  const word = colon < 0 ? text : text.slice(0, colon)
  const transport = TRANSPORTS.get(word)
  if (colon < 0 && transport === undefined) throw new InvalidNameError(text, "Missing ':' in imgref")
  const slashes = word !== 'docker' || colon < 0 || text.startsWith('//', colon + 1)
  if (transport === undefined || !slashes) throw new InvalidNameError(text, `Invalid transport: ${word}`)
  return transport
}

/**
 * Parses the text of an image reference, such as `docker://quay.io/a/b:latest` or `oci:/srv/image:tag`.
 * @throws {InvalidNameError} when the text is not a reference; the name itself is not looked at
 */
export function parseImageReference(text: string): ImageReference {
  const [word, rest] = splitAtColon(text)
  const transport = TRANSPORTS.get(word)
  if (transport === undefined) throw new InvalidNameError(text, `Unknown transport '${word}'`)
  if (word === 'docker' && !rest.startsWith('//')) {
    throw new InvalidNameError(text, `Missing // in docker:// in ${text}`)
  }
  const name = word === 'docker' ? rest.slice(2) : rest
  if (name === '') throw new InvalidNameError(text, `Invalid empty name in ${text}`)
  return { transport, name }
}

/** Formats a reference as `parseImageReference` reads it. The transport `registry` prints as `docker://`. */
export function formatImageReference({ transport, name }: ImageReference): string {
  return transport === 'registry' ? `docker://${name}` : `${transport}:${name}`
}

/** Tests whether two references have the same transport and the same name. */
export function sameImageReference(a: ImageReference, b: ImageReference): boolean {
  return a.transport === b.transport && a.name === b.name
}

/** Returns a reference as it is, and parses its text. @throws {InvalidNameError} when the text is not a reference */
export function toImageReference(image: string | ImageReference): ImageReference {
  return typeof image === 'string' ? parseImageReference(image) : image
}

/**
 * Parses the text of a reference that says how its image is verified: `ostree-image-signed:IMAGE`,
 * `ostree-unverified-image:IMAGE`, `ostree-unverified-registry:NAME`, `ostree-remote-image:REMOTE:IMAGE` or
 * `ostree-remote-registry:REMOTE:NAME`, where IMAGE is an image reference and NAME the name of an image in a registry.
 * @throws {InvalidNameError} when the text is not such a reference
 */
export function parseOstreeImageReference(text: string): OstreeImageReference {
  const [scheme, rest] = splitAtColon(text)
  switch (scheme) {
    case 'ostree-image-signed':
      return { sigverify: { kind: 'policy' }, imgref: parseImageReference(rest) }
    case 'ostree-unverified-image':
      return { sigverify: { kind: 'policy-allow-insecure' }, imgref: parseImageReference(rest) }
    case 'ostree-unverified-registry':
      return { sigverify: { kind: 'policy-allow-insecure' }, imgref: parseImageReference(`registry:${rest}`) }
    case 'ostree-remote-image':
    case 'ostree-remote-registry': {
      const colon = rest.indexOf(':')
      if (colon < 0) throw new InvalidNameError(text, `Missing second ':' in ${text}`)
      const image = rest.slice(colon + 1)
      return {
        sigverify: { kind: 'remote', remote: rest.slice(0, colon) },
        imgref: parseImageReference(scheme === 'ostree-remote-image' ? image : `registry:${image}`),
      }
    }
    default:
      throw new InvalidNameError(text, `Invalid ostree image reference scheme: ${scheme}`)
  }
}

const SCHEMES = /^ostree-(?:image-signed|unverified-image|unverified-registry|remote-image|remote-registry):/

/**
 * Parses any reference that the command takes: one of `parseOstreeImageReference`, or one of `parseImageReference`, whose
 * image is not verified: `docker://quay.io/a/b` means `ostree-unverified-image:docker://quay.io/a/b`.
 * @throws {InvalidNameError} when the text is neither
 */
export function parseAnyImageReference(text: string): OstreeImageReference {
  if (SCHEMES.test(text) || !text.includes(':')) return parseOstreeImageReference(text)
  return { sigverify: { kind: 'policy-allow-insecure' }, imgref: parseImageReference(text) }
}

/**
 * Formats a reference as `parseOstreeImageReference` reads it.
 * @param options `short`: format an unverified image of a registry as `docker://NAME`, which only `parseImageReference`
 *   reads
 */
export function formatOstreeImageReference(
  { sigverify, imgref }: OstreeImageReference,
  options: { readonly short?: boolean } = {},
): string {
  if (sigverify.kind === 'policy-allow-insecure' && imgref.transport === 'registry') {
    return options.short === true ? formatImageReference(imgref) : `ostree-unverified-registry:${imgref.name}`
  }
  return `${formatSignatureSource(sigverify)}:${formatImageReference(imgref)}`
}

/**
 * Parses `ostree-image-signed`, `ostree-unverified-image` or `ostree-remote-image:REMOTE`.
 * @throws {InvalidNameError} when the text is something else
 */
export function parseSignatureSource(text: string): SignatureSource {
  if (text === 'ostree-image-signed') return { kind: 'policy' }
  if (text === 'ostree-unverified-image') return { kind: 'policy-allow-insecure' }
  const remote = /^ostree-remote-image:(.*)$/s.exec(text)?.[1]
  if (remote === undefined) throw new InvalidNameError(text, `Invalid signature source: ${text}`)
  return { kind: 'remote', remote }
}

/** Formats a source as `parseSignatureSource` reads it. */
export function formatSignatureSource(source: SignatureSource): string {
  if (source.kind === 'remote') return `ostree-remote-image:${source.remote}`
  return source.kind === 'policy' ? 'ostree-image-signed' : 'ostree-unverified-image'
}

function splitAtColon(text: string): [before: string, after: string] {
  const colon = text.indexOf(':')
  if (colon < 0) throw new InvalidNameError(text, `Missing ':' in ${text}`)
  return [text.slice(0, colon), text.slice(colon + 1)]
}

/** The parts of the name of a `containers-storage:` image, `[STORE]IMAGE`. */
export interface StorageName {
  /** `driver@root+run:options`; `undefined` without brackets. */
  readonly store: string | undefined
  /** Name or id of the image; of `sha256:ID` the id. */
  readonly image: string
}

/** Parses the name of a `containers-storage:` image. @throws {InvalidNameError} on a bracket that is not closed */
export function parseStorageName(name: string): StorageName {
  const end = name.indexOf(']')
  const hasStore = name.startsWith('[')
  if (hasStore && end < 0) throw new InvalidNameError(name, `Missing ']' in ${name}`)
  const image = hasStore ? name.slice(end + 1) : name
  return { store: hasStore ? name.slice(1, end) : undefined, image: image.replace(/^sha256:/, '') }
}
