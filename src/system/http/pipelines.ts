/**
 * GET requests over a few connections to each server, several on one connection at a time: the next request is sent
 * before the response to the previous one has arrived (pipelining). For thousands of small files this takes a fraction of
 * the system calls and processor time of node:http.
 *
 * ```
 * connection 1   request 1, 2, 3, 4 ─▶   ◀─ response 1, 2, 3, 4, in this order
 * connection 2   request 5, 6, 7, 8 ─▶
 * ```
 *
 * The first request of a connection is sent alone. When a connection ends, requests whose response had not begun are sent
 * again on another one, which is safe for GET; from then on the server gets one request at a time on each connection.
 *
 * Source: RFC 9112, section 9.3.2.
 */

import { connect as connectTcp, type Socket } from 'node:net'
import { type ConnectionOptions, connect as connectTls } from 'node:tls'
import { InvalidNameError } from '../../errors.ts'
import { type FetchResponse, STREAM_CHUNK_BYTES } from '../../platform/index.ts'
import { type ResponseHead, ResponseParser } from './response-parser.ts'

/** Requests on one connection at the same time. */
const DEPTH = 4
/** Connections to one server. */
const CONNECTIONS = 8
/** Milliseconds until an idle connection is closed; servers close theirs after a few seconds or more. */
const IDLE_TIME = 4000
/**
 * Bytes of a body that may take long: nothing is sent behind it, and what has been sent is sent again on another
 * connection, so that it does not wait for it.
 */
const LARGE = 64 * 1024

interface Pending {
  readonly text: string
  readonly signal: AbortSignal | undefined
  resolve(response: FetchResponse): void
  reject(error: unknown): void
  /** Times that it was sent. */
  attempts: number
  /** It was aborted before its response began, which is passed over. */
  dropped: boolean
}

/** Sends GET requests. */
export class Pipelines {
  readonly #tls: ConnectionOptions
  readonly #servers = new Map<string, Server>()

  /** @param tls certificates for `https:` */
  constructor(tls: ConnectionOptions) {
    this.#tls = tls
  }

  /** Sends a request. Redirects are returned. @throws as `Fetch` */
  get(url: URL, headers: Readonly<Record<string, string>>, signal: AbortSignal | undefined): Promise<FetchResponse> {
    let server = this.#servers.get(url.origin)
    if (server === undefined) {
      server = new Server(url, this.#tls)
      this.#servers.set(url.origin, server)
    }
    return server.get(requestText(url, headers), signal)
  }
}

function requestText(url: URL, headers: Readonly<Record<string, string>>): string {
  let text = `GET ${url.pathname}${url.search} HTTP/1.1\r\nhost: ${url.host}\r\n`
  for (const name in headers) {
    const value = headers[name] as string
    if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name) || /[^\t\x20-\x7e\x80-\xff]/.test(value)) {
      throw new InvalidNameError(name, `Invalid character in header ${JSON.stringify(name)}`)
    }
    text += `${name}: ${value}\r\n`
  }
  return `${text}\r\n`
}

class Server {
  readonly #url: URL
  readonly #tls: ConnectionOptions
  readonly #connections = new Set<Connection>()
  readonly #waiting: Pending[] = []
  /** Requests on one connection: 1 once pipelining has failed. */
  depth = DEPTH

  constructor(url: URL, tls: ConnectionOptions) {
    this.#url = url
    this.#tls = tls
  }

  get(text: string, signal: AbortSignal | undefined): Promise<FetchResponse> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason)
      this.send({ text, signal, resolve, reject, attempts: 0, dropped: false })
    })
  }

  send(pending: Pending): void {
    const connection = this.#choose()
    if (connection === undefined) this.#waiting.push(pending)
    else connection.send(pending)
  }

  /** Chooses the fullest connection that takes another request, so that requests share system calls. */
  #choose(): Connection | undefined {
    let best: Connection | undefined
    for (const connection of this.#connections) {
      if (connection.room > 0 && (best === undefined || connection.load > best.load)) best = connection
    }
    if (best !== undefined || this.#connections.size >= CONNECTIONS) return best
    const made = new Connection(this, this.#connect())
    this.#connections.add(made)
    return made
  }

  #connect(): Socket {
    const { protocol, hostname, port } = this.#url
    const host = hostname.replace(/^\[(.*)\]$/, '$1')
    if (protocol === 'http:') return connectTcp({ host, port: Number(port || 80), noDelay: true })
    const servername = /^[\d.]+$|:/.test(host) ? '' : host
    return connectTls({ ...this.#tls, host, port: Number(port || 443), servername, ALPNProtocols: ['http/1.1'] })
  }

  /** Called when a connection can take another request. */
  next(): void {
    while (this.#waiting.length > 0) {
      const connection = this.#choose()
      if (connection === undefined) return
      const pending = this.#waiting.shift() as Pending
      if (pending.signal?.aborted) pending.reject(pending.signal.reason)
      else connection.send(pending)
    }
  }

  /** Called when a connection has ended. @param unanswered requests to which no response had begun */
  ended(connection: Connection, unanswered: readonly Pending[], error: unknown): void {
    this.#connections.delete(connection)
    if (unanswered.length > 1) this.depth = 1
    for (const pending of unanswered) {
      if (pending.dropped) continue
      // A server may close a connection while a request is on its way; another connection has to show whether it does.
      if (connection.answered > 0 && pending.attempts <= 2) this.send(pending)
      else pending.reject(error)
    }
    this.next()
  }
}

class Connection {
  /** Responses that have come whole. */
  answered = 0
  readonly #server: Server
  readonly #socket: Socket
  /** Requests that were sent and whose response has not ended, in order. */
  readonly #sent: Pending[] = []
  readonly #parser: ResponseParser
  #body: IncomingBody | undefined
  #closing = false
  #corked = false
  readonly #aborts = new Map<Pending, () => void>()

  constructor(server: Server, socket: Socket) {
    this.#server = server
    this.#socket = socket
    this.#parser = new ResponseParser({
      head: (head) => this.#head(head),
      data: (bytes) => this.#body?.push(bytes),
      end: () => this.#end(),
    })
    socket.on('data', (chunk: Buffer) => {
      try {
        this.#parser.push(chunk)
      } catch (error) {
        this.destroy(error)
      }
    })
    socket.on('error', (error) => this.#ended(error))
    socket.on('close', () => this.#ended(Object.assign(new Error('the connection was closed'), { code: 'ECONNRESET' })))
    socket.on('timeout', () => {
      if (this.#sent.length === 0) this.destroy(undefined)
    })
  }

  /** Requests that the connection can take now. */
  get room(): number {
    if (this.#closing || this.#body?.isLarge) return 0
    return (this.answered === 0 ? 1 : this.#server.depth) - this.#sent.length
  }

  get load(): number {
    return this.#sent.length
  }

  send(pending: Pending): void {
    pending.attempts++
    if (this.#sent.length === 0) {
      this.#socket.ref()
      this.#socket.setTimeout(0)
    }
    this.#sent.push(pending)
    if (pending.signal !== undefined) {
      const abort = (): void => this.#abort(pending)
      pending.signal.addEventListener('abort', abort, { once: true })
      this.#aborts.set(pending, abort)
    }
    if (!this.#corked) {
      this.#corked = true
      this.#socket.cork()
      setImmediate(() => {
        this.#corked = false
        this.#socket.uncork()
      })
    }
    this.#socket.write(pending.text, 'latin1')
  }

  #abort(pending: Pending): void {
    this.#forget(pending)
    const at = this.#sent.indexOf(pending)
    if (at < 0) return
    if (at > 0) {
      // The response to another request is arriving, which is not to be disturbed.
      pending.dropped = true
      pending.reject(pending.signal?.reason)
      return
    }
    if (this.#body === undefined) {
      this.#sent.shift()
      pending.reject(pending.signal?.reason)
    }
    this.destroy(pending.signal?.reason)
  }

  #forget(pending: Pending): void {
    const abort = this.#aborts.get(pending)
    if (abort === undefined) return
    pending.signal?.removeEventListener('abort', abort)
    this.#aborts.delete(pending)
  }

  #head({ status, headers, persistent }: ResponseHead): void {
    const pending = this.#sent[0]
    if (pending === undefined) throw new Error('a response to no request')
    if (!persistent) this.#closing = true
    const isLarge = Number(headers.get('content-length') ?? LARGE) >= LARGE
    if (isLarge && this.#sent.length > 1) this.#moveBehind()
    if (pending.dropped) {
      if (isLarge) this.destroy(undefined)
      return
    }
    this.#body = new IncomingBody(this.#socket, isLarge, () => this.destroy(undefined))
    pending.resolve({ status, headers: { get: (name) => headers.get(name.toLowerCase()) ?? null }, body: this.#body })
  }

  /** Sends the requests behind the current one on other connections. This one is closed after the current response. */
  #moveBehind(): void {
    this.#closing = true
    for (const pending of this.#sent.splice(1)) {
      this.#forget(pending)
      pending.attempts--
      if (!pending.dropped) this.#server.send(pending)
    }
  }

  #end(): void {
    this.#body?.end()
    this.#body = undefined
    this.answered++
    const pending = this.#sent.shift()
    if (pending !== undefined) this.#forget(pending)
    if (this.#closing) {
      this.destroy(undefined)
      return
    }
    if (this.#sent.length === 0) {
      this.#socket.unref()
      this.#socket.setTimeout(IDLE_TIME)
    }
    this.#server.next()
  }

  destroy(error: unknown): void {
    this.#ended(error ?? Object.assign(new Error('the connection was closed'), { code: 'ECONNRESET' }))
    this.#socket.destroy()
  }

  #gone = false

  #ended(error: unknown): void {
    if (this.#gone) return
    this.#gone = true
    this.#closing = true
    const body = this.#body
    this.#body = undefined
    for (const pending of [...this.#aborts.keys()]) this.#forget(pending)
    if (body !== undefined) {
      this.#sent.shift()
      if (this.#parser.mayEnd) body.end()
      else body.fail(error)
    }
    this.#server.ended(this, this.#sent.splice(0), error)
  }
}

/** A body that arrives. It can be iterated once. */
class IncomingBody implements AsyncIterable<Uint8Array>, AsyncIterator<Uint8Array> {
  readonly isLarge: boolean
  readonly #socket: Socket
  readonly #cancel: () => void
  #parts: Uint8Array[] = []
  #size = 0
  #ended = false
  #failure: { readonly error: unknown } | undefined
  #wake: (() => void) | undefined

  constructor(socket: Socket, isLarge: boolean, cancel: () => void) {
    this.#socket = socket
    this.isLarge = isLarge
    this.#cancel = cancel
  }

  push(bytes: Uint8Array): void {
    this.#parts.push(bytes)
    this.#size += bytes.length
    if (this.#size >= STREAM_CHUNK_BYTES) this.#socket.pause()
    this.#notify()
  }

  end(): void {
    this.#ended = true
    this.#notify()
  }

  fail(error: unknown): void {
    this.#failure = { error }
    this.#notify()
  }

  #notify(): void {
    const wake = this.#wake
    this.#wake = undefined
    wake?.()
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    return this
  }

  async next(): Promise<IteratorResult<Uint8Array>> {
    for (;;) {
      if (this.#size > 0) {
        const value = this.#parts.length === 1 ? (this.#parts[0] as Uint8Array) : Buffer.concat(this.#parts, this.#size)
        this.#parts = []
        if (this.#size >= STREAM_CHUNK_BYTES) this.#socket.resume()
        this.#size = 0
        return { done: false, value }
      }
      if (this.#failure !== undefined) throw this.#failure.error
      if (this.#ended) return { done: true, value: undefined }
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  async return(): Promise<IteratorResult<Uint8Array>> {
    if (!this.#ended && this.#failure === undefined) this.#cancel()
    this.#parts = []
    this.#size = 0
    return { done: true, value: undefined }
  }
}
