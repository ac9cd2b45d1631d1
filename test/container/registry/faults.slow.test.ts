/** Tests of docker-registry behind a proxy that injects faults, over real sockets. */
import { createSign } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { listImages, pullImage } from '../../../src/container/index.ts'
import { openRegistryDestination } from '../../../src/container/registry/destination.ts'
import type { RegistryOptions } from '../../../src/container/registry/options.ts'
import { webNetwork } from '../../../src/platform/index.ts'
import { nodePlatform } from '../../../src/platform/node.ts'
import { createMemoryStorage, Repo } from '../../../src/repo/index.ts'
import { nodeFiles } from '../../../src/system/local-files.ts'
import { nodeNetwork } from '../../../src/system/network.ts'
import { describeReference, run } from '../../support/reference.ts'
import { temporaryFolder } from '../../support/temporary.ts'
import { startProxy, type TestProxy } from './proxy.ts'
import { makeCertificate, startRegistry, TESTER, type TestRegistry, TOKEN_ISSUER, TOKEN_SERVICE } from './server.ts'

const LAYOUT = fileURLToPath(new URL('../../../examples/exampleos', import.meta.url))
const host = { architecture: 'amd64', os: 'linux' }
const quick = { insecure: true, firstDelay: 5 }

async function fresh(): Promise<Repo> {
  return await Repo.open(createMemoryStorage({ mode: 'bare-user', platform: nodePlatform }), nodePlatform)
}

async function pullFrom(reference: string, registry?: RegistryOptions, repo?: Repo): Promise<string> {
  const options = { host, files: nodeFiles, registry, readAhead: { layers: 0 } }
  return (await pullImage(repo ?? (await fresh()), `ostree-unverified-image:${reference}`, options)).mergeCommit
}

describeReference(['docker-registry', 'skopeo'], 'a registry behind a faulty connection', () => {
  let registry: TestRegistry
  let proxy: TestProxy
  let wanted = ''
  beforeAll(async () => {
    registry = await startRegistry()
    run('skopeo', ['copy', '--dest-tls-verify=false', `oci:${LAYOUT}:1.0`, `docker://${registry.host}/os:1`])
    wanted = await pullFrom(`oci:${LAYOUT}:1.0`)
  })
  beforeEach(async () => {
    proxy = await startProxy(registry.host)
  })
  afterEach(async () => await proxy?.[Symbol.asyncDispose]())
  afterAll(async () => await registry?.[Symbol.asyncDispose]())
  const image = () => `docker://${proxy.host}/os:1`
  const isBlob = (path: string) => path.includes('/blobs/sha256:')

  describe.each([
    ['node:http', nodeNetwork()],
    ['the global fetch', webNetwork],
  ])('requests over %s', (_, network) => {
    const options = { ...quick, network }

    test.each([0, 1, 100, 4096, 60_000])('a blob whose connection breaks at byte %i is resumed', async (cutAt) => {
      const cut = new Set<string>()
      proxy.spoil = ({ path, headers }) => {
        if (!isBlob(path) || cut.has(path) || headers.range !== undefined) return undefined
        cut.add(path)
        return { cutAt }
      }
      expect(await pullFrom(image(), options)).toBe(wanted)
      const resumed = proxy.seen.filter(({ headers }) => headers.range !== undefined)
      if (cutAt > 0) expect(resumed.length).toBeGreaterThan(0)
    })

    test('a partial answer with a wrong range is not used', async () => {
      let cut = false
      proxy.spoil = ({ path, headers }) => {
        if (!isBlob(path)) return undefined
        if (headers.range !== undefined) return { headers: { 'content-range': 'bytes 0-99/100' } }
        if (cut) return undefined
        cut = true
        return { cutAt: 100 }
      }
      expect(await pullFrom(image(), options)).toBe(wanted)
    })

    test('requests to a busy registry are retried', async () => {
      const busy = new Map<string, number>()
      proxy.spoil = ({ path }) => {
        const times = (busy.get(path) ?? 0) + 1
        busy.set(path, times)
        return times <= 2 ? { answer: { status: times === 1 ? 429 : 503, headers: { 'retry-after': '0' } } } : undefined
      }
      expect(await pullFrom(image(), options)).toBe(wanted)
    })

    test('a stalled download is dropped and resumed', async () => {
      let stalled = false
      proxy.spoil = ({ path }) => {
        if (!isBlob(path) || stalled) return undefined
        stalled = true
        return { stallAt: 150 }
      }
      const speedLimit = { bytes: 1000, milliseconds: 200 }
      expect(await pullFrom(image(), { ...options, speedLimit })).toBe(wanted)
    })

    test('a web page instead of an image is an error, and nothing is stored', async () => {
      const body = '<html>Please log in</html>'
      const repo = await fresh()
      for (const part of ['/manifests/', '/blobs/']) {
        const answer = { status: 200, headers: { 'content-type': 'text/html' }, body }
        proxy.spoil = ({ path }) => (path.includes(part) ? { answer } : undefined)
        const pulling = pullFrom(image(), options, repo)
        await expect(pulling).rejects.toMatchObject({ code: 'network', message: expect.stringContaining('web page') })
      }
      expect(await listImages(repo)).toEqual([])
      proxy.spoil = () => undefined
      expect(await pullFrom(image(), options, repo)).toBe(wanted)
    })

    test('a repeated pull does not fetch layers that were complete before the first one failed', async () => {
      const repo = await fresh()
      const layers = new Set<string>()
      proxy.spoil = ({ path }) => {
        if (!isBlob(path)) return undefined
        layers.add(path)
        return layers.size > 2 ? { cutAt: 10 } : undefined
      }
      await expect(pullFrom(image(), { ...options, retries: 1 }, repo)).rejects.toMatchObject({ code: 'network' })
      const [, first] = [...layers]
      proxy.seen.length = 0
      proxy.spoil = () => undefined
      expect(await pullFrom(image(), options, repo)).toBe(wanted)
      expect(proxy.seen.filter(({ path }) => path === first)).toEqual([])
    })

    test('a redirect to another host is followed without credentials', async () => {
      await using elsewhere = await startProxy(registry.host)
      proxy.spoil = ({ path, headers }) => {
        if (headers.authorization === undefined) {
          return { answer: { status: 401, headers: { 'www-authenticate': 'Basic realm="x"' } } }
        }
        return isBlob(path)
          ? { answer: { status: 307, headers: { location: `http://${elsewhere.host}${path}` } } }
          : undefined
      }
      const credentials = async () => ({ kind: 'password', ...TESTER }) as const
      expect(await pullFrom(image(), { ...options, credentials })).toBe(wanted)
      expect(elsewhere.seen.length).toBeGreaterThan(2)
      expect(elsewhere.seen.filter(({ headers }) => headers.authorization !== undefined)).toEqual([])
    })

    test('an interrupted upload succeeds or fails with a retryable error', async () => {
      const content = Uint8Array.from({ length: 300_000 }, (_, i) => (i * 7) & 255)
      async function* bytes() {
        for (let at = 0; at < content.length; at += 10_000) yield content.slice(at, at + 10_000)
      }
      for (const [uploadPiece, cutRequestAt] of [
        [100_000, 0],
        [100_000, 50_000],
        [1_000_000, 0],
        [1_000_000, 150_000],
        [0, 0],
        [0, 150_000],
      ] as const) {
        const name = `${proxy.host}/cut${uploadPiece}-${cutRequestAt}:1`
        let cut = false
        proxy.spoil = ({ method }) => {
          if (cut || !['PATCH', 'PUT'].includes(method)) return undefined
          cut = true
          return { cutRequestAt }
        }
        const more = { ...options, uploadPiece }
        await using into = openRegistryDestination(name, { platform: nodePlatform, host, registry: more })
        const sent = await into.putBlob(bytes()).catch((error) => {
          // A registry that lost the offset fails with a retryable error; the blob is then sent again.
          expect(error.data).toMatchObject({ retryable: true })
          return into.putBlob(bytes())
        })
        expect(sent.digest).toBe(`sha256:${nodePlatform.sha256(content)}`)
        expect(await into.hasBlob(sent)).toBe(true)
      }
    })
  })
})

describeReference(['docker-registry', 'openssl'], 'a registry with a token server', () => {
  const directory = temporaryFolder('disk')

  /** Creates a token. @param life seconds until it expires; negative for an expired one */
  function token(key: string, certificate: string, access: object[], life: number): string {
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
    const x5c = [certificate.replace(/-----[^-]+-----|\s/g, '')]
    const now = Math.floor(Date.now() / 1000)
    const claims = { iss: TOKEN_ISSUER, aud: TOKEN_SERVICE, sub: '', nbf: now - 600, iat: now - 600, exp: now + life }
    const head = `${part({ typ: 'JWT', alg: 'ES256', x5c })}.${part({ ...claims, jti: `${now}`, access })}`
    const signature = createSign('sha256').update(head).sign({ key, dsaEncoding: 'ieee-p1363' }, 'base64url')
    return `${head}.${signature}`
  }

  test('blobs are pushed and mounted with tokens, and expired tokens are renewed', async () => {
    const made = makeCertificate(directory, 'token')
    const key = readFileSync(made.key, 'utf8')
    const certificate = readFileSync(made.certificate, 'utf8')
    const lives = [-300, 600, 600, 600]
    const asked: string[] = []
    const server = createServer((incoming, outgoing) => {
      const { searchParams } = new URL(incoming.url ?? '', 'http://x')
      const scopes = searchParams.getAll('scope')
      asked.push(scopes.join(' '))
      const access = scopes.map((scope) => {
        const [type, name, actions = ''] = scope.split(':')
        return { type, name, actions: actions.split(',') }
      })
      outgoing.end(JSON.stringify({ token: token(key, certificate, access, lives.shift() ?? 600), expires_in: 600 }))
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as { port: number }
    await using registry = await startRegistry({ token: { realm: `http://127.0.0.1:${port}/token`, certificate } })
    try {
      const options = { ...quick, network: nodeNetwork() }
      const context = { platform: nodePlatform, host, registry: options }
      await using from = openRegistryDestination(`${registry.host}/from:1`, context)
      const blob = await from.putBlob(
        (async function* () {
          yield new Uint8Array(5000)
        })(),
      )
      // The first token was already expired.
      expect(asked).toEqual(['repository:from:pull,push', 'repository:from:pull,push'])
      await using to = openRegistryDestination(`${registry.host}/to:1`, context)
      expect(await to.hasBlob(blob, { transport: 'registry', name: `${registry.host}/from:1` })).toBe(true)
      expect(asked.slice(2)).toEqual(['repository:to:pull,push', 'repository:to:pull,push repository:from:pull'])
    } finally {
      server.closeAllConnections()
      server.close()
    }
  })
})
