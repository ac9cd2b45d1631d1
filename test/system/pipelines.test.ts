import type { AddressInfo } from 'node:net'
import { createServer, type Server, type Socket } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { readAll } from '../../src/bytes.ts'
import { InvalidNameError } from '../../src/errors.ts'
import { Pipelines } from '../../src/system/http/pipelines.ts'
import { ResponseParser } from '../../src/system/http/response-parser.ts'

/** Parses bytes in pieces. @returns each response as status, body and whether the connection persists */
function parse(text: string, size: number): [number, string, boolean][] {
  const found: [number, string, boolean][] = []
  const parser = new ResponseParser({
    head: ({ status, persistent }) => void found.push([status, '', persistent]),
    data: (bytes) => {
      const last = found.at(-1)
      if (last !== undefined) last[1] += Buffer.from(bytes).toString('latin1')
    },
    end: () => {},
  })
  const bytes = Buffer.from(text, 'latin1')
  for (let at = 0; at < bytes.length; at += size) parser.push(bytes.subarray(at, at + size))
  return found
}

describe('the parser', () => {
  const STREAM =
    'HTTP/1.1 100 Continue\r\n\r\n' +
    'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello' +
    'HTTP/1.1 304 Not Modified\r\ncontent-length: 99\r\n\r\n' +
    'HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n3;x=y\r\nabc\r\nA\r\n0123456789\r\n0\r\ntrailer: x\r\n\r\n' +
    'HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n' +
    'HTTP/1.0 200 OK\r\n\r\nto the end'

  test.each([1, 2, 3, 7, 1000])('reads responses that arrive in pieces of %i bytes', (size) => {
    expect(parse(STREAM, size)).toEqual([
      [200, 'hello', true],
      [304, '', true],
      [200, 'abc0123456789', true],
      [404, '', true],
      [200, 'to the end', false],
    ])
  })

  test.each([
    ['SSH-2.0-OpenSSH\r\n\r\n', 'does not speak HTTP'],
    ['HTTP/2 200\r\n\r\n', 'does not speak HTTP'],
    ['HTTP/1.1 200 OK\r\nContent-Length: 5, 6\r\n\r\n', 'invalid length'],
    ['HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n', 'invalid length'],
    ['HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n', 'unknown transfer encoding'],
    ['HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n', 'invalid chunk'],
    ['HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n', 'has no end'],
  ])('refuses what is not a response: %j', (text, message) => {
    expect(() => parse(text, 1000)).toThrow(message)
  })
})

test('the parser refuses a head of more than 64 KiB', () => {
  expect(() => parse(`HTTP/1.1 200 OK\r\n${'a: b\r\n'.repeat(20_000)}`, 1000)).toThrow('too long')
  expect(() => parse(`HTTP/1.1 200 OK\r\na: ${'b'.repeat(70_000)}`, 1000)).toThrow('too long')
})

describe('connections', () => {
  const open: { server: Server; sockets: Set<Socket> }[] = []

  afterEach(async () => {
    for (const { server, sockets } of open.splice(0)) {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    }
  })

  /** Starts a server. @param answer called with each path and the number of the connection */
  async function serve(answer: (path: string, socket: Socket, connection: number) => void): Promise<string> {
    const sockets = new Set<Socket>()
    const server = createServer((socket) => {
      sockets.add(socket)
      const number = sockets.size
      let text = ''
      socket.on('error', () => {})
      socket.on('data', (chunk) => {
        text += chunk.toString('latin1')
        for (let end = text.indexOf('\r\n\r\n'); end >= 0; end = text.indexOf('\r\n\r\n')) {
          answer(/^GET (\S+)/.exec(text)?.[1] ?? '', socket, number)
          text = text.slice(end + 4)
        }
      })
    })
    await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
    open.push({ server, sockets })
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  }

  const ok = (body: string, more = ''): string =>
    `HTTP/1.1 200 OK\r\n${more}content-length: ${body.length}\r\n\r\n${body}`

  async function get(client: Pipelines, url: string, signal?: AbortSignal): Promise<string> {
    const { status, body } = await client.get(new URL(url), {}, signal)
    return `${status} ${Buffer.from(await readAll(body ?? new Uint8Array())).toString()}`
  }

  test('many requests share few connections, and each gets its own response', async () => {
    const used = new Set<number>()
    const base = await serve((path, socket, number) => {
      used.add(number)
      socket.write(ok(path))
    })
    const client = new Pipelines({})
    expect(await get(client, `${base}/first`)).toBe('200 /first')
    const paths = Array.from({ length: 100 }, (_, i) => `/${i}`)
    expect(await Promise.all(paths.map((path) => get(client, base + path)))).toEqual(paths.map((path) => `200 ${path}`))
    expect(used.size).toBeLessThanOrEqual(8)
  })

  test('a server that closes after each response, or says so, gets all requests again', async () => {
    for (const more of ['', 'connection: close\r\n']) {
      const base = await serve((path, socket) => void socket.end(ok(path, more)))
      const client = new Pipelines({})
      const paths = Array.from({ length: 20 }, (_, i) => `/${i}`)
      const answers = await Promise.all(
        paths.map((path) => get(client, base + path).catch((error: Error) => error.message)),
      )
      expect(answers.filter((answer) => answer.startsWith('200')).length).toBeGreaterThanOrEqual(more === '' ? 8 : 20)
    }
  })

  test('a response that is cut short fails, and only that one', async () => {
    const base = await serve((path, socket) => {
      if (path === '/cut') socket.end('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf')
      else socket.write(ok(path))
    })
    const client = new Pipelines({})
    await get(client, `${base}/first`)
    const all = ['/a', '/cut', '/b', '/c'].map((path) =>
      get(client, base + path).catch((error: Error) => error.message),
    )
    expect(await Promise.all(all)).toEqual(['200 /a', 'the connection was closed', '200 /b', '200 /c'])
  })

  test('an aborted request fails at once, and those behind it are sent again', async () => {
    const controller = new AbortController()
    const stuck = new Set<Socket>()
    const base = await serve((path, socket) => {
      if (path === '/never') stuck.add(socket)
      if (!stuck.has(socket)) socket.write(ok(path))
    })
    const client = new Pipelines({})
    await get(client, `${base}/first`)
    const never = get(client, `${base}/never`, controller.signal)
    const behind = get(client, `${base}/behind`)
    setTimeout(() => controller.abort(new Error('enough')), 50)
    await expect(never).rejects.toThrow('enough')
    expect(await behind).toBe('200 /behind')
  })

  test('what is behind a large response does not wait for it, and an abort does not disturb it', async () => {
    const large = 'x'.repeat(100_000)
    let finish = (): void => {}
    const busy = new Set<Socket>()
    const base = await serve((path, socket) => {
      if (busy.has(socket)) return
      if (path !== '/large') {
        socket.write(ok(path))
        return
      }
      busy.add(socket)
      socket.write(ok(large).slice(0, 50_000))
      finish = () => void socket.write(large.slice(0, ok(large).length - 50_000))
    })
    const client = new Pipelines({})
    await get(client, `${base}/first`)
    const controller = new AbortController()
    const slow = get(client, `${base}/large`)
    const behind = get(client, `${base}/behind`)
    const aborted = get(client, `${base}/aborted`, controller.signal)
    controller.abort(new Error('enough'))
    await expect(aborted).rejects.toThrow('enough')
    expect(await behind).toBe('200 /behind')
    finish()
    expect(await slow).toBe(`200 ${large}`)
  })

  test('headers cannot bring further lines', async () => {
    const client = new Pipelines({})
    const url = new URL('http://127.0.0.1:1/')
    for (const headers of [{ a: 'b\r\nc: d' }, { 'a\r\nb': 'c' }, { 'a b': 'c' }, { a: '\0' }]) {
      await expect(async () => client.get(url, headers as Record<string, string>, undefined)).rejects.toThrow(
        InvalidNameError,
      )
    }
  })
})
