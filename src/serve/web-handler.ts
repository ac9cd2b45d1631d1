/** Connects a handler to runtimes whose servers speak the Fetch API, such as Deno, Bun and workers. */

import type { HttpHandler } from '../platform/index.ts'

/**
 * Returns a function that answers the `Request` of a runtime with a `Response`.
 *
 * @example
 * const fetch = webHandler(serveRepo(repo)) // for Deno.serve(fetch), or Bun.serve({ fetch })
 */
export function webHandler(handler: HttpHandler): (request: Request) => Promise<Response> {
  return async (request) => {
    const { pathname, search } = new URL(request.url)
    const { method, headers } = request
    const response = await handler({ method, target: pathname + search, headers })
    const { body } = response
    const { status, headers: answered } = response
    if (body === undefined) return new Response(null, { status, headers: answered })
    return new Response(body instanceof Uint8Array ? new Uint8Array(body) : streamOf(body), {
      status,
      headers: answered,
    })
  }
}

function streamOf(source: AsyncIterable<Uint8Array>): ReadableStream<Uint8Array> {
  const iterator = source[Symbol.asyncIterator]()
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await iterator.next()
      if (done) controller.close()
      else controller.enqueue(new Uint8Array(value))
    },
    async cancel() {
      await iterator.return?.()
    },
  })
}
