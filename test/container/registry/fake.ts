/** A registry without a network, whose faults a test defines, and a clock that advances when nothing else happens. */
import { hash } from 'node:crypto'
import { concatBytes, encodeUtf8 } from '../../../src/bytes.ts'
import type { RegistryOptions } from '../../../src/container/registry/options.ts'
import type { Clock, FetchInit, FetchResponse, Platform } from '../../../src/platform/index.ts'

export interface Seen {
  readonly method: string
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array | undefined
}

export interface Reply {
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Uint8Array | AsyncIterable<Uint8Array>
}

export type Handler = (seen: Seen) => Reply | undefined | Promise<Reply | undefined>

/** A clock that jumps to the earliest timer when all other work waits. */
export class FakeClock implements Clock {
  #now = Date.UTC(2030, 0, 1)
  readonly #timers = new Set<{ at: number; callback: () => void }>()
  chance = 0.5

  now(): number {
    return this.#now
  }

  random(): number {
    return this.chance
  }

  after(milliseconds: number, callback: () => void): () => void {
    const timer = { at: this.#now + milliseconds, callback }
    this.#timers.add(timer)
    setTimeout(() => this.#pass(), 0)
    return () => this.#timers.delete(timer)
  }

  /** Advances the time. */
  pass(milliseconds: number): void {
    this.#now += milliseconds
  }

  #pass(): void {
    let next: { at: number; callback: () => void } | undefined
    for (const timer of this.#timers) if (next === undefined || timer.at < next.at) next = timer
    if (next === undefined) return
    this.#timers.delete(next)
    this.#now = Math.max(this.#now, next.at)
    next.callback()
  }
}

const text = (value: unknown) => encodeUtf8(JSON.stringify(value))

export class FakeRegistry {
  readonly clock = new FakeClock()
  readonly seen: Seen[] = []
  /** Manifests by `repository:tag` and by digest. */
  readonly manifests = new Map<string, { type: string; bytes: Uint8Array }>()
  readonly blobs = new Map<string, Uint8Array>()
  readonly uploads = new Map<string, Uint8Array>()
  /** Called first for each request; `undefined` gives the correct answer. */
  fault: Handler = () => undefined
  ranges = true
  #uploads = 0
  readonly #platform: Platform

  constructor(platform: Platform) {
    this.#platform = platform
  }

  options(more: Partial<RegistryOptions> = {}): RegistryOptions {
    return { network: { fetch: (url, init) => this.#fetch(url, init), clock: this.clock }, ...more }
  }

  digest(bytes: Uint8Array): string {
    return `sha256:${this.#platform.sha256(bytes)}`
  }

  /** Stores a blob. @returns its descriptor */
  put(bytes: Uint8Array, mediaType: string): { mediaType: string; digest: string; size: number } {
    const digest = this.digest(bytes)
    this.blobs.set(digest, bytes)
    return { mediaType, digest, size: bytes.length }
  }

  putManifest(names: string[], value: object, type: string): string {
    const bytes = text(value)
    const digest = this.digest(bytes)
    for (const name of [...names, digest]) this.manifests.set(name, { type, bytes })
    return digest
  }

  /** Stores an image of one layer. @returns the digests of manifest, layer and config */
  putImage(name: string, layer: Uint8Array): { manifest: string; layer: string; config: string } {
    const type = 'application/vnd.oci.image'
    const stored = this.put(layer, `${type}.layer.v1.tar`)
    const rootfs = { type: 'layers', diff_ids: [stored.digest] }
    const config = this.put(text({ architecture: 'amd64', os: 'linux', rootfs }), `${type}.config.v1+json`)
    const mediaType = `${type}.manifest.v1+json`
    const manifest = this.putManifest([name], { schemaVersion: 2, mediaType, config, layers: [stored] }, mediaType)
    return { manifest, layer: stored.digest, config: config.digest }
  }

  requests(method: string, part = ''): Seen[] {
    return this.seen.filter((seen) => seen.method === method && seen.url.includes(part))
  }

  async #fetch(url: string, init: FetchInit): Promise<FetchResponse> {
    init.signal?.throwIfAborted()
    const seen = { method: init.method, url, headers: init.headers, body: await whole(init.body) }
    this.seen.push(seen)
    const reply = (await this.fault(seen)) ?? this.#answer(seen)
    const { status = 200, headers = {}, body } = reply
    const given = new Headers(headers)
    if (body instanceof Uint8Array && !given.has('content-length')) given.set('content-length', String(body.length))
    return {
      status,
      headers: given,
      body: body === undefined ? null : body instanceof Uint8Array ? chunks(body) : body,
    }
  }

  #answer({ method, url, headers, body }: Seen): Reply {
    const { pathname, searchParams } = new URL(url)
    if (pathname === '/v2/') return {}
    const blob = /\/blobs\/(sha(?:256|384|512):[0-9a-f]+)$/.exec(pathname)?.[1]
    if (blob !== undefined) return this.#blob(blob, method, headers['range'])
    const [, repository = '', name = ''] = /^\/v2\/(.+)\/manifests\/(.+)$/.exec(pathname) ?? []
    if (name !== '' && method === 'PUT' && body !== undefined) {
      this.manifests.set(`${repository}:${name}`, { type: headers['content-type'] ?? '', bytes: body })
      return { status: 201 }
    }
    if (name !== '') {
      const found = this.manifests.get(name) ?? this.manifests.get(`${repository}:${name}`)
      if (found === undefined) return failure(404, 'MANIFEST_UNKNOWN', 'manifest unknown')
      return { headers: { 'content-type': found.type }, body: found.bytes }
    }
    return this.#upload(method, pathname, searchParams, body)
  }

  #blob(digest: string, method: string, range: string | undefined): Reply {
    const bytes = this.blobs.get(digest)
    if (bytes === undefined) return failure(404, 'BLOB_UNKNOWN', 'blob unknown')
    const start = Number(/^bytes=(\d+)-$/.exec(range ?? '')?.[1] ?? 0)
    if (method === 'HEAD') return { headers: { 'content-length': String(bytes.length) } }
    if (!this.ranges || start === 0) return { body: bytes }
    const contentRange = `bytes ${start}-${bytes.length - 1}/${bytes.length}`
    return { status: 206, headers: { 'content-range': contentRange }, body: bytes.subarray(start) }
  }

  #upload(method: string, pathname: string, search: URLSearchParams, body: Uint8Array | undefined): Reply {
    if (method === 'POST') {
      const location = `${pathname}${++this.#uploads}`
      this.uploads.set(location, new Uint8Array())
      return { status: 202, headers: { location } }
    }
    const before = this.uploads.get(pathname)
    if (before === undefined) return failure(404, 'BLOB_UPLOAD_UNKNOWN', 'blob upload unknown')
    const bytes = concatBytes([before, body ?? new Uint8Array()])
    this.uploads.set(pathname, bytes)
    const headers = { location: pathname, range: `0-${Math.max(0, bytes.length - 1)}` }
    if (method === 'GET') return { status: 204, headers }
    if (method === 'DELETE') return { status: this.uploads.delete(pathname) ? 204 : 404 }
    if (method === 'PATCH') return { status: 202, headers }
    const digest = search.get('digest') ?? ''
    const [algorithm = ''] = digest.split(':')
    if (!/^sha(256|384|512)$/.test(algorithm) || digest !== `${algorithm}:${hash(algorithm, bytes)}`) {
      return failure(400, 'DIGEST_INVALID', 'digest invalid')
    }
    this.blobs.set(digest, bytes)
    this.uploads.delete(pathname)
    return { status: 201 }
  }
}

export function failure(status: number, code: string, message: string): Reply {
  return { status, body: text({ errors: [{ code, message }] }) }
}

async function whole(body: FetchInit['body']): Promise<Uint8Array | undefined> {
  if (body === undefined || body instanceof Uint8Array) return body?.slice()
  const parts: Uint8Array[] = []
  for await (const chunk of body) parts.push(chunk.slice())
  return concatBytes(parts)
}

export async function* chunks(bytes: Uint8Array, step = 1000): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += step) yield bytes.slice(at, at + step)
}

/** Yields the bytes up to `at`, and then fails with the error of a broken connection. */
export async function* cut(bytes: Uint8Array, at: number): AsyncGenerator<Uint8Array> {
  yield* chunks(bytes.subarray(0, at))
  throw Object.assign(new Error('socket hang up'), { code: 'ECONNRESET' })
}

/** Yields the bytes up to `at`, and then waits for ever. */
export async function* stall(bytes: Uint8Array, at: number): AsyncGenerator<Uint8Array> {
  yield* chunks(bytes.subarray(0, at))
  await new Promise(() => {})
}

/** Yields bytes without end. */
export async function* endless(): AsyncGenerator<Uint8Array> {
  for (;;) yield new Uint8Array(1000)
}
