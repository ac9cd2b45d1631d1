import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { Agent, get, type IncomingMessage, request } from 'node:http'
import { get as getTls } from 'node:https'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { afterEach, describe, expect, test } from 'vitest'
import type { HttpHandler } from '../../src/platform/index.ts'
import { type ListeningServer, type ListenOptions, listen } from '../../src/serve/local.ts'
import { describeReference } from '../support/reference.ts'
import { temporaryFolder } from '../support/temporary.ts'

const folder = temporaryFolder('disk')
const servers: ListeningServer[] = []
const sockets: Socket[] = []

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy()
  await Promise.all(servers.splice(0).map((server) => server.close()))
})

async function start(handler: HttpHandler, options: ListenOptions = {}): Promise<ListeningServer> {
  const server = await listen(handler, options)
  servers.push(server)
  return server
}

const ok: HttpHandler = () => ({
  status: 200,
  headers: { 'content-length': '2' },
  body: new TextEncoder().encode('ok'),
})

/** Yields 64 KiB pieces, and counts them. */
function pieces(count: number): { body: AsyncGenerator<Uint8Array, void>; made(): number } {
  let made = 0
  const chunk = new Uint8Array(1 << 16)
  async function* body(): AsyncGenerator<Uint8Array, void> {
    for (; made < count; made++) yield chunk
  }
  return { body: body(), made: () => made }
}

/** Opens a connection, sends text, and collects what comes back. */
async function open(port: number, text = ''): Promise<{ socket: Socket; text(): string; closed: Promise<unknown> }> {
  const socket = connect(port, '127.0.0.1')
  sockets.push(socket)
  let received = ''
  socket.on('data', (chunk: Buffer) => {
    received += chunk.toString('latin1')
  })
  socket.on('error', () => {}) // a connection that is reset is closed as well
  const closed = once(socket, 'close')
  await once(socket, 'connect')
  socket.write(text)
  return { socket, text: () => received, closed }
}

async function responseOf(url: string, agent?: Agent): Promise<IncomingMessage> {
  const [response] = (await once(get(url, { agent }), 'response')) as [IncomingMessage]
  return response
}

async function textOf(response: IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of response) text += String(chunk)
  return text
}

const REQUEST = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'

describe('a server that is stopped', () => {
  test('lets responses under way end, and refuses new connections and requests', async () => {
    let release = (): void => {}
    const released = new Promise<void>((resolve) => {
      release = resolve
    })
    const server = await start(async (asked) => {
      if (asked.target === '/slow') await released
      return ok(asked)
    })
    const agent = new Agent({ keepAlive: true })
    const slow = responseOf(`${server.url}slow`, agent).then(textOf)
    const second = await open(server.port, 'GET /slow HTTP/1.1\r\nHost: a\r\n\r\n')
    const idle = await open(server.port)
    await wait(100)
    const stopped = server.close()
    await idle.closed
    await expect(responseOf(server.url)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    second.socket.write(REQUEST)
    await wait(50)
    const started = Date.now()
    release()
    expect(await slow).toBe('ok')
    await second.closed
    expect(second.text()).toMatch(/^HTTP\/1\.1 200 .*ok(?:HTTP\/1\.1 503 .*)?$/s)
    await stopped
    // A connection that is kept open does not hold the server up.
    expect(Date.now() - started).toBeLessThan(3000)
    agent.destroy()
  })

  test('closes responses that take longer than its grace', async () => {
    const server = await start(() => new Promise(() => {}), { timeouts: { grace: 200 } })
    const { closed, text } = await open(server.port, REQUEST)
    await wait(50)
    await server.close()
    await closed
    expect(text()).toBe('')
  })

  test('stops when its signal is aborted', async () => {
    const controller = new AbortController()
    const server = await start(ok, { signal: controller.signal })
    expect(await textOf(await responseOf(server.url))).toBe('ok')
    controller.abort()
    await expect
      .poll(() =>
        responseOf(server.url).then(
          () => 'served',
          () => 'refused',
        ),
      )
      .toBe('refused')
  })
})

describe('limits', () => {
  test('further connections are closed', async () => {
    const server = await start(ok, { maxConnections: 2 })
    const first = await open(server.port, REQUEST)
    await open(server.port, REQUEST)
    const third = await open(server.port, REQUEST)
    await third.closed
    expect(third.text()).toBe('')
    await expect.poll(first.text).toContain('200 OK')
    first.socket.destroy()
    await first.closed
    await expect
      .poll(async () => {
        const { socket, text } = await open(server.port, REQUEST)
        await Promise.race([once(socket, 'data'), once(socket, 'close')])
        return text()
      })
      .toContain('200 OK')
  })

  test('a request whose headers arrive slowly is ended', async () => {
    const server = await start(ok, { timeouts: { request: 300 } })
    const { socket, closed, text } = await open(server.port, 'GET / HTTP/1.1\r\nHost: a\r\n')
    const drip = setInterval(() => socket.write('X-Slow: 1\r\n'), 50)
    await closed
    clearInterval(drip)
    expect(text()).toMatch(/^HTTP\/1\.1 408 /)
  })

  test('a connection without a request is closed', async () => {
    const server = await start(ok, { timeouts: { idle: 200 } })
    const { closed, text } = await open(server.port, REQUEST)
    await closed
    expect(text()).toContain('200 OK')
  })

  test('a client that takes no bytes of a response is dropped, and no more of it is made', async () => {
    const { body, made } = pieces(100_000)
    const server = await start(() => ({ status: 200, headers: {}, body }), { timeouts: { stall: 400 } })
    const { socket, closed } = await open(server.port, REQUEST)
    socket.pause()
    const before = Date.now()
    while (made() === 0 || Date.now() - before < 1500) await wait(50)
    const count = made()
    // What the kernel buffers, at most some megabytes.
    expect(count).toBeLessThan(1000)
    socket.resume()
    await closed
    expect(made()).toBeLessThan(count + 3)
  })

  test.each([
    ['too many headers', `${'X-Header: value\r\n'.repeat(5000)}\r\n`],
    ['a long header', `X-Header: ${'v'.repeat(100_000)}\r\n\r\n`],
  ])('%s are refused', async (_, headers) => {
    const server = await start(ok)
    const { closed, text } = await open(server.port, `GET / HTTP/1.1\r\nHost: a\r\n${headers}`)
    await closed
    expect(text()).toMatch(/^HTTP\/1\.1 431 /)
    expect(await textOf(await responseOf(server.url))).toBe('ok')
  })

  test.each([
    ['a request target that is too long', `GET /${'a'.repeat(100_000)} HTTP/1.1\r\nHost: a\r\n\r\n`],
    ['what is not HTTP', '\x16\x03\x01\x02\x00\x01\x00'],
    ['two lengths', 'GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n'],
    ['a length beside chunks', 'GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n'],
  ])('%s is refused', async (_, text) => {
    const server = await start(ok)
    const answer = await open(server.port, text)
    await answer.closed
    expect(answer.text()).toMatch(/^HTTP\/1\.1 4\d\d /)
    expect(answer.text()).not.toContain('200')
  })

  test('a body without an end is not read on', async () => {
    const server = await start(ok)
    const { socket, closed, text } = await open(
      server.port,
      'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n',
    )
    let sent = 0
    const more = setInterval(() => {
      sent++
      socket.write(`10000\r\n${'x'.repeat(1 << 16)}\r\n`)
    }, 5)
    await closed
    clearInterval(more)
    expect(text()).toContain('200 OK')
    expect(sent).toBeLessThan(500)
  })

  test('a small body keeps the connection', async () => {
    const server = await start(ok)
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    const ports = new Set<number | undefined>()
    for (let i = 0; i < 2; i++) {
      const sent = request(server.url, { agent, method: 'POST' })
      sent.end('body')
      const [response] = (await once(sent, 'response')) as [IncomingMessage]
      ports.add(response.socket.localPort)
      await textOf(response)
    }
    expect(ports.size).toBe(1)
    agent.destroy()
  })

  test('requests that are sent without waiting are answered one after the other', async () => {
    let running = 0
    let most = 0
    const order: string[] = []
    const server = await start(async (asked) => {
      most = Math.max(most, ++running)
      await wait(1)
      order.push(asked.target)
      running--
      return ok(asked)
    })
    const targets = Array.from({ length: 200 }, (_, i) => `/${i}`)
    const { text } = await open(server.port, targets.map((path) => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`).join(''))
    await expect.poll(() => text().split('200 OK').length - 1, { timeout: 5000 }).toBe(200)
    expect([most, order]).toEqual([1, targets])
  })

  test('a handler whose client has gone is not asked any more', async () => {
    let asked = 0
    const server = await start(async (wanted) => {
      asked++
      await wait(100)
      return ok(wanted)
    })
    const { socket } = await open(server.port, REQUEST.repeat(50))
    await expect.poll(() => asked).toBe(1)
    socket.destroy()
    await wait(400)
    expect(asked).toBeLessThan(4)
  })
})

test('a body that breaks off sends what there was, and the client sees that it is incomplete', async () => {
  async function* broken(): AsyncGenerator<Uint8Array, void> {
    yield new Uint8Array(100_000)
    throw new Error('broken')
  }
  const server = await start(() => ({ status: 200, headers: { 'content-length': '200000' }, body: broken() }))
  const response = await responseOf(server.url)
  let length = 0
  const failed = await (async () => {
    for await (const chunk of response) length += (chunk as Buffer).length
  })().then(
    () => false,
    () => true,
  )
  expect([failed, length]).toEqual([true, 100_000])
})

test('a handler that throws is a response with status 500, and the server goes on', async () => {
  let fail = true
  const server = await start((asked) => {
    if (fail) throw new Error('a fault')
    return ok(asked)
  })
  expect((await responseOf(server.url)).statusCode).toBe(500)
  fail = false
  expect(await textOf(await responseOf(server.url))).toBe('ok')
})

describeReference('openssl', 'over TLS', () => {
  test('the same is served, and a client that does not speak it is dropped', async () => {
    const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')]
    const subject = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1']
    execFileSync(
      'openssl',
      [
        'req',
        '-x509',
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:prime256v1',
        '-nodes',
        '-keyout',
        key,
        '-out',
        cert,
        ...subject,
      ],
      { stdio: 'ignore' },
    )
    const tls = { key: readFileSync(key), cert: readFileSync(cert) }
    const server = await start(ok, { tls, timeouts: { request: 400 } })
    expect(server.url).toMatch(/^https:/)
    const [response] = (await once(getTls(server.url, { ca: tls.cert, agent: false }), 'response')) as [IncomingMessage]
    expect(await textOf(response)).toBe('ok')
    const plain = await open(server.port, REQUEST)
    await plain.closed
    expect(plain.text()).not.toContain('200 OK')
    const silent = await open(server.port)
    await silent.closed
    await expect(once(getTls(server.url, { agent: false }), 'response')).rejects.toThrow(/self-signed/)
  })
})
