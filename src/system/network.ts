/**
 * The network over node:https, for what the global `fetch` does not offer: certificates to trust, client certificates
 * and proxies (proxy.ts). Bodies are not decoded.
 *
 *     DIRECTORY/*.crt                  authorities to trust beside those of the system
 *     DIRECTORY/NAME.cert, NAME.key    the client certificate and its key
 *
 * Source of the layout: containers-certs.d(5).
 */
import { readdirSync, readFileSync } from 'node:fs'
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import { join } from 'node:path'
import { finished } from 'node:stream/promises'
import { rootCertificates } from 'node:tls'
import { IoError } from '../errors.ts'
import {
  type FetchInit,
  type FetchResponse,
  type Network,
  type NetworkSettings,
  STREAM_CHUNK_BYTES,
  webClock,
} from '../platform/index.ts'
import { askCredentialHelper } from './credential-helper.ts'
import { withIo } from './errno.ts'
import { Pipelines } from './http/pipelines.ts'
import { type ProxySettings, parseProxy, proxiesOf, proxyAuthorization, proxyFor, TunnelAgent } from './proxy.ts'

export type { ProxySettings } from './proxy.ts'

/** Certificates and proxies of the network. */
export interface NodeNetworkOptions {
  /**
   * Holds certificates for all hosts. Default: for each host the directory HOST below the first of
   * `HOME/.config/containers/certs.d`, `/etc/containers/certs.d` and `/etc/docker/certs.d` that has one.
   */
  readonly certificateDirectory?: string | undefined
  /** Whether to use the certificates of container tools, see `certificateDirectory`. Default true. */
  readonly containerCertificates?: boolean | undefined
  /** Accepts every certificate. */
  readonly insecureSkipTlsVerification?: boolean | undefined
  /**
   * Environment variables to follow: `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`, also in lower case, and `HOME` for
   * certificates. Usually `process.env`. Default: none.
   */
  readonly environment?: Readonly<Record<string, string | undefined>> | undefined
  /**
   * Send several GET requests on one connection, for servers with many small files (http/pipelines.ts). Requests through a
   * proxy and others than GET are sent as usual. Default false.
   */
  readonly pipelining?: boolean | undefined
  /** Proxies to use. Default: those of `environment`. */
  readonly proxies?: ProxySettings | undefined
}

interface Certificates {
  readonly ca?: string[]
  readonly cert?: Buffer
  readonly key?: Buffer
}

/** Idle connections kept for later requests, per host. */
const MAX_IDLE = 8
/** Milliseconds until an idle connection is closed; servers close theirs after a minute or so. */
const IDLE_TIME = 15_000

/**
 * Returns a network over `node:https`. Connections are kept open for further requests; idle ones do not keep the
 * process alive.
 */
export function nodeNetwork(options: NodeNetworkOptions = {}): Network {
  return networkWith(options, undefined)
}

/** @param settings of a remote, in place of what `options` say about certificates and proxies */
function networkWith(options: NodeNetworkOptions, settings: NetworkSettings | undefined): Network {
  const own = settings && certificatesOf(settings)
  const keep = { keepAlive: true, maxFreeSockets: MAX_IDLE, timeout: IDLE_TIME }
  const http = new HttpAgent(keep)
  const agents = new Map<string, HttpsAgent>()
  const { environment = {} } = options
  const { proxies = proxiesOf(environment) } = options
  const tlsOf = (host: string): Certificates & { rejectUnauthorized: boolean } => {
    const rejectUnauthorized = (settings?.permissive ?? options.insecureSkipTlsVerification) !== true
    if (own !== undefined || options.containerCertificates === false) return { rejectUnauthorized, ...own }
    return { rejectUnauthorized, ...certificatesFor(host, options.certificateDirectory, environment['HOME']) }
  }
  const agentOf = (host: string, proxy: URL | undefined): HttpsAgent => {
    let agent = agents.get(host)
    if (agent === undefined) {
      agent =
        proxy === undefined
          ? new HttpsAgent({ ...keep, ...tlsOf(host) })
          : new TunnelAgent(proxy, { ...keep, ...tlsOf(host) })
      agents.set(host, agent)
    }
    return agent
  }
  const pipelines = new Map<string, Pipelines>()
  const pipelinesOf = (host: string): Pipelines => {
    let known = pipelines.get(host)
    if (known === undefined) {
      known = new Pipelines(tlsOf(host))
      pipelines.set(host, known)
    }
    return known
  }
  return {
    clock: webClock,
    credentialHelper: askCredentialHelper,
    configure: (changed) => networkWith(options, changed),
    fetch: async (url, init) => {
      const place = new URL(url)
      const proxy = settings?.proxy === undefined ? proxyFor(place, proxies) : parseProxy(settings.proxy)
      if (options.pipelining === true && init.method === 'GET' && init.body === undefined && proxy === undefined) {
        return await pipelinesOf(place.host).get(place, init.headers, init.signal)
      }
      if (place.protocol === 'https:') return await ask(url, init, agentOf(place.host, proxy))
      return await ask(url, init, proxy?.protocol === 'https:' ? agentOf(proxy.host, undefined) : http, proxy)
    },
  }
}

/** Sends one request. @param proxy receives it, with the whole URL, in place of the host */
function ask(url: string, init: FetchInit, agent: HttpAgent, proxy?: URL): Promise<FetchResponse> {
  const { method, body, signal } = init
  const length = body instanceof Uint8Array ? { 'content-length': String(body.length) } : {}
  const viaProxy = proxy === undefined ? {} : { host: new URL(url).host, ...proxyAuthorization(proxy) }
  const settings = {
    method,
    headers: { ...init.headers, ...length, ...viaProxy },
    agent,
    ...(proxy === undefined ? {} : { path: url }),
    ...(signal === undefined ? {} : { signal }),
  }
  return new Promise((resolve, reject) => {
    const target = proxy ?? new URL(url)
    const request = (target.protocol === 'https:' ? httpsRequest : httpRequest)(target, settings)
    request.on('response', (message) => resolve(responseOf(message)))
    request.on('error', reject)
    // A response may arrive before the request was sent whole. Sending the rest fails then, which does not matter.
    if (body === undefined || body instanceof Uint8Array) request.end(body)
    else send(body, request).catch((error) => request.destroy(error))
  })
}

async function send(body: AsyncIterable<Uint8Array>, request: ReturnType<typeof httpRequest>): Promise<void> {
  for await (const chunk of body) {
    if (request.destroyed) return
    // A copy, because the caller may reuse the chunk's memory before it is sent.
    const pending = request.write(new Uint8Array(chunk))
    if (!pending) await new Promise<void>((resolve) => drained(request, resolve))
  }
  request.end()
}

function drained(request: ReturnType<typeof httpRequest>, resolve: () => void): void {
  const done = () => {
    request.off('drain', done)
    request.off('close', done)
    resolve()
  }
  request.on('drain', done)
  request.on('close', done)
}

function responseOf(message: IncomingMessage): FetchResponse {
  // Without a listener, an error while the body is not being read would end the process.
  message.on('error', () => {})
  return {
    status: message.statusCode ?? 0,
    headers: {
      get(name) {
        const value = message.headers[name.toLowerCase()]
        return (Array.isArray(value) ? value.join(', ') : value) ?? null
      },
    },
    body: chunksOf(message),
  }
}

/**
 * Streams a body. Each chunk holds all bytes that arrived since the previous one: few when the network is slower than
 * the reader, many when it is faster. Few large chunks save a sixth of the processor time of a pull.
 */
async function* chunksOf(message: IncomingMessage): AsyncGenerator<Uint8Array, void, undefined> {
  let parts: Buffer[] = []
  let size = 0
  let ended = false
  let failure: { error: unknown } | undefined
  let wake = () => {}
  message.on('data', (part: Buffer) => {
    parts.push(part)
    size += part.length
    if (size >= STREAM_CHUNK_BYTES) message.pause()
    wake()
  })
  finished(message, { writable: false })
    .then(
      () => {
        ended = true
      },
      (error) => {
        failure = { error }
      },
    )
    .finally(() => wake())
  try {
    for (;;) {
      if (size > 0) {
        const chunk = parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts, size)
        parts = []
        size = 0
        message.resume()
        yield chunk
      } else if (failure !== undefined) {
        throw failure.error
      } else if (ended) {
        return
      } else {
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      }
    }
  } finally {
    if (!ended) message.destroy()
  }
}

/** Reads the certificates of a remote. @throws {IoError} when a file cannot be read */
function certificatesOf({ authorities, clientCertificate, clientKey }: NetworkSettings): Certificates {
  const read = (path: string) => withIo(path, () => readFileSync(path))
  return {
    ...(authorities !== undefined && { ca: [read(authorities).toString('latin1')] }),
    ...(clientCertificate !== undefined && { cert: read(clientCertificate) }),
    ...(clientKey !== undefined && { key: read(clientKey) }),
  }
}

const HOST_DIRECTORIES = ['/etc/containers/certs.d', '/etc/docker/certs.d']

function certificatesFor(host: string, directory: string | undefined, home: string | undefined): Certificates {
  if (directory !== undefined) return withIo(directory, () => readCertificates(directory, readdirSync(directory)))
  const own = home === undefined ? [] : [join(home, '.config/containers/certs.d')]
  for (const parent of [...own, ...HOST_DIRECTORIES]) {
    const path = join(parent, host)
    const names = tryList(path)
    if (names !== undefined) return withIo(path, () => readCertificates(path, names))
  }
  return {}
}

function tryList(path: string): string[] | undefined {
  try {
    return readdirSync(path)
  } catch {
    return undefined // the file does not exist or may not be read
  }
}

/** Reads the certificates of a directory. @throws {IoError} for a client certificate without its key */
function readCertificates(directory: string, names: readonly string[]): Certificates {
  const read = (name: string) => readFileSync(join(directory, name))
  const authorities = names.filter((name) => name.endsWith('.crt')).map((name) => read(name).toString('latin1'))
  const client = names.find((name) => name.endsWith('.cert'))
  const key = client?.replace(/\.cert$/, '.key')
  if (key !== undefined && !names.includes(key)) {
    const path = join(directory, key)
    throw new IoError(`missing key ${key} for client certificate ${client}`, 'ENOENT', path)
  }
  return {
    ...(authorities.length === 0 ? {} : { ca: [...rootCertificates, ...authorities] }),
    ...(client === undefined || key === undefined ? {} : { cert: read(client), key: read(key) }),
  }
}
