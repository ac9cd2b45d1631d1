/**
 * Names of images.
 *
 *     docker://quay.io/a/b:latest                            ImageReference: transport and name
 *     ostree-unverified-image:docker://quay.io/a/b:latest    OstreeImageReference: how it is verified, and the image
 *     ostree-remote-image:REMOTE:oci:/srv/image:tag
 *
 * Source: ostree-ext, module `container`: `Transport`, `ImageReference`, `SignatureSource`, `OstreeImageReference`.
 */
import { InvalidNameError } from '../../errors.ts'

export type Transport =
  | 'registry'
  | 'oci'
  | 'oci-archive'
  | 'docker-archive'
  | 'containers-storage'
  | 'dir'
  | 'docker-daemon'

export interface ImageReference {
  readonly transport: Transport
  /** What the transport makes of it; never empty, otherwise not validated. */
  readonly name: string
}

/**
 * - `policy`                 a container signature policy must accept the image, and must not accept everything
 * - `policy-allow-insecure`  the policy may accept everything
 * - `remote`                 the commit inside is signed with a key of this ostree remote
 */
export type SignatureSource =
  | { readonly kind: 'policy' }
  | { readonly kind: 'policy-allow-insecure' }
  | { readonly kind: 'remote'; readonly remote: string }

export interface OstreeImageReference {
  readonly sigverify: SignatureSource
  readonly imgref: ImageReference
}

/** By what stands before the first colon. */
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
 * The transport in front of the first colon, whatever follows it. The bare word is taken as well: command lines
 * default to `registry`.
 * @throws {InvalidNameError}
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

/** @throws {InvalidNameError} */
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

/** The inverse of `parseImageReference`, except that `registry:` always prints as `docker://`. */
export function formatImageReference({ transport, name }: ImageReference): string {
  return transport === 'registry' ? `docker://${name}` : `${transport}:${name}`
}

/** Whether both name one image: `registry:NAME` and `docker://NAME` do. */
export function sameImageReference(a: ImageReference, b: ImageReference): boolean {
  return a.transport === b.transport && a.name === b.name
}

/** Returns a reference as it is, and parses its text. @throws {InvalidNameError} when the text is not a reference */
export function toImageReference(image: string | ImageReference): ImageReference {
  return typeof image === 'string' ? parseImageReference(image) : image
}

/** @throws {InvalidNameError} */
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

/**
 * @param options `short`: an unverified registry image prints as `docker://…`, for people; `parseImageReference` reads
 *   that, `parseOstreeImageReference` does not
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

/** @throws {InvalidNameError} */
export function parseSignatureSource(text: string): SignatureSource {
  if (text === 'ostree-image-signed') return { kind: 'policy' }
  if (text === 'ostree-unverified-image') return { kind: 'policy-allow-insecure' }
  const remote = /^ostree-remote-image:(.*)$/s.exec(text)?.[1]
  if (remote === undefined) throw new InvalidNameError(text, `Invalid signature source: ${text}`)
  return { kind: 'remote', remote }
}

/** The inverse of `parseSignatureSource`. */
export function formatSignatureSource(source: SignatureSource): string {
  if (source.kind === 'remote') return `ostree-remote-image:${source.remote}`
  return source.kind === 'policy' ? 'ostree-image-signed' : 'ostree-unverified-image'
}

function splitAtColon(text: string): [before: string, after: string] {
  const colon = text.indexOf(':')
  if (colon < 0) throw new InvalidNameError(text, `Missing ':' in ${text}`)
  return [text.slice(0, colon), text.slice(colon + 1)]
}

/** The name of a `containers-storage:` image, `[STORE]IMAGE`. */
export interface StorageName {
  /** `driver@root+run:options`; `undefined` without brackets. */
  readonly store: string | undefined
  /** What to look up; of `sha256:ID` the id. */
  readonly image: string
}

/** @throws {InvalidNameError} on a bracket that does not close */
export function parseStorageName(name: string): StorageName {
  const end = name.indexOf(']')
  const hasStore = name.startsWith('[')
  if (hasStore && end < 0) throw new InvalidNameError(name, `Missing ']' in ${name}`)
  const image = hasStore ? name.slice(end + 1) : name
  return { store: hasStore ? name.slice(1, end) : undefined, image: image.replace(/^sha256:/, '') }
}
