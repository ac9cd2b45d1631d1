/** Runs a handler as an HTTP server of Node. */

import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import type { HttpHandler } from '../platform/index.ts'
import { ioError } from '../system/errno.ts'

/** How long a server waits, in milliseconds. */
export interface ServerTimeouts {
  /** For a whole request, and for the handshake of TLS. Default 20,000. */
  readonly request: number
  /** For the next request of a connection. Default 30,000. */
  readonly idle: number
  /** For a client to take some bytes of a response. Default 60,000. */
  readonly stall: number
  /** For responses under way when the server is stopped. Default 5,000. */
  readonly grace: number
}

/** How a server listens. */
export interface ListenOptions {
  /** Default 0: a free port. */
  readonly port?: number | undefined
  /** Address to listen on. Default 127.0.0.1, so that only this machine reaches it. */
  readonly address?: string | undefined
  /** Certificate chain and key in PEM format. With them the server speaks HTTPS. */
  readonly tls?: { readonly cert: string | Uint8Array; readonly key: string | Uint8Array } | undefined
  /** Connections at the same time; further ones are refused. Default 512. */
  readonly maxConnections?: number | undefined
  readonly timeouts?: Partial<ServerTimeouts> | undefined
  /** Aborting it stops the server. */
  readonly signal?: AbortSignal | undefined
  /** Called with what a response is, when it has been sent or has failed. */
  readonly onResponse?: ((method: string, target: string, status: number) => void) | undefined
}

/** A server that listens. */
export interface ListeningServer extends AsyncDisposable {
  readonly port: number
  /** `http://ADDRESS:PORT/` or `https://…`. */
  readonly url: string
  /**
   * Stops the server: refuses new connections and requests, lets responses under way end for `timeouts.grace`, then closes
   * all connections.
   */
  close(): Promise<void>
}

const DEFAULT_CONNECTIONS = 512
const DEFAULT_TIMEOUTS: ServerTimeouts = { request: 20_000, idle: 30_000, stall: 60_000, grace: 5_000 }
/** Bytes of the body of a request, which is not used, that are read to keep the connection. */
const SMALL_BODY = 1 << 16

/**
 * Serves a handler. The requests of one connection are answered one after the other, also when a client sends several
 * without waiting.
 * @throws {IoError} when the address cannot be used
 */
export async function listen(handler: HttpHandler, options: ListenOptions = {}): Promise<ListeningServer> {
  const { port = 0, address = '127.0.0.1', tls, signal } = options
  signal?.throwIfAborted()
  const timeouts = { ...DEFAULT_TIMEOUTS, ...options.timeouts }
  const connections = new Connections(handler, timeouts.stall, options.onResponse)
  const limits = {
    headersTimeout: timeouts.request,
    requestTimeout: timeouts.request,
    keepAliveTimeout: timeouts.idle,
    // How often the first two are looked at.
    connectionsCheckingInterval: Math.ceil(timeouts.request / 4),
  }
  const server: Server =
    tls === undefined
      ? createServer(limits, connections.answer)
      : createTlsServer(
          { ...limits, cert: Buffer.from(tls.cert), key: Buffer.from(tls.key), handshakeTimeout: timeouts.request },
          connections.answer,
        )
  server.on(tls === undefined ? 'connection' : 'secureConnection', connections.add)
  server.maxConnections = options.maxConnections ?? DEFAULT_CONNECTIONS
  server.setTimeout(timeouts.stall, (socket) => socket.destroy())
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(ioError(error)))
    server.listen(port, address, resolve)
  })
  const { port: chosen } = server.address() as AddressInfo
  const host = address.includes(':') ? `[${address}]` : address
  const close = closer(server, connections, timeouts.grace)
  signal?.addEventListener('abort', () => void close(), { once: true })
  const url = `${tls === undefined ? 'http' : 'https'}://${host}:${chosen}/`
  return { port: chosen, url, close, [Symbol.asyncDispose]: close }
}

/** Returns a function that stops a server once, however often it is called. */
function closer(server: Server, connections: Connections, grace: number): () => Promise<void> {
  let closed: Promise<void> | undefined
  return () => {
    closed ??= new Promise((resolve) => {
      const timer = setTimeout(() => server.closeAllConnections(), grace)
      connections.stop()
      server.close(() => {
        clearTimeout(timer)
        resolve()
      })
    })
    return closed
  }
}

/** Answers the requests of all connections. */
class Connections {
  #stopped = false
  readonly #handler: HttpHandler
  readonly #stall: number
  readonly #onResponse: ListenOptions['onResponse']
  readonly #open = new Set<Socket>()
  /** For connections with unanswered requests: resolves when the last of them has been answered. */
  readonly #last = new Map<Socket, Promise<void>>()

  constructor(handler: HttpHandler, stall: number, onResponse: ListenOptions['onResponse']) {
    this.#handler = handler
    this.#stall = stall
    this.#onResponse = onResponse
  }

  readonly add = (socket: Socket): void => {
    this.#open.add(socket)
    socket.once('close', () => this.#open.delete(socket))
  }

  /** Closes connections without a request; the others are closed when theirs have been answered. */
  stop(): void {
    this.#stopped = true
    for (const socket of this.#open) if (!this.#last.has(socket)) socket.destroy()
  }

  readonly answer: RequestListener = (request, response) => {
    const { socket } = request
    const before = this.#last.get(socket)
    // Node passes on all requests that have arrived. Answered at the same time, each would hold its object in memory.
    const answered =
      before === undefined ? this.#respond(request, response) : before.then(() => this.#respond(request, response))
    this.#last.set(socket, answered)
    void answered.then(() => {
      if (this.#last.get(socket) !== answered) return
      this.#last.delete(socket)
      if (this.#stopped) socket.destroySoon()
    })
  }

  async #respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = 'GET', url = '/', socket } = request
    if (socket.destroyed) return
    if (this.#stopped) {
      response.writeHead(503, { connection: 'close', 'content-length': 0 }).end()
      return
    }
    if (hasLargeBody(request)) response.shouldKeepAlive = false
    let status = 500
    try {
      // Making a response may take longer than a client may take to read some bytes of it.
      socket.setTimeout(0)
      const answer = await this.#handler({ method, target: url, headers: headersOf(request) })
      socket.setTimeout(this.#stall)
      status = answer.status
      response.writeHead(status, answer.headers)
      if (answer.body === undefined || answer.body instanceof Uint8Array) {
        response.end(method === 'HEAD' ? undefined : answer.body)
      } else {
        await send(answer.body, response)
      }
      await finished(response)
    } catch {
      // A body that breaks off closes the connection after what has been sent, so that the client sees that it is incomplete.
      if (response.headersSent) socket.destroySoon()
      else response.writeHead(500).end()
    } finally {
      this.#onResponse?.(method, url, status)
    }
  }
}

/** Tells whether a request has a body that is not worth to be read so that the connection can be kept. */
function hasLargeBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > SMALL_BODY
}

function headersOf(request: IncomingMessage): { get(name: string): string | null } {
  return {
    get(name) {
      const value = request.headers[name.toLowerCase()]
      return value === undefined ? null : Array.isArray(value) ? value.join(', ') : value
    },
  }
}

/**
 * Sends a body, no faster than the client takes it. It ends early, without an error, when the client has gone.
 * Throws the errors of the body, after which the response is incomplete.
 */
async function send(body: AsyncIterable<Uint8Array>, response: ServerResponse): Promise<void> {
  for await (const chunk of body) {
    if (response.destroyed) return
    // The source reuses the memory of a chunk while Node still holds it.
    if (!response.write(Uint8Array.prototype.slice.call(chunk))) await drained(response)
  }
  response.end()
}

/** Resolves when a response takes more bytes, or when its connection is closed. */
function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      response.off('drain', done).off('close', done)
      resolve()
    }
    response.on('drain', done).on('close', done)
    if (response.destroyed) done()
  })
}

/** Resolves when all bytes of a response have been handed to the system, or its connection is closed. */
function finished(response: ServerResponse): Promise<void> {
  if (response.writableFinished || response.destroyed) return Promise.resolve()
  return new Promise((resolve) => {
    response.once('finish', resolve).once('close', resolve)
  })
}
