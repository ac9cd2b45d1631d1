/**
 * Serves the files of a directory over HTTP, as `ostree trivial-httpd` does: for tests of clients, with errors on request.
 * Source: ostree-trivial-httpd.c.
 */

import type { Stats } from 'node:fs'
import { constants } from 'node:fs'
import { type FileHandle, open, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { type Content, encodeUtf8, SMALL_FILE } from '../bytes.ts'
import { IoError } from '../errors.ts'
import type { HttpHandler, HttpRequest, HttpResponse, Platform } from '../platform/index.ts'
import { errnoOf } from '../system/errno.ts'
import { fileResponse, type ServedFile } from './respond.ts'

/** A status that requests are answered with at random. */
export interface RandomStatus {
  readonly status: number
  /** Share of the requests, 0 to 100. */
  readonly percentage: number
  /** Number of such responses, after which there are no more. */
  readonly max: number
}

/** How a directory is served. */
export interface ServeDirectoryOptions {
  readonly platform: Pick<Platform, 'sha256' | 'createSha256'>
  /**
   * Of a file below a folder `objects` only the first half is sent, and then the connection is closed, unless a range is
   * requested. As in ostree this does not apply to the folder `objects` of the directory itself.
   */
  readonly halves?: boolean | undefined
  /** Required by basic authentication: `USER:PASSWORD`. */
  readonly credentials?: string | undefined
  /** Without them a request is refused with status 403. */
  readonly cookies?: readonly (readonly [name: string, value: string])[] | undefined
  readonly headers?: readonly (readonly [name: string, value: string])[] | undefined
  readonly randomStatuses?: readonly RandomStatus[] | undefined
  /** Called with each line of the log, which names no time. */
  readonly log?: ((line: string) => void) | undefined
}

/** Files whose entity tags, the checksums of their bytes, are kept. */
const KEPT_TAGS = 4096
const CHUNK_BYTES = 1 << 16
/** The words that ostree logs for a status. */
const REASONS: Readonly<Record<number, string>> = {
  200: 'OK',
  206: 'OK',
  301: 'Moved Permanently',
  304: 'Not Modified',
  403: 'Forbidden',
  404: 'Not Found',
  408: 'Request Timeout',
  416: 'Requested Range Not Satisfiable',
  500: 'Internal Server Error',
  501: 'Not Implemented',
}

/** Returns a handler that answers with the files below the directory `root`. Symbolic links are followed, also out of it. */
export function serveDirectory(root: string, options: ServeDirectoryOptions): HttpHandler {
  return new DirectoryServer(root, options).answer
}

class DirectoryServer {
  readonly #root: string
  readonly #options: ServeDirectoryOptions
  /** Responses that each entry of `randomStatuses` may still cause. */
  readonly #left: number[]
  /** Entity tags by what identifies the content of a file. */
  readonly #tags = new Map<string, string>()

  constructor(root: string, options: ServeDirectoryOptions) {
    this.#root = root
    this.#options = options
    this.#left = (options.randomStatuses ?? []).map(({ max }) => max)
  }

  readonly answer = async (request: HttpRequest): Promise<HttpResponse> => {
    if (!this.#isAuthorized(request)) return empty(401, { 'www-authenticate': 'Basic realm=auth-test' })
    if (request.method !== 'GET' && request.method !== 'HEAD') return empty(501)
    const path = pathOf(request.target)
    this.#log(`serving ${path ?? request.target}`)
    const response = await this.#respond(request, path)
    // The log has the status before a range is applied.
    const status = response.status === 206 ? 200 : response.status
    this.#log(`  status: ${REASONS[status] ?? ''} (${status})`)
    return response
  }

  async #respond(request: HttpRequest, path: string | undefined): Promise<HttpResponse> {
    const refused = this.#refusal(request) ?? this.#randomStatus()
    if (refused !== undefined) return empty(refused)
    if (path === undefined) return empty(404)
    if (path.includes('../')) return empty(403)
    try {
      return await this.#find(request, path)
    } catch (error) {
      const errno = error instanceof IoError ? error.data.errno : errnoOf(error)
      if (errno === 'ENOENT') return empty(404)
      return empty(errno === 'EPERM' || errno === 'EACCES' ? 403 : 500)
    }
  }

  async #find(request: HttpRequest, path: string): Promise<HttpResponse> {
    const relative = path.replace(/^\/+/, '')
    if (relative === '') return empty(404)
    const place = join(this.#root, relative) + (relative.endsWith('/') ? '/' : '')
    const stats = await stat(place)
    if (!isReadable(stats)) return empty(403)
    if (!stats.isDirectory()) return this.#file(request, place, relative)
    if (!path.endsWith('/')) {
      const host = request.headers.get('host')
      const start = host === null ? '' : `http://${host}`
      return empty(301, { location: `${start}${encodeURI(path)}/` })
    }
    const index = join(place, 'index.html')
    const indexStats = await stat(index).catch(() => undefined)
    if (indexStats?.isFile() && isReadable(indexStats)) return this.#file(request, index, `${relative}index.html`)
    return listing(await readdir(place), relative)
  }

  /** @param relative the path without its leading slashes */
  async #file(request: HttpRequest, place: string, relative: string): Promise<HttpResponse> {
    // A file that has become a FIFO in the meantime does not block.
    const file = await open(place, constants.O_RDONLY | constants.O_NONBLOCK)
    let kept = false
    try {
      const stats = await file.stat({ bigint: true })
      if (!stats.isFile()) return empty(403)
      const size = Number(stats.size)
      const state = `${stats.dev} ${stats.ino} ${size} ${stats.mtimeNs} ${stats.ctimeNs}`
      const whole = size <= SMALL_FILE ? await readRange(file, 0, size) : undefined
      const served: ServedFile = {
        tag: await this.#tag(state, whole ?? read(file, 0, size)),
        modified: Number(stats.mtimeMs),
        immutable: false,
        size,
        content: ({ start, end } = { start: 0, end: size }) => {
          if (whole !== undefined) return whole.subarray(start, end)
          kept = true
          return readAndClose(file, start, end)
        },
      }
      const response = await fileResponse(request, served)
      const halved =
        this.#options.halves === true && response.status === 200 && relative.includes('/objects') && response.body
      if (!halved) return response
      const body = whole === undefined ? readAndClose(file, 0, size >> 1) : whole.subarray(0, size >> 1)
      return { ...response, headers: { ...response.headers, connection: 'close' }, body: brokenOff(body) }
    } finally {
      if (!kept) await file.close()
    }
  }

  /** Returns the checksum of the bytes of a file; that of a file in the same state is kept. */
  async #tag(state: string, content: Content): Promise<string> {
    const kept = this.#tags.get(state)
    if (kept !== undefined) return kept
    const tag = await checksumOf(this.#options.platform, content)
    const oldest = this.#tags.keys().next().value
    if (this.#tags.size >= KEPT_TAGS && oldest !== undefined) this.#tags.delete(oldest)
    this.#tags.set(state, tag)
    return tag
  }

  #isAuthorized({ headers }: HttpRequest): boolean {
    const { credentials } = this.#options
    if (credentials === undefined) return true
    const [, given] = /^basic +(\S+)$/i.exec(headers.get('authorization')?.trim() ?? '') ?? []
    return given === btoa(credentials)
  }

  /** Returns the status for a request without an expected cookie or header. */
  #refusal({ headers }: HttpRequest): number | undefined {
    const { cookies = [], headers: expected = [] } = this.#options
    const given = (headers.get('cookie') ?? '').split(';').map((text) => text.trim())
    for (const [name, value] of cookies) {
      if (given.includes(`${name}=${value}`)) continue
      this.#log(`Expected cookie not found ${name}=${value}`)
      return 403
    }
    for (const [name, value] of expected) {
      const found = headers.get(name)
      if (found === value) continue
      this.#log(
        found === null ? `Expected header not found ${name}` : `Expected header ${name}: ${value} but found ${found}`,
      )
      return 403
    }
    return undefined
  }

  #randomStatus(): number | undefined {
    for (const [i, { status, percentage }] of (this.#options.randomStatuses ?? []).entries()) {
      const left = this.#left[i] ?? 0
      if (left <= 0 || Math.random() * 100 >= percentage) continue
      this.#left[i] = left - 1
      return status
    }
    return undefined
  }

  #log(line: string): void {
    this.#options.log?.(line)
  }
}

/** Tells whether all users may read a file, or enter a directory. Nothing else is served. */
function isReadable(stats: Stats): boolean {
  const bit = stats.isDirectory() ? 0o001 : 0o004
  return (stats.isFile() || stats.isDirectory()) && (stats.mode & bit) !== 0
}

/**
 * Returns the decoded path of a request target. `.` and `..` are resolved before it is decoded, and cannot lead above `/`.
 * @returns `undefined` when it is malformed
 */
function pathOf(target: string): string | undefined {
  if (!target.startsWith('/')) return undefined
  try {
    const path = decodeURIComponent(new URL(`http://host${target}`).pathname)
    return path.includes('\0') ? undefined : path
  } catch {
    return undefined
  }
}

function empty(status: number, headers: Readonly<Record<string, string>> = {}): HttpResponse {
  return { status, headers: { 'content-length': '0', ...headers } }
}

/** Returns the page of a directory. As in ostree its title leaves out the first directory of the path. */
function listing(names: readonly string[], relative: string): HttpResponse {
  const title = escapeHtml(relative.slice(Math.max(0, relative.indexOf('/'))))
  const sorted = names.map(escapeHtml).sort()
  const rows = sorted.map((name) => `<a href="${name}">${name}</a><br>`)
  const lines = [
    '<html>',
    `<head><title>Index of ${title}</title></head>`,
    `<body><h1>Index of ${title}</h1>`,
    '<p>',
    ...rows,
    '</body>',
    '</html>',
  ]
  const body = encodeUtf8(lines.map((line) => `${line}\r\n`).join(''))
  return { status: 200, headers: { 'content-type': 'text/html', 'content-length': String(body.length) }, body }
}

function escapeHtml(text: string): string {
  const named: Readonly<Record<string, string>> = {
    '&': '&amp;',
    '<': '&lt;',
    '>': '&gt;',
    '"': '&quot;',
    "'": '&#39;',
  }
  return text.replaceAll(/[&<>"']/g, (character) => named[character] ?? character)
}

async function checksumOf(platform: ServeDirectoryOptions['platform'], content: Content): Promise<string> {
  if (content instanceof Uint8Array) return platform.sha256(content)
  const hasher = platform.createSha256()
  for await (const chunk of content) hasher.update(chunk)
  return hasher.digest()
}

async function* brokenOff(content: Content): AsyncGenerator<Uint8Array, never> {
  if (content instanceof Uint8Array) yield content
  else yield* content
  throw new IoError('Only half of the file is sent', 'ECONNRESET')
}

async function readRange(file: FileHandle, start: number, end: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(end - start)
  for (let at = 0; at < bytes.length; ) {
    const { bytesRead } = await file.read(bytes, at, bytes.length - at, start + at)
    if (bytesRead === 0) throw new IoError('The file has become shorter while it was read', 'EIO')
    at += bytesRead
  }
  return bytes
}

async function* read(file: FileHandle, start: number, end: number): AsyncGenerator<Uint8Array, void> {
  for (let at = start; at < end; at += CHUNK_BYTES) yield await readRange(file, at, Math.min(end, at + CHUNK_BYTES))
}

async function* readAndClose(file: FileHandle, start: number, end: number): AsyncGenerator<Uint8Array, void> {
  try {
    yield* read(file, start, end)
  } finally {
    await file.close()
  }
}
