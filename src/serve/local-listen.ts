/** Runs a handler as an HTTP server of Node. */

import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { HttpHandler } from '../platform/index.ts'
import { ioError } from '../system/errno.ts'

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
  /** Stops the server: refuses new connections, lets responses under way end for five seconds, then closes all. */
  close(): Promise<void>
}

const DEFAULT_CONNECTIONS = 512
/** Milliseconds for the headers of a request, for a connection without a request, and for responses at the end. */
const HEADERS_TIMEOUT = 20_000
const IDLE_TIMEOUT = 30_000
const GRACE = 5_000
/** Milliseconds in which a client must take some bytes of a response. */
const STALL_TIMEOUT = 60_000

/**
 * Serves a handler.
 * @throws {IoError} when the address cannot be used
 */
export async function listen(handler: HttpHandler, options: ListenOptions = {}): Promise<ListeningServer> {
  const { port = 0, address = '127.0.0.1', tls, signal } = options
  signal?.throwIfAborted()
  const answer: RequestListener = (request, response) => {
    void respond(handler, request, response, options)
  }
  const server: Server =
    tls === undefined
      ? createServer(answer)
      : createTlsServer({ cert: Buffer.from(tls.cert), key: Buffer.from(tls.key) }, answer)
  server.maxConnections = options.maxConnections ?? DEFAULT_CONNECTIONS
  server.headersTimeout = HEADERS_TIMEOUT
  server.requestTimeout = HEADERS_TIMEOUT
  server.keepAliveTimeout = IDLE_TIMEOUT
  server.setTimeout(STALL_TIMEOUT, (socket) => socket.destroy())
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(ioError(error)))
    server.listen(port, address, resolve)
  })
  const { port: chosen } = server.address() as AddressInfo
  const host = address.includes(':') ? `[${address}]` : address
  const close = closer(server)
  signal?.addEventListener('abort', () => void close(), { once: true })
  const url = `${tls === undefined ? 'http' : 'https'}://${host}:${chosen}/`
  return { port: chosen, url, close, [Symbol.asyncDispose]: close }
}

/** Returns a function that stops a server once, however often it is called. */
function closer(server: Server): () => Promise<void> {
  let closed: Promise<void> | undefined
  return () => {
    closed ??= new Promise((resolve) => {
      const timer = setTimeout(() => server.closeAllConnections(), GRACE)
      server.close(() => {
        clearTimeout(timer)
        resolve()
      })
      server.closeIdleConnections()
    })
    return closed
  }
}

async function respond(
  handler: HttpHandler,
  request: IncomingMessage,
  response: ServerResponse,
  { onResponse }: ListenOptions,
): Promise<void> {
  const { method = 'GET', url = '/' } = request
  const headers = {
    get(name: string): string | null {
      const value = request.headers[name.toLowerCase()]
      return value === undefined ? null : Array.isArray(value) ? value.join(', ') : value
    },
  }
  let status = 500
  try {
    // Making a response may take longer than a client may take to read some bytes of it.
    request.socket.setTimeout(0)
    const answer = await handler({ method, target: url, headers })
    request.socket.setTimeout(STALL_TIMEOUT)
    status = answer.status
    response.writeHead(status, answer.headers)
    if (answer.body === undefined || answer.body instanceof Uint8Array) {
      response.end(method === 'HEAD' ? undefined : answer.body)
    } else {
      await send(answer.body, response)
    }
  } catch {
    // A body that breaks off closes the connection after what has been sent, so that the client sees that it is incomplete.
    if (response.headersSent) request.socket.destroySoon()
    else response.writeHead(500).end()
  } finally {
    onResponse?.(method, url, status)
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
