/**
 * Proxies between us and registries, as other programs of the field are told of them: `HTTPS_PROXY`, `HTTP_PROXY` and
 * `NO_PROXY` in the environment, or the same in lower case. The `fetch` of Node knows none before version 24.
 *
 *     https://host/…    CONNECT host:443 to the proxy, TLS with the host through that: the proxy sees names, no content
 *     http://host/…     asked of the proxy in place of the host
 *
 * Source: Go's golang.org/x/net/http/httpproxy, by whose rules skopeo goes; RFC 9110, 9.3.6.
 */
import { request as httpRequest } from 'node:http'
import { type AgentOptions, Agent as HttpsAgent, request as httpsRequest, type RequestOptions } from 'node:https'
import { BlockList, isIP, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { connect as tlsConnect } from 'node:tls'
import { InvalidNameError, IoError, UnsupportedError } from '../errors.ts'

/** Proxies by the protocol of the address. */
export interface ProxySettings {
  /** For `https:`: `http://user:password@host:port`, or `host:port`. */
  readonly https?: string | undefined
  /** For `http:`. */
  readonly http?: string | undefined
  /**
   * What goes without, with commas between: `*`, `example.com` and all below it, `.example.com` for those alone,
   * `10.1.2.3`, `10.0.0.0/8`; each may end with a `:port`.
   */
  readonly none?: string | undefined
}

/** Reads the proxies from the environment. */
export function proxiesOf(environment: Readonly<Record<string, string | undefined>>): ProxySettings {
  const read = (name: string) => environment[name] || environment[name.toLowerCase()] || undefined
  return { https: read('HTTPS_PROXY'), http: read('HTTP_PROXY'), none: read('NO_PROXY') }
}

/**
 * The proxy to ask, if any. This machine itself is always reached without.
 * @throws {InvalidNameError}, {UnsupportedError} for what no proxy can be made of
 */
export function proxyFor(url: URL, settings: ProxySettings): URL | undefined {
  const given = url.protocol === 'https:' ? settings.https : settings.http
  if (given === undefined || goesWithout(url, settings.none ?? '')) return undefined
  const text = given.includes('://') ? given : `http://${given}`
  let proxy: URL
  try {
    proxy = new URL(text)
  } catch {
    // What it says may hold a password.
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
  // An IPv6 address has colons of its own, and a port only behind brackets.
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

/** What a proxy that asks for a password is shown. */
export function proxyAuthorization({ username, password }: URL): Record<string, string> {
  if (username === '') return {}
  const credentials = Buffer.from(`${unescapeText(username)}:${unescapeText(password)}`)
  return { 'proxy-authorization': `Basic ${credentials.toString('base64')}` }
}

/** What is no escape sequence stays as it is. */
function unescapeText(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** Milliseconds a proxy may take for the way to a host. */
const PATIENCE = 60_000
/** Answers that another attempt would meet again. */
const REFUSALS: ReadonlySet<number | undefined> = new Set([400, 401, 403, 404, 405, 407, 501])

/** Speaks TLS with hosts through a proxy. */
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
      // Of the options of a request some are those of the connection; the declarations tell them apart.
      (socket) => done(null, tlsConnect({ ...(options as object), socket })),
      (error: Error) => done(error),
    )
  }
}

/** @throws {IoError} when the proxy refuses; other errors of the connection as they are */
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
