/**
 * HTTP proxies, configured as for other container tools: by `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` in the
 * environment, or the same names in lower case. The `fetch` of Node ignores them before version 24.
 *
 *     https://host/…    CONNECT host:443 to the proxy, then TLS with the host: the proxy sees names but not content
 *     http://host/…     the whole request goes to the proxy in place of the host
 *
 * Source: Go's golang.org/x/net/http/httpproxy, which skopeo uses; RFC 9110, section 9.3.6.
 */
import { request as httpRequest } from 'node:http'
import { type AgentOptions, Agent as HttpsAgent, request as httpsRequest, type RequestOptions } from 'node:https'
import { BlockList, isIP, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { connect as tlsConnect } from 'node:tls'
import { InvalidNameError, IoError, UnsupportedError } from '../errors.ts'

/** Proxies by the protocol of the address. */
export interface ProxySettings {
  /** Proxy for `https:` addresses: `http://user:password@host:port`, or `host:port`. */
  readonly https?: string | undefined
  /** Proxy for `http:` addresses, in the same form. */
  readonly http?: string | undefined
  /**
   * Hosts that are reached without a proxy, separated by commas: `*` for all, `example.com` with its subdomains,
   * `.example.com` for its subdomains only, `10.1.2.3`, `10.0.0.0/8`; each may end with a `:port`.
   */
  readonly none?: string | undefined
}

/** Reads the proxies from the environment. */
export function proxiesOf(environment: Readonly<Record<string, string | undefined>>): ProxySettings {
  const read = (name: string) => environment[name] || environment[name.toLowerCase()] || undefined
  return { https: read('HTTPS_PROXY'), http: read('HTTP_PROXY'), none: read('NO_PROXY') }
}

/**
 * Returns the proxy for an address, or `undefined`. The local machine is always reached without a proxy.
 * @throws {InvalidNameError} when the configured proxy is not a valid address
 * @throws {UnsupportedError} when its protocol is not supported
 */
export function proxyFor(url: URL, settings: ProxySettings): URL | undefined {
  const given = url.protocol === 'https:' ? settings.https : settings.http
  if (given === undefined || goesWithout(url, settings.none ?? '')) return undefined
  return parseProxy(given)
}

/**
 * Parses the address of a proxy.
 * @throws {InvalidNameError} when it is not a valid address
 * @throws {UnsupportedError} when its protocol is not supported
 */
export function parseProxy(given: string): URL {
  const text = given.includes('://') ? given : `http://${given}`
  let proxy: URL
  try {
    proxy = new URL(text)
  } catch {
    // The text is not quoted, because it may contain a password.
    throw new InvalidNameError('proxy', 'Invalid proxy: not a URL')
  }
  if (proxy.protocol === 'http:' || proxy.protocol === 'https:') return proxy
  throw new UnsupportedError('proxy', `Proxies of kind ${proxy.protocol} are not supported; http: and https: are`)
}

function goesWithout({ hostname, port, protocol }: URL, none: string): boolean {
  const host = hostname.toLowerCase().replace(/^\[(.*)\]$/, '$1')
  const at = port || (protocol === 'https:' ? '443' : '80')
  if (host === 'localhost' || (isIP(host) === 4 && host.startsWith('127.')) || host === '::1') return true
  return none.split(',').some((rule) => matches(rule.trim().toLowerCase(), host, at))
}

function matches(rule: string, host: string, port: string): boolean {
  if (rule === '') return false
  if (rule === '*') return true
  const [, subnet = '', prefix = ''] = /^([0-9a-f.:]+)\/(\d{1,3})$/.exec(rule) ?? []
  if (isIP(subnet) > 0) return isWithin(host, subnet, Number(prefix))
  // An IPv6 address contains colons; a port follows it only after brackets.
  const [, name = rule, wanted = ''] = isIP(rule) === 6 ? [] : (/^\[?(.*?)\]?(?::(\d+))?$/.exec(rule) ?? [])
  if (wanted !== '' && wanted !== port) return false
  if (isIP(name) > 0) return host === name
  const below = name.replace(/^\*\./, '.')
  return below.startsWith('.') ? host.endsWith(below) : host === below || host.endsWith(`.${below}`)
}

function isWithin(host: string, subnet: string, prefix: number): boolean {
  const family = isIP(subnet)
  if (isIP(host) !== family || prefix > (family === 4 ? 32 : 128)) return false
  const kind = family === 4 ? 'ipv4' : 'ipv6'
  const list = new BlockList()
  list.addSubnet(subnet, prefix, kind)
  return list.check(host, kind)
}

/** Returns the header that authenticates with the proxy. */
export function proxyAuthorization({ username, password }: URL): Record<string, string> {
  if (username === '') return {}
  const credentials = Buffer.from(`${unescapeText(username)}:${unescapeText(password)}`)
  return { 'proxy-authorization': `Basic ${credentials.toString('base64')}` }
}

/** Decodes percent escapes. Text that is not a valid escape sequence is kept. */
function unescapeText(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** Milliseconds until a proxy must have connected to a host. */
const PATIENCE = 60_000
/** Status codes not worth retrying. */
const REFUSALS: ReadonlySet<number | undefined> = new Set([400, 401, 403, 404, 405, 407, 501])

/** An agent whose connections are TLS connections to hosts, through a proxy. */
export class TunnelAgent extends HttpsAgent {
  readonly #proxy: URL

  constructor(proxy: URL, options: AgentOptions) {
    super(options)
    this.#proxy = proxy
  }

  override createConnection(
    options: RequestOptions,
    callback?: (error: Error | null, stream: Duplex) => void,
  ): undefined {
    const { host, port } = options
    const done = callback as (error: Error | null, stream?: Duplex) => void
    openTunnel(this.#proxy, `${isIP(host ?? '') === 6 ? `[${host}]` : host}:${port}`).then(
      // Some options of a request belong to the connection; the type declarations separate the two.
      (socket) => done(null, tlsConnect({ ...(options as object), socket })),
      (error: Error) => done(error),
    )
  }
}

/** Opens a tunnel. @throws {IoError} when the proxy refuses. Other errors of the connection are thrown unchanged */
function openTunnel(proxy: URL, target: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const ask = proxy.protocol === 'https:' ? httpsRequest : httpRequest
    const request = ask(proxy, {
      method: 'CONNECT',
      path: target,
      headers: { host: target, ...proxyAuthorization(proxy) },
      agent: false,
      timeout: PATIENCE,
    })
    const refused = (status: number | undefined) => {
      const message = `proxy ${proxy.host} answers ${status} for ${target}`
      reject(REFUSALS.has(status) ? new IoError(message, 'ECONNREFUSED') : new Error(message))
    }
    request.on('connect', ({ statusCode }, socket, head) => {
      if (statusCode === 200 && head.length === 0) {
        socket.setTimeout(0)
        resolve(socket)
        return
      }
      socket.destroy()
      refused(statusCode)
    })
    request.on('response', (answer) => {
      answer.resume()
      refused(answer.statusCode)
    })
    request.on('timeout', () => request.destroy(new Error(`proxy ${proxy.host} does not answer`)))
    request.on('error', reject)
    request.end()
  })
}
