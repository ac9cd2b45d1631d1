/** Tests of proxies: which one is chosen, and how registries are reached through it. */
import { mkdirSync, symlinkSync } from 'node:fs'
import { createServer, type IncomingMessage, request } from 'node:http'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { pullImage } from '../../../src/container/index.ts'
import { nodePlatform } from '../../../src/platform/node.ts'
import { createMemoryStorage, Repo } from '../../../src/repo/index.ts'
import { nodeFiles } from '../../../src/system/local-files.ts'
import { type NodeNetworkOptions, nodeNetwork } from '../../../src/system/network.ts'
import { type ProxySettings, proxiesOf, proxyFor } from '../../../src/system/proxy.ts'
import { describeReference, run } from '../../support/reference.ts'
import { temporaryFolder } from '../../support/temporary.ts'
import { startRegistry, type TestRegistry } from './server.ts'

const LAYOUT = fileURLToPath(new URL('../../../examples/exampleos', import.meta.url))
const PROXY = 'http://proxy.example:3128'

describe('the choice of a proxy', () => {
  const chosen = (url: string, settings: ProxySettings) => proxyFor(new URL(url), settings)?.href

  test('proxies are read from the environment, in upper or lower case', () => {
    const both = { https_proxy: 'secure:1', HTTP_PROXY: 'plain:2', http_proxy: 'other:3', no_proxy: '' }
    expect(proxiesOf(both)).toEqual({ https: 'secure:1', http: 'plain:2', none: undefined })
    expect(chosen('https://quay.io/v2/', proxiesOf(both))).toBe('http://secure:1/')
    expect(chosen('http://quay.io/v2/', proxiesOf(both))).toBe('http://plain:2/')
    expect(chosen('https://quay.io/v2/', proxiesOf({ HTTP_PROXY: 'plain:2' }))).toBeUndefined()
  })

  test.each([
    ['*', 'quay.io', false],
    ['', 'quay.io', true],
    [' , example.com', 'quay.io', true],
    ['quay.io', 'quay.io', false],
    ['QUAY.io', 'cdn.quay.io', false],
    ['quay.io', 'notquay.io', true],
    ['.quay.io', 'quay.io', true],
    ['.quay.io', 'cdn.quay.io', false],
    ['*.quay.io', 'cdn.quay.io', false],
    ['*.quay.io', 'quay.io', true],
    ['quay.io:443', 'quay.io', false],
    ['quay.io:444', 'quay.io', true],
    ['quay.io:5000', 'quay.io:5000', false],
    ['10.0.0.0/8', '10.20.30.40', false],
    ['10.0.0.0/8', '11.20.30.40', true],
    ['10.0.0.0/99', '10.20.30.40', true],
    ['10.1.2.3', '10.1.2.3', false],
    ['10.1.2.3:80', '10.1.2.3', true],
    ['fe80::/10', '[fe80::1]', false],
    ['2001:db8::1', '[2001:db8::1]:5000', false],
    ['[2001:db8::1]:5000', '[2001:db8::1]:5000', false],
    ['[2001:db8::1]:5000', '[2001:db8::1]', true],
    ['', 'localhost:5000', false],
    ['', '127.8.9.1', false],
    ['', '[::1]:5000', false],
  ])('with NO_PROXY=%j the use of a proxy for %s is %s', (none, host, asked) => {
    expect(chosen(`https://${host}/v2/`, { https: PROXY, none }) !== undefined).toBe(asked)
  })

  test('an invalid or unsupported proxy is an error without the password', () => {
    expect(() => chosen('https://quay.io/', { https: 'socks5://h:1' })).toThrow('Proxies of kind socks5:')
    const fault = () => chosen('https://quay.io/', { https: 'http://me:secret@:::' })
    expect(fault).toThrow('Invalid proxy')
    expect(fault).not.toThrow('secret')
  })
})

interface Tunnelled {
  readonly method: string
  readonly url: string
  readonly authorization: string | undefined
}

/** Starts a proxy that forwards requests for `registry.test` to a given address. */
async function startForwarder() {
  const seen: Tunnelled[] = []
  let target = ''
  let answer: number | undefined
  const note = ({ method = '', url = '', headers }: IncomingMessage) =>
    seen.push({ method, url, authorization: headers['proxy-authorization'] })
  const server = createServer((incoming, outgoing) => {
    note(incoming)
    if (answer !== undefined) return void outgoing.writeHead(answer).end()
    const { host: _, ...headers } = incoming.headers
    const url = new URL(incoming.url ?? '')
    const further = request(`http://${target}${url.pathname}${url.search}`, { method: incoming.method ?? '', headers })
    further.on('response', (response) => {
      outgoing.writeHead(response.statusCode ?? 500, response.headers)
      response.pipe(outgoing)
    })
    incoming.pipe(further)
  })
  const sockets = new Set<Socket>()
  server.on('connect', (incoming: IncomingMessage, socket: Socket) => {
    note(incoming)
    if (answer !== undefined) return void socket.end(`HTTP/1.1 ${answer} no\r\ncontent-length: 0\r\n\r\n`)
    const [host = '', port = ''] = target.split(':')
    const further = connect(Number(port), host, () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n')
      further.pipe(socket).pipe(further)
    })
    for (const end of [socket, further]) {
      sockets.add(end)
      end.on('error', () => {})
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return {
    seen,
    host: `127.0.0.1:${address.port}`,
    lead(to: string, status?: number) {
      target = to
      answer = status
      seen.length = 0
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

describeReference(['docker-registry', 'skopeo', 'openssl'], 'a registry behind a proxy', () => {
  let proxy: Awaited<ReturnType<typeof startForwarder>>
  let plain: TestRegistry
  let secure: TestRegistry
  beforeAll(async () => {
    proxy = await startForwarder()
    plain = await startRegistry()
    secure = await startRegistry({ tls: true })
    const to = (registry: TestRegistry) => `docker://${registry.host}/os:1`
    run('skopeo', ['copy', '--dest-tls-verify=false', `oci:${LAYOUT}:1.0`, to(plain)])
    run('skopeo', ['copy', `--dest-cert-dir=${secure.certificates}`, `oci:${LAYOUT}:1.0`, to(secure)])
  }, 60_000)
  afterAll(async () => {
    for (const server of [proxy, plain, secure]) await server?.[Symbol.asyncDispose]()
  })
  beforeEach(() => proxy.lead(''))

  type Options = { insecure?: boolean } & Omit<NodeNetworkOptions, 'proxies'>
  async function pull(proxies: ProxySettings | undefined, { insecure = false, ...settings }: Options = {}) {
    await using repo = await Repo.open(createMemoryStorage({ mode: 'bare-user', platform: nodePlatform }), nodePlatform)
    const network = nodeNetwork({ proxies, ...settings })
    const registry = { network, insecure, firstDelay: 1, retries: 1 }
    const host = { architecture: 'amd64', os: 'linux' }
    const image = 'ostree-unverified-registry:registry.test/os:1'
    return (await pullImage(repo, image, { host, files: nodeFiles, registry })).layersFetched
  }

  test('TLS to the registry is end-to-end through the proxy', async () => {
    proxy.lead(secure.host)
    const proxies = { https: `http://me:se%20cret@${proxy.host}` }
    expect(await pull(proxies, { certificateDirectory: secure.certificates })).toBeGreaterThan(0)
    const authorization = `Basic ${Buffer.from('me:se cret').toString('base64')}`
    expect(new Set(proxy.seen.map((each) => JSON.stringify(each)))).toEqual(
      new Set([JSON.stringify({ method: 'CONNECT', url: 'registry.test:443', authorization })]),
    )
    await expect(pull(proxies)).rejects.toThrow(/DEPTH_ZERO_SELF_SIGNED/)
  })

  test('the environment names the proxy and the certificates, if the network is given it', async () => {
    proxy.lead(secure.host)
    const HOME = temporaryFolder()
    const certificates = join(HOME, '.config/containers/certs.d')
    mkdirSync(certificates, { recursive: true })
    symlinkSync(secure.certificates, join(certificates, 'registry.test'))
    const environment = { HTTPS_PROXY: `http://${proxy.host}`, HOME }
    expect(await pull(undefined, { environment })).toBeGreaterThan(0)
    expect(proxy.seen.length).toBeGreaterThan(0)
    const elsewhere = { ...environment, HOME: '/nowhere' }
    await expect(pull(undefined, { environment: elsewhere })).rejects.toThrow(/DEPTH_ZERO_SELF_SIGNED/)
  })

  test('plain HTTP requests are sent to the proxy', async () => {
    proxy.lead(plain.host)
    expect(await pull({ https: proxy.host, http: proxy.host }, { insecure: true })).toBeGreaterThan(0)
    const [first, second] = proxy.seen
    expect(first?.method).toBe('CONNECT')
    expect(second).toMatchObject({ method: 'GET', url: 'http://registry.test/v2/' })
  })

  test.each([403, 407, 502])('the error about status %i names the proxy', async (status) => {
    proxy.lead(secure.host, status)
    const pulling = pull({ https: `me:secret@${proxy.host}` }, { certificateDirectory: secure.certificates })
    await expect(pulling).rejects.toThrow(`proxy ${proxy.host} answers ${status} for registry.test:443`)
    expect(proxy.seen).toHaveLength(status === 502 ? 2 : 1)
  })

  test('an unreachable proxy is not bypassed', async () => {
    await expect(pull({ https: '127.0.0.1:1', http: '127.0.0.1:1' }, { insecure: true })).rejects.toThrow(
      'ECONNREFUSED',
    )
  })
})
