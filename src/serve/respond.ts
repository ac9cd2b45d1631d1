/** Makes HTTP responses of files: entity tags, conditions, one range. Source: RFC 9110, sections 8.8, 13 and 14. */

import type { Content, MaybePromise } from '../bytes.ts'
import type { HttpRequest, HttpResponse } from '../platform/index.ts'

/** A file that is served. */
export interface ServedFile {
  /** Identifies the bytes; without quotes. */
  readonly tag: string
  /** Whether the bytes at this path never change. */
  readonly immutable: boolean
  /** Media type. `undefined`: the response does not name one. */
  readonly type?: string | undefined
  /** Time of the last change, in milliseconds since 1970. */
  readonly modified?: number | undefined
  /** Bytes; `undefined` when they are known only when all have been made. Ranges need it. */
  readonly size?: number | undefined
  /** Returns the bytes, or those from `start` up to, but not including, `end`. Called at most once. */
  content(range?: Range): MaybePromise<Content>
}

interface Range {
  readonly start: number
  readonly end: number
}

const YEAR_SECONDS = 31_536_000

/** Returns a response without a body but a line of text. */
export function plainResponse(
  status: number,
  text: string,
  headers: Readonly<Record<string, string>> = {},
): HttpResponse {
  const body = new TextEncoder().encode(`${text}\n`)
  return {
    status,
    headers: { 'content-type': 'text/plain; charset=utf-8', 'content-length': String(body.length), ...headers },
    body,
  }
}

/** Answers a GET or HEAD request for a file. */
export async function fileResponse(request: HttpRequest, file: ServedFile): Promise<HttpResponse> {
  const { size } = file
  const tag = `"${file.tag}"`
  const headers: Record<string, string> = {
    etag: tag,
    'cache-control': file.immutable ? `public, max-age=${YEAR_SECONDS}, immutable` : 'no-cache',
  }
  if (file.modified !== undefined) headers['last-modified'] = new Date(file.modified).toUTCString()
  if (isUnchanged(request, tag, file.modified)) return { status: 304, headers }
  if (file.type !== undefined) headers['content-type'] = file.type
  if (size !== undefined) headers['accept-ranges'] = 'bytes'
  const range = size === undefined ? undefined : rangeOf(request, tag, size)
  if (range === 'unsatisfiable') {
    return plainResponse(416, 'Range not satisfiable', { 'content-range': `bytes */${size}` })
  }
  const length = range === undefined ? size : range.end - range.start
  if (length !== undefined) headers['content-length'] = String(length)
  if (range !== undefined) headers['content-range'] = `bytes ${range.start}-${range.end - 1}/${size}`
  const status = range === undefined ? 200 : 206
  if (request.method === 'HEAD') return { status, headers }
  return { status, headers, body: await file.content(range) }
}

/** Evaluates the conditions of a request. Entity tags take precedence over times: RFC 9110, section 13.2.2. */
function isUnchanged({ headers }: HttpRequest, tag: string, modified: number | undefined): boolean {
  const tags = headers.get('if-none-match')
  if (tags !== null) return matches(tags, tag)
  const since = Date.parse(headers.get('if-modified-since') ?? '')
  // HTTP dates have whole seconds.
  return modified !== undefined && !Number.isNaN(since) && Math.floor(modified / 1000) * 1000 <= since
}

/** Tells whether a list of entity tags has this one. Weak tags count as well: RFC 9110, section 13.1.2. */
function matches(list: string, tag: string): boolean {
  return list.split(',').some((item) => item.trim() === '*' || item.trim().replace(/^W\//, '') === tag)
}

/** Returns the range that a request asks for. `undefined`: all; several ranges, or another unit, are ignored. */
function rangeOf({ headers }: HttpRequest, tag: string, size: number): Range | 'unsatisfiable' | undefined {
  const match = /^bytes=(\d*)-(\d*)$/.exec(headers.get('range')?.trim() ?? '')
  const [, first = '', last = ''] = match ?? []
  if (first === '' && last === '') return undefined
  const condition = headers.get('if-range')
  if (condition !== null && condition !== tag) return undefined
  if (first === '') {
    if (Number(last) === 0 || size === 0) return 'unsatisfiable'
    return { start: Math.max(0, size - Number(last)), end: size }
  }
  const start = Number(first)
  if (last !== '' && Number(last) < start) return undefined
  if (start >= size) return 'unsatisfiable'
  return { start, end: last === '' ? size : Math.min(Number(last) + 1, size) }
}
