/**
 * One repository of a registry: everything that the OCI distribution specification has, but deletion.
 *
 * Source: OCI distribution-spec 1.1.
 */
import { type Content, encodeUtf8, streamOf } from '../../bytes.ts'
import { DigestMismatchError, FormatError, InvalidNameError, LimitError } from '../../errors.ts'
import { digestOf, parseDigest } from '../oci/digest.ts'
import { hasherFor } from '../oci/digest-hasher.ts'
import { guessManifestType, isIndexType, MAX_MANIFEST_SIZE, parseIndex } from '../oci/manifest.ts'
import { DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST } from '../oci/media-types.ts'
import type { Descriptor, Digest, HostPlatform, StoredBlob } from '../oci/oci-types.ts'
import { chooseManifest } from '../oci/platform-choice.ts'
import { formatRegistryReference, parseRegistryReference, repositoryName } from '../oci/registry-reference.ts'
import { requireAccepted } from '../policy/policy-check.ts'
import { RegistryClient } from '../registry/client.ts'
import { openRegistryDestination } from '../registry/destination.ts'
import { downloadBlob, firstOf } from '../registry/download.ts'
import { endpointsOf } from '../registry/endpoints.ts'
import { RegistryError, type RegistryPlace } from '../registry/errors.ts'
import type { Answer } from '../registry/exchange.ts'
import { clientOptions } from '../registry/options.ts'
import { withRetries } from '../registry/retry.ts'
import { ANY_SUCCESS } from '../registry/upload.ts'
import type { PutBlobOptions } from '../transport/destination.ts'
import { openLayer } from '../transport/layer-stream.ts'
import { fallbackTag, isAttestation, parseObject } from './documents.ts'
import type { ReadBlobOptions, RegistryManifest, RegistryRepository, RepositoryOptions } from './interface.ts'
import { downloadRanges } from './ranges.ts'
import { verifyStream } from './verify-stream.ts'

const ACCEPT = [OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST, '*/*'].join(', ')
/** Pages of tags or referrers. A registry that has more is taken for one that repeats them. */
const MAX_PAGES = 10_000
/** Bytes of one page. */
const MAX_PAGE: number = 4 << 20
/** Indexes that lead to a manifest. */
const MAX_INDEXES = 2

/**
 * Opens a repository. Nothing is requested yet.
 *
 * @example
 * const options = { platform: nodePlatform, network: nodeNetwork() }
 * await using repository = openRepository('quay.io/exampleos/os', options)
 * const { digest } = await repository.resolve('1')
 * for await (const tag of repository.tags()) console.log(tag)
 * @param name `HOST/PATH`, without a tag; without a host it is one of Docker Hub
 * @throws {InvalidNameError} when the name is malformed, or has a tag or digest
 * @throws {DeniedError} when a rule blocks the registry
 */
export function openRepository(name: string, options: RepositoryOptions): RegistryRepository {
  return new Repository(name, options)
}

class Repository implements RegistryRepository {
  readonly name: string
  readonly #options: RepositoryOptions
  readonly #closing = new AbortController()
  readonly #signal: AbortSignal
  /** For reading: mirrors, then the registry itself. */
  readonly #readers: readonly RegistryClient[]
  readonly #writer: RegistryClient

  constructor(name: string, options: RepositoryOptions) {
    const reference = parseRegistryReference(name)
    if (reference.digest !== undefined || /:[^/]*$/.test(name.slice(name.lastIndexOf('/') + 1))) {
      throw new InvalidNameError(name, `${name} is not the name of a repository: it has a tag or digest`)
    }
    this.name = repositoryName(reference)
    this.#options = options
    const { signal } = options
    this.#signal = signal === undefined ? this.#closing.signal : AbortSignal.any([signal, this.#closing.signal])
    const client = clientOptions(options, this.#signal)
    const endpoints = endpointsOf(reference, options.registries, options.insecure)
    this.#readers = endpoints.map((endpoint) => new RegistryClient(endpoint, 'pull', client))
    this.#writer = new RegistryClient(endpoints.at(-1) ?? endpoints[0], 'pull,push', client)
  }

  async resolve(tagOrDigest: string): Promise<Descriptor> {
    await this.#accept(tagOrDigest)
    const { value } = await firstOf(this.#readers, async (client) => {
      const answer = await client.ask({ ...request('HEAD', `/manifests/${tagOrDigest}`, tagOrDigest), expect: [200] })
      answer.discard()
      const digest = answer.header('docker-content-digest')
      const mediaType = answer.header('content-type')
      const size = answer.length
      return digest === null || mediaType === null || size === undefined
        ? undefined
        : { mediaType, digest: parseDigest(digest), size }
    })
    if (value === undefined) {
      const { mediaType, digest, size } = await this.manifest(tagOrDigest)
      return { mediaType, digest, size }
    }
    if (isDigestText(tagOrDigest) && value.digest !== tagOrDigest) {
      throw new DigestMismatchError('digest', tagOrDigest, tagOrDigest, value.digest)
    }
    return value
  }

  async manifest(tagOrDigest: string): Promise<RegistryManifest> {
    await this.#accept(tagOrDigest)
    return (await firstOf(this.#readers, (client) => this.#readManifest(client, tagOrDigest))).value
  }

  async #readManifest(client: RegistryClient, what: string): Promise<RegistryManifest> {
    const { bytes, declared } = await withRetries(client.retry, async () => {
      const answer = await client.once({ ...request('GET', `/manifests/${what}`, what), expect: [200] })
      return { bytes: await answer.read(MAX_MANIFEST_SIZE), declared: answer.header('content-type') ?? undefined }
    })
    const size = bytes.length
    const digest = isDigestText(what) ? parseDigest(what) : digestOf(this.#options.platform.sha256(bytes))
    if (isDigestText(what)) {
      for await (const _ of verifyStream(this.#options.platform, streamOf(bytes), { digest, size }));
    }
    return { mediaType: declared?.split(';')[0]?.trim() || guessManifestType(bytes), digest, size, bytes }
  }

  async image(tagOrDigest: string, host: HostPlatform): Promise<RegistryManifest> {
    let found = await this.manifest(tagOrDigest)
    for (let indexes = 0; isIndexType(guessManifestType(found.bytes, found.mediaType)); indexes++) {
      if (indexes === MAX_INDEXES) throw new FormatError('image index', 'Invalid image index: nested too deep')
      const index = parseIndex(found.bytes)
      const manifests = index.manifests.filter((entry) => !isAttestation(entry))
      found = await this.manifest(chooseManifest({ ...index, manifests }, host).digest)
    }
    return found
  }

  async *tags(): AsyncGenerator<string, void, undefined> {
    const seen = new Set<string>()
    for await (const page of this.#pages('/tags/list', 'the list of tags', [200])) {
      const { tags } = page as { tags?: unknown }
      if (tags === null || tags === undefined) continue
      if (!Array.isArray(tags)) throw new FormatError('list of tags', `${this.name}: the list of tags is malformed`)
      for (const tag of tags) {
        if (typeof tag !== 'string' || seen.has(tag)) continue
        seen.add(tag)
        yield tag
      }
    }
  }

  async referrers(digest: Digest, artifactType?: string): Promise<Descriptor[]> {
    const query = artifactType === undefined ? '' : `?artifactType=${encodeURIComponent(artifactType)}`
    const found = new Map<string, Descriptor>()
    let supported = false
    for await (const page of this.#pages(`/referrers/${parseDigest(digest)}${query}`, digest, [200, 404])) {
      supported = true
      for (const entry of parseIndex(encodeUtf8(JSON.stringify(page))).manifests) found.set(entry.digest, entry)
    }
    if (!supported) {
      const index = await this.#fallbackIndex(this.#readers, digest)
      for (const entry of index?.manifests ?? []) found.set(entry.digest, entry)
    }
    // Registries need not filter, and the index with the fallback tag is not filtered.
    return [...found.values()].filter((entry) => artifactType === undefined || entry.artifactType === artifactType)
  }

  async #fallbackIndex(clients: readonly RegistryClient[], digest: Digest) {
    try {
      const { value } = await firstOf(clients, (client) => this.#readManifest(client, fallbackTag(digest)))
      return parseIndex(value.bytes)
    } catch (error) {
      if (error instanceof RegistryError && error.code === 'not-found') return undefined
      throw error
    }
  }

  /** Yields the pages of a list, as JSON. A status of 404, where it is expected, gives none. */
  async *#pages(path: string, what: string, expect: readonly number[]): AsyncGenerator<object, void, undefined> {
    const client = this.#readers.at(-1) as RegistryClient
    const seen = new Set<string>()
    for (let next: string | undefined = path; next !== undefined; ) {
      if (seen.size >= MAX_PAGES) throw new LimitError(`pages of ${what}`, MAX_PAGES)
      if (seen.has(next)) throw new RegistryError('network', client.place(what), 'the registry repeats a page for ever')
      seen.add(next)
      const answer: Answer = await client.ask({ method: 'GET', path: next, what, expect })
      if (answer.status === 404) {
        answer.discard()
        return
      }
      yield parseObject(await answer.read(MAX_PAGE), what)
      const link = /<([^>]*)>\s*;[^,]*\brel="?next"?/i.exec(answer.header('link') ?? '')?.[1]
      next =
        link === undefined ? undefined : sameOrigin(new URL(link, answer.url), answer.url, () => client.place(what))
    }
  }

  async *blob(
    blob: Descriptor,
    { connections = 1 }: ReadBlobOptions = {},
  ): AsyncGenerator<Uint8Array, void, undefined> {
    parseDigest(blob.digest)
    const [client] = this.#readers
    if (connections > 1 && client !== undefined) {
      yield* verifyStream(this.#options.platform, downloadRanges(client, blob, connections), blob)
      return
    }
    yield* verifyStream(this.#options.platform, downloadBlob(this.#readers, blob), blob)
  }

  layer(layer: Descriptor, diffId?: Digest): AsyncIterable<Uint8Array> {
    const source = { blob: (wanted: Descriptor) => downloadBlob(this.#readers, wanted) }
    return openLayer(source, layer, { platform: this.#options.platform, diffId, signal: this.#signal })
  }

  hasBlob(blob: StoredBlob): Promise<boolean> {
    return this.#destination().hasBlob(blob)
  }

  mount(blob: StoredBlob, from: string): Promise<boolean> {
    const domain = this.name.slice(0, this.name.indexOf('/'))
    return this.#destination().hasBlob(blob, { transport: 'registry', name: `${domain}/${from}` })
  }

  async pushBlob(content: Content, options: PutBlobOptions = {}): Promise<StoredBlob> {
    const isBytes = content instanceof Uint8Array
    const digest = options.digest ?? (isBytes ? digestOf(this.#options.platform.sha256(content)) : undefined)
    const size = options.size ?? (isBytes ? content.length : undefined)
    const destination = this.#destination()
    if (digest !== undefined && size !== undefined && (await destination.hasBlob({ digest, size })))
      return { digest, size }
    const reopen = isBytes ? () => streamOf(content) : options.reopen
    return destination.putBlob(isBytes ? streamOf(content) : content, { ...options, digest, size, reopen })
  }

  async pushManifest(content: Uint8Array | object, mediaType: string, tag?: string): Promise<Descriptor> {
    const bytes = content instanceof Uint8Array ? content : encodeUtf8(JSON.stringify(content))
    const digest = await this.#digest(bytes, tag)
    const descriptor = { mediaType, digest, size: bytes.length }
    const stored = await this.#put(bytes, mediaType, tag ?? digest)
    const { subject, artifactType, annotations, config } = parseObject(bytes, 'manifest') as ManifestFields
    if (typeof subject?.digest === 'string' && stored.header('oci-subject') === null) {
      const type = artifactType ?? config?.mediaType
      await this.#addReferrer(parseDigest(subject.digest), {
        ...descriptor,
        ...(type !== undefined && { artifactType: type }),
        ...(annotations !== undefined && { annotations }),
      })
    }
    return descriptor
  }

  /** Returns the digest of a manifest, of the algorithm of the digest that names it. @throws {DigestMismatchError} */
  async #digest(bytes: Uint8Array, name = ''): Promise<Digest> {
    const { platform } = this.#options
    if (!isDigestText(name)) return digestOf(platform.sha256(bytes))
    const expected = parseDigest(name)
    const hasher = await hasherFor(platform, expected)
    hasher.update(bytes)
    const digest = hasher.digest()
    if (digest !== expected) throw new DigestMismatchError('digest', name, expected, digest)
    return digest
  }

  async #put(bytes: Uint8Array, mediaType: string, name: string): Promise<Answer> {
    const client = this.#writer
    const put = { ...request('PUT', `/manifests/${name}`, name), headers: { 'content-type': mediaType } }
    const answer = await client.ask({ ...put, body: bytes, expect: ANY_SUCCESS })
    await answer.excerpt()
    const digest = await this.#digest(bytes, name)
    const stored = answer.header('docker-content-digest') ?? digest
    if (stored !== digest) throw new DigestMismatchError('digest', name, digest, stored)
    return answer
  }

  /** Adds a manifest to the index with the fallback tag. Another program that does so at the same time may be overwritten. */
  async #addReferrer(subject: Digest, referrer: Descriptor): Promise<void> {
    const index = await this.#fallbackIndex([this.#writer], subject)
    const others = (index?.manifests ?? []).filter(({ digest }) => digest !== referrer.digest)
    const changed = { schemaVersion: 2, mediaType: OCI_INDEX, manifests: [...others, referrer] }
    await this.#put(encodeUtf8(JSON.stringify(changed)), OCI_INDEX, fallbackTag(subject))
  }

  #destination() {
    const { platform } = this.#options
    const host = { architecture: '', os: '' }
    return openRegistryDestination(this.name, { platform, host, registry: this.#options, signal: this.#signal })
  }

  async #accept(tagOrDigest: string): Promise<void> {
    const name = `${this.name}${isDigestText(tagOrDigest) ? '@' : ':'}${tagOrDigest}`
    const checked = formatRegistryReference(parseRegistryReference(name))
    await requireAccepted({ transport: 'registry', name: checked }, this.#options.policy)
  }

  async close(): Promise<void> {
    this.#closing.abort()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

interface ManifestFields {
  readonly subject?: { readonly digest?: unknown }
  readonly artifactType?: string
  readonly annotations?: Readonly<Record<string, string>>
  readonly config?: { readonly mediaType?: string }
}

function request<M extends 'GET' | 'HEAD' | 'PUT'>(method: M, path: string, what: string) {
  return { method, path, what, headers: { accept: ACCEPT } } as const
}

function isDigestText(text: string): boolean {
  return text.includes(':')
}

/** Returns the address of the next page. @throws {RegistryError} when it is on another host, which must not get the credentials */
function sameOrigin(next: URL, url: string, place: () => RegistryPlace): string {
  if (next.origin === new URL(url).origin) return next.href
  throw new RegistryError('network', place(), `the next page is on another host, ${next.origin}`)
}
