/** Servers without sockets: handlers and functions like `fetch` become each other. */

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Content } from '../../bytes.ts'
import type { Fetch, FetchResponse, HttpHandler, HttpResponse, Platform } from '../../platform/index.ts'
import { chunksOf, wholeBody } from './chunks.ts'

/**
 * Returns a function that sends every request to a handler, such as that of `serveRepo` or `serveFiles`, instead of to a
 * server. The host of URLs is ignored.
 */
export function fetchFrom(handler: HttpHandler): Fetch {
  return async (url, { method, headers, signal }) => {
    signal?.throwIfAborted()
    const { pathname, search } = new URL(url)
    const response = await handler({ method, target: pathname + search, headers: new Headers(headers) })
    return { status: response.status, headers: new Headers(response.headers), body: bodyOf(response.body) }
  }
}

function bodyOf(body: Content | undefined): AsyncIterable<Uint8Array> | null {
  if (body === undefined) return null
  return body instanceof Uint8Array ? chunksOf(body) : copied(body)
}

/** Yields copies of chunks: a handler may reuse their memory, a response may not. */
async function* copied(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  for await (const chunk of body) yield chunk.slice()
}

/**
 * Returns a handler of files in memory, such as those of an archive repository: GET and HEAD, with entity tags and
 * `If-None-Match`, without ranges.
 * @param files by path without a slash at the start; changes take effect at once
 */
export function serveFiles(platform: Platform, files: ReadonlyMap<string, Uint8Array>): HttpHandler {
  return ({ method, target, headers }): HttpResponse => {
    const [path = ''] = target.split('?', 1)
    const body = files.get(decodeURIComponent(path).replace(/^\/+/, ''))
    if (body === undefined) return { status: 404, headers: { 'content-length': '0' } }
    const etag = `"${platform.sha256(body)}"`
    if (headers.get('if-none-match') === etag) return { status: 304, headers: { etag } }
    const found = { status: 200, headers: { etag, 'content-length': String(body.length) } }
    return method === 'HEAD' ? found : { ...found, body }
  }
}

/**
 * Returns a listener for `createServer` of node:http that passes requests to a function like `fetch`, so that other
 * programs can use a `MemoryRegistry`, with or without faults. The connection is destroyed where the function fails.
 */
export function nodeListener(fetch: Fetch): (request: IncomingMessage, response: ServerResponse) => void {
  return (request, response) => {
    answer(fetch, request, response).catch(() => response.destroy())
  }
}

async function answer(fetch: Fetch, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { method = 'GET', url = '/', headers } = request
  const body = await wholeBody(request as AsyncIterable<Uint8Array>)
  const given = Object.entries(headers).map(([name, value]) => [name, String(value)])
  const init = { method, headers: Object.fromEntries(given), ...(body?.length === 0 ? {} : { body }) }
  const { status, headers: answered, body: sent }: FetchResponse = await fetch(`http://${headers.host}${url}`, init)
  if (answered instanceof Headers) for (const [name, value] of answered) response.setHeader(name, value)
  response.writeHead(status)
  // Without this, nothing is sent before the first chunk of a body that drips or stalls.
  response.flushHeaders()
  for await (const chunk of sent ?? []) {
    if (response.destroyed) return
    await new Promise<void>((resolve) => void response.write(chunk, () => resolve()))
  }
  response.end()
}
