/** A proxy before a registry that injects faults. */
import { createServer, type IncomingHttpHeaders, type IncomingMessage, request, type ServerResponse } from 'node:http'

export interface Passing {
  readonly method: string
  readonly path: string
  readonly headers: IncomingHttpHeaders
}

/** Faults of one exchange; by default it passes unchanged. */
export interface Spoil {
  /** Answer that is sent instead of asking the registry. */
  readonly answer?: { readonly status: number; readonly headers?: Record<string, string>; readonly body?: string }
  /** The connection is closed after this number of bytes of the answer's body. */
  readonly cutAt?: number
  /** The answer stalls after this number of bytes of its body. */
  readonly stallAt?: number
  /** The connection is closed after this number of bytes of the request's body was sent to the registry. */
  readonly cutRequestAt?: number
  /** Headers that replace those of the registry. */
  readonly headers?: Record<string, string>
}

export interface TestProxy extends AsyncDisposable {
  readonly host: string
  readonly seen: Passing[]
  spoil: (passing: Passing) => Spoil | undefined
}

export async function startProxy(upstream: string): Promise<TestProxy> {
  const server = createServer((incoming, outgoing) => pass(incoming, outgoing))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  const proxy: TestProxy = {
    host: `127.0.0.1:${address.port}`,
    seen: [],
    spoil: () => undefined,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  return proxy

  function pass(incoming: IncomingMessage, outgoing: ServerResponse): void {
    const { method = 'GET', url: path = '/', headers } = incoming
    const passing = { method, path, headers }
    proxy.seen.push(passing)
    const spoil = proxy.spoil(passing) ?? {}
    if (spoil.answer !== undefined) {
      incoming.resume()
      outgoing.writeHead(spoil.answer.status, spoil.answer.headers)
      outgoing.end(spoil.answer.body)
      return
    }
    const further = request(`http://${upstream}${path}`, { method, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 500, { ...answer.headers, ...spoil.headers })
      outgoing.flushHeaders()
      let passed = 0
      answer.on('data', (chunk: Buffer) => {
        const end = spoil.cutAt ?? spoil.stallAt ?? Number.POSITIVE_INFINITY
        const part = chunk.subarray(0, Math.max(0, end - passed))
        passed += part.length
        outgoing.write(part, () => {
          if (spoil.cutAt !== undefined && passed >= end) outgoing.destroy()
        })
      })
      answer.on('end', () => {
        if (passed < (spoil.cutAt ?? spoil.stallAt ?? Number.POSITIVE_INFINITY)) outgoing.end()
      })
      answer.on('error', () => outgoing.destroy())
    })
    further.on('error', () => outgoing.destroy())
    outgoing.on('close', () => further.destroy())
    let sent = 0
    incoming.on('data', (chunk: Buffer) => {
      const end = spoil.cutRequestAt ?? Number.POSITIVE_INFINITY
      const part = chunk.subarray(0, Math.max(0, end - sent))
      sent += part.length
      further.write(part, () => {
        // The registry should receive what was sent before it notices the end.
        if (sent >= end) setTimeout(() => outgoing.destroy(), 50)
      })
    })
    incoming.on('end', () => {
      if (spoil.cutRequestAt === undefined) further.end()
    })
    incoming.on('error', () => further.destroy())
  }
}
