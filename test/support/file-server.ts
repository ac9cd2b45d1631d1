/** A web server of a directory for tests: static files with ETag, and tricks that a test asks for. */
import { existsSync, readFileSync, statSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join, normalize } from 'node:path'

/** A request as the server received it. */
export interface LoggedRequest {
  readonly path: string
  readonly status: number
  readonly headers: IncomingMessage['headers']
}

/** Answers a request in place of the server. @returns whether it did */
export type Trick = (path: string, response: ServerResponse, request: IncomingMessage) => boolean

export class FileServer implements AsyncDisposable {
  readonly requests: LoggedRequest[] = []
  /** Consulted before each request. */
  trick: Trick | undefined
  readonly #server: Server
  readonly #root: string

  private constructor(root: string) {
    this.#root = root
    this.#server = createServer((request, response) => this.#answer(request, response))
  }

  static async start(root: string): Promise<FileServer> {
    const server = new FileServer(root)
    await new Promise<void>((resolve) => void server.#server.listen(0, '127.0.0.1', resolve))
    return server
  }

  /** `http://127.0.0.1:PORT`. */
  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** Returns what was requested since the last call. */
  take(): LoggedRequest[] {
    return this.requests.splice(0)
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const path = decodeURIComponent(new URL(request.url ?? '/', 'http://host').pathname)
    response.on('close', () => {
      this.requests.push({ path, status: response.statusCode, headers: request.headers })
    })
    if (this.trick?.(path, response, request) === true) return
    const file = join(this.#root, normalize(path))
    if (!existsSync(file) || !statSync(file).isFile()) {
      response.writeHead(404).end('not found')
      return
    }
    const { size, mtime, mtimeMs } = statSync(file)
    const etag = `"${size}-${Math.floor(mtimeMs)}"`
    if (request.headers['if-none-match'] === etag) {
      response.writeHead(304, { etag }).end()
      return
    }
    response.writeHead(200, { etag, 'last-modified': mtime.toUTCString(), 'content-length': size })
    response.end(readFileSync(file))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise<void>((resolve) => void this.#server.close(() => resolve()))
  }
}
