/** An OCI registry in memory, without sockets. Source: OCI distribution-spec 1.1. */

import { sha384, sha512 } from '@noble/hashes/sha2.js'
import { concatBytes, decodeUtf8, encodeUtf8, toHex } from '../../bytes.ts'
import type { Clock, FetchInit, FetchResponse, Network, Platform } from '../../platform/index.ts'
import type { PackedIndex } from '../arbitraries/indexes.ts'
import { chunksOf, wholeBody } from './chunks.ts'
import { FakeClock } from './clock.ts'

/** A request as a registry received it. */
export interface RegistryRequest {
  readonly method: string
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array | undefined
}

/** A response of a registry. */
export interface RegistryReply {
  /** Default 200. */
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Uint8Array | AsyncIterable<Uint8Array>
}

/** Answers a request in place of the registry; `undefined` leaves it to the registry. */
export type RegistryAnswer = (
  request: RegistryRequest,
) => RegistryReply | undefined | Promise<RegistryReply | undefined>

/** A manifest or an index of a registry. */
export interface RegistryDocument {
  readonly type: string
  readonly bytes: Uint8Array
}

/** What a descriptor says of a stored blob. */
export interface RegistryBlob {
  readonly mediaType: string
  readonly digest: string
  readonly size: number
}

const IMAGE = 'application/vnd.oci.image'
const INDEX_TYPE = `${IMAGE}.index.v1+json`

interface AnyManifest {
  readonly mediaType?: string
  readonly artifactType?: string
  readonly config?: { readonly mediaType?: string }
  readonly subject?: { readonly digest: string }
  readonly annotations?: Readonly<Record<string, string>>
  readonly manifests?: readonly (RegistryBlob & AnyManifest)[]
}

/**
 * A registry in memory for `docker://HOST/REPOSITORY:TAG` with any host.
 *
 * ```ts
 * const registry = new MemoryRegistry(platform)
 * registry.putLayout('example/app', await packImage(platform, image, { tag: 'latest' }))
 * const options = { registry: { network: registry.network } }
 * await pullImage(repo, 'ostree-unverified-registry:localhost/example/app:latest', options)
 * ```
 *
 * It has pulls by tag and digest, ranges, uploads in one piece or several, tags, and referrers. All repositories share
 * their blobs. It asks for no credentials; `answer` changes any of its responses.
 */
export class MemoryRegistry {
  /** The requests so far. */
  readonly seen: RegistryRequest[] = []
  /** Manifests and indexes by `REPOSITORY:TAG` and by digest. */
  readonly manifests: Map<string, RegistryDocument> = new Map()
  /** Blobs by digest. */
  readonly blobs: Map<string, Uint8Array> = new Map()
  /** Uploads that have not ended, by path. */
  readonly uploads: Map<string, Uint8Array> = new Map()
  /** Called first for each request. */
  answer: RegistryAnswer = () => undefined
  /** Whether ranges of blobs can be requested. */
  ranges = true
  /** Whether it lists referrers. Without, clients keep an index with a fallback tag for them. */
  referrers = true
  /** A network where every server is this registry. */
  readonly network: Network
  #uploads = 0
  readonly #platform: Platform

  /** @param platform computes digests. @param clock that of `network`. Default: a new `FakeClock` */
  constructor(platform: Platform, clock: Clock = new FakeClock()) {
    this.#platform = platform
    this.network = { fetch: (url, init) => this.#fetch(url, init), clock }
  }

  /** Returns the SHA-256 digest of bytes: `sha256:` and 64 hexadecimal digits. */
  digest(bytes: Uint8Array): string {
    return `sha256:${this.#platform.sha256(bytes)}`
  }

  /** Stores a blob. */
  put(bytes: Uint8Array, mediaType: string): RegistryBlob {
    const digest = this.digest(bytes)
    this.blobs.set(digest, bytes)
    return { mediaType, digest, size: bytes.length }
  }

  /** Stores a manifest. @param names `REPOSITORY:TAG`, any number. @returns its digest, which is also a name of it */
  putManifest(names: readonly string[], value: object, type: string): string {
    const bytes = json(value)
    const digest = this.digest(bytes)
    for (const name of [...names, digest]) this.manifests.set(name, { type, bytes })
    return digest
  }

  /** Stores all images of an OCI layout, such as the result of `buildImage`, under the tags of its index. */
  putLayout(repository: string, files: ReadonlyMap<string, Uint8Array>): void {
    const blobOf = (digest: string) => files.get(`blobs/${digest.replace(':', '/')}`)
    for (const [path, bytes] of files) {
      const [, algorithm, hex] = /^blobs\/([^/]+)\/([^/]+)$/.exec(path) ?? []
      if (hex !== undefined) this.blobs.set(`${algorithm}:${hex}`, bytes)
    }
    const add = ({ manifests = [] }: AnyManifest): void => {
      for (const { digest, mediaType, annotations } of manifests) {
        const bytes = blobOf(digest)
        if (bytes === undefined) continue
        const tag = annotations?.['org.opencontainers.image.ref.name']
        for (const name of tag === undefined ? [digest] : [digest, `${repository}:${tag}`])
          this.manifests.set(name, { type: mediaType, bytes })
        if (mediaType === INDEX_TYPE) add(parse(bytes))
      }
    }
    add(parse(files.get('index.json') ?? json({})))
  }

  /** Stores an index under a tag, with its images, artifacts and blobs. */
  putIndex(repository: string, { index, entries, artifacts, blobs }: PackedIndex, tag: string): void {
    for (const [digest, bytes] of blobs) this.blobs.set(digest, bytes)
    for (const { digest, mediaType: type, bytes } of [...entries, ...artifacts, index])
      this.manifests.set(digest, { type, bytes })
    this.manifests.set(`${repository}:${tag}`, { type: index.mediaType, bytes: index.bytes })
  }

  /** Returns the requests with a method and a part of the URL. */
  requests(method: string, part = ''): RegistryRequest[] {
    return this.seen.filter((seen) => seen.method === method && seen.url.includes(part))
  }

  async #fetch(url: string, init: FetchInit): Promise<FetchResponse> {
    init.signal?.throwIfAborted()
    const seen = { method: init.method, url, headers: init.headers, body: await wholeBody(init.body) }
    this.seen.push(seen)
    const { status = 200, headers = {}, body } = (await this.answer(seen)) ?? this.#answer(seen)
    const given = new Headers(headers)
    if (body instanceof Uint8Array && !given.has('content-length')) given.set('content-length', String(body.length))
    if (body === undefined || seen.method === 'HEAD') return { status, headers: given, body: null }
    return { status, headers: given, body: body instanceof Uint8Array ? chunksOf(body) : body }
  }

  #answer({ method, url, headers, body }: RegistryRequest): RegistryReply {
    const { pathname, searchParams } = new URL(url)
    if (pathname === '/v2/') return { body: json({}) }
    const blob = /\/blobs\/(sha(?:256|384|512):[0-9a-f]+)$/.exec(pathname)?.[1]
    if (blob !== undefined) return this.#blob(blob, method, headers['range'])
    const [, repository = '', kind, name = ''] =
      /^\/v2\/(.+)\/(manifests|referrers|tags)\/([^/]+)$/.exec(pathname) ?? []
    if (kind === 'manifests') return this.#manifest(method, repository, name, headers['content-type'] ?? '', body)
    if (kind === 'referrers' && this.referrers) return this.#referrers(name)
    if (kind === 'tags' && name === 'list') return { body: json({ name: repository, tags: this.#tags(repository) }) }
    return this.#upload(method, pathname, searchParams, body)
  }

  #manifest(method: string, repository: string, name: string, type: string, body: Uint8Array | undefined) {
    if (method === 'PUT' && body !== undefined) {
      const isDigest = name.includes(':')
      if (isDigest && name !== this.#digestLike(name, body)) {
        return registryFailure(400, 'DIGEST_INVALID', 'digest invalid')
      }
      const digest = isDigest ? name : this.digest(body)
      for (const key of name === digest ? [digest] : [digest, `${repository}:${name}`])
        this.manifests.set(key, { type, bytes: body })
      const { subject } = parse(body)
      const location = `/v2/${repository}/manifests/${digest}`
      const headers = {
        location,
        'docker-content-digest': digest,
        ...(subject && this.referrers && { 'oci-subject': subject.digest }),
      }
      return { status: 201, headers }
    }
    const found = this.manifests.get(name) ?? this.manifests.get(`${repository}:${name}`)
    if (found === undefined) return registryFailure(404, 'MANIFEST_UNKNOWN', 'manifest unknown')
    const digest = name.includes(':') ? name : this.digest(found.bytes)
    const headers = { 'content-type': found.type, 'docker-content-digest': digest }
    return { headers, body: found.bytes }
  }

  #referrers(digest: string): RegistryReply {
    const manifests = [...this.manifests].flatMap(([name, { type, bytes }]) => {
      const { subject, artifactType, config, annotations } = parse(bytes)
      if (!/^sha\d+:/.test(name) || subject?.digest !== digest) return []
      return [
        {
          mediaType: type,
          digest: name,
          size: bytes.length,
          artifactType: artifactType ?? config?.mediaType,
          annotations,
        },
      ]
    })
    return {
      headers: { 'content-type': INDEX_TYPE },
      body: json({ schemaVersion: 2, mediaType: INDEX_TYPE, manifests }),
    }
  }

  #tags(repository: string): string[] {
    return [...this.manifests.keys()].flatMap((name) =>
      name.startsWith(`${repository}:`) ? [name.slice(repository.length + 1)] : [],
    )
  }

  #blob(digest: string, method: string, range: string | undefined): RegistryReply {
    const bytes = this.blobs.get(digest)
    if (bytes === undefined) return registryFailure(404, 'BLOB_UNKNOWN', 'blob unknown')
    const headers = { 'docker-content-digest': digest, 'content-length': String(bytes.length) }
    if (method === 'HEAD') return { headers }
    const start = Number(/^bytes=(\d+)-$/.exec(range ?? '')?.[1] ?? 0)
    if (!this.ranges || start === 0) return { headers, body: bytes }
    const contentRange = `bytes ${start}-${bytes.length - 1}/${bytes.length}`
    return { status: 206, headers: { 'content-range': contentRange }, body: bytes.subarray(start) }
  }

  #upload(method: string, pathname: string, search: URLSearchParams, body: Uint8Array | undefined): RegistryReply {
    if (method === 'POST') {
      const location = `${pathname}${++this.#uploads}`
      this.uploads.set(location, new Uint8Array())
      return { status: 202, headers: { location } }
    }
    const before = this.uploads.get(pathname)
    if (before === undefined) return registryFailure(404, 'BLOB_UPLOAD_UNKNOWN', 'blob upload unknown')
    const bytes = concatBytes([before, body ?? new Uint8Array()])
    this.uploads.set(pathname, bytes)
    const headers = { location: pathname, range: `0-${Math.max(0, bytes.length - 1)}` }
    if (method === 'GET') return { status: 204, headers }
    if (method === 'DELETE') return { status: this.uploads.delete(pathname) ? 204 : 404 }
    if (method === 'PATCH') return { status: 202, headers }
    const digest = search.get('digest') ?? ''
    if (digest !== this.#digestLike(digest, bytes)) return registryFailure(400, 'DIGEST_INVALID', 'digest invalid')
    this.blobs.set(digest, bytes)
    this.uploads.delete(pathname)
    const location = `${pathname.slice(0, pathname.lastIndexOf('uploads/'))}${digest}`
    return { status: 201, headers: { location, 'docker-content-digest': digest } }
  }

  /** Computes the digest of bytes with the algorithm of another digest; `undefined` for an unknown one. */
  #digestLike(digest: string, bytes: Uint8Array): string | undefined {
    if (digest.startsWith('sha384:')) return `sha384:${toHex(sha384(bytes))}`
    if (digest.startsWith('sha512:')) return `sha512:${toHex(sha512(bytes))}`
    return digest.startsWith('sha256:') ? this.digest(bytes) : undefined
  }
}

/** Makes an error response as registries send it. */
export function registryFailure(status: number, code: string, message: string): RegistryReply {
  return { status, body: json({ errors: [{ code, message }] }) }
}

function json(value: object): Uint8Array {
  return encodeUtf8(JSON.stringify(value))
}

/** Parses a manifest. What is not an object has no members. */
function parse(bytes: Uint8Array): AnyManifest {
  try {
    const value: unknown = JSON.parse(decodeUtf8(bytes) ?? '')
    return typeof value === 'object' && value !== null ? (value as AnyManifest) : {}
  } catch {
    return {}
  }
}
