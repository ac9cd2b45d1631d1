/** Tests of authentication: to which servers credentials are sent. */
import { describe, expect, test } from 'vitest'
import { encodeUtf8, readAll } from '../../../src/bytes.ts'
import { parseChallenges } from '../../../src/container/registry/challenge.ts'
import type { Credentials } from '../../../src/container/registry/credentials.ts'
import type { RegistryOptions } from '../../../src/container/registry/options.ts'
import { openRegistryImage } from '../../../src/container/registry/source.ts'
import { IoError } from '../../../src/errors.ts'
import { portablePlatform as platform } from '../../../src/platform/portable.ts'
import { FakeRegistry, type Handler, type Reply } from './fake.ts'

const host = { architecture: 'amd64', os: 'linux' }
const LAYER = new Uint8Array(5000).fill(9)
const PASSWORD = { kind: 'password', username: 'user', password: 'pass:word' } as const
const BASIC = `Basic ${btoa('user:pass:word')}`

function open(registry: FakeRegistry, credentials?: Credentials, more: Partial<RegistryOptions> = {}) {
  const options = registry.options({ credentials: async () => credentials, ...more })
  return openRegistryImage('example.com/a/b:1', { platform, host, registry: options })
}

function fresh(fault: Handler): FakeRegistry {
  const registry = new FakeRegistry(platform)
  registry.putImage('a/b:1', LAYER)
  registry.fault = fault
  return registry
}

const json = (value: object): Reply => ({ body: encodeUtf8(JSON.stringify(value)) })
const unauthorized = (challenge: string): Reply => ({ status: 401, headers: { 'www-authenticate': challenge } })
const BEARER = 'Bearer realm="https://auth.example.com/token?x=1",service="the service",scope="ignored"'

/** Creates a handler for a registry whose tokens are valid for `life` seconds. */
function withTokens(life: number | undefined, challenge = BEARER): { handler: Handler; tokens: string[] } {
  const tokens: string[] = []
  const handler: Handler = ({ url, headers }) => {
    if (url.startsWith('https://auth.example.com/')) {
      tokens.push(`t${tokens.length}`)
      return json({ token: tokens.at(-1), expires_in: life })
    }
    const current = `Bearer ${tokens.at(-1)}`
    return headers['authorization'] === current ? undefined : unauthorized(challenge)
  }
  return { handler, tokens }
}

describe('a token', () => {
  test('a token is requested once for the repository, and then used for all requests (case J2)', async () => {
    const { handler, tokens } = withTokens(300)
    const registry = fresh(handler)
    const source = await open(registry, PASSWORD)
    await Promise.all(source.manifest.layers.map((layer) => readAll(source.blob(layer))))
    await source.config()
    expect(tokens).toEqual(['t0'])
    const [asked] = registry.requests('GET', 'auth.example.com')
    const url = new URL(asked?.url ?? '')
    expect(Object.fromEntries(url.searchParams)).toEqual({
      x: '1',
      account: 'user',
      service: 'the service',
      scope: 'repository:a/b:pull',
    })
    expect(asked?.headers['authorization']).toBe(BASIC)
  })

  test('a token is requested without an account when there are no credentials', async () => {
    const { handler } = withTokens(undefined)
    const registry = fresh(handler)
    await open(registry)
    const [asked] = registry.requests('GET', 'auth.example.com')
    expect(asked?.headers['authorization']).toBeUndefined()
    expect(asked?.url).not.toContain('account')
  })

  test('an identity token is exchanged for a token', async () => {
    const { handler } = withTokens(300)
    const registry = fresh(handler)
    await open(registry, { kind: 'identity-token', token: 'who I am' })
    const [asked] = registry.requests('POST', 'auth.example.com')
    expect(Object.fromEntries(new URLSearchParams(new TextDecoder().decode(asked?.body)))).toMatchObject({
      grant_type: 'refresh_token',
      refresh_token: 'who I am',
      service: 'the service',
      scope: 'repository:a/b:pull',
    })
  })

  test('a token is renewed shortly before it expires', async () => {
    const { handler, tokens } = withTokens(300)
    const registry = fresh(handler)
    const source = await open(registry, PASSWORD)
    registry.clock.pass(294_000)
    await source.config()
    expect(tokens).toHaveLength(1)
    registry.clock.pass(2_000)
    await Promise.all(source.manifest.layers.map((layer) => readAll(source.blob(layer))))
    expect(tokens).toHaveLength(2)
  })

  test('a token that is rejected before it expires is renewed', async () => {
    const { handler, tokens } = withTokens(300)
    const registry = fresh(handler)
    const source = await open(registry, PASSWORD)
    tokens.push('revoked')
    await source.config()
    expect(tokens).toHaveLength(3)
  })

  test('a token that is always rejected is requested only twice', async () => {
    const registry = fresh(({ url }) => {
      if (url.startsWith('https://auth')) return json({ access_token: 'wrong' })
      return unauthorized(BEARER)
    })
    await expect(open(registry, PASSWORD)).rejects.toMatchObject({ code: 'denied', data: { status: 401 } })
    expect(registry.requests('GET', 'auth.example.com')).toHaveLength(2)
  })

  test('a token of a wider scope is requested when the registry demands it', async () => {
    const { handler } = withTokens(300)
    let scopes: string[] = []
    const registry = fresh((seen) => {
      if (seen.url.includes('auth.example.com')) scopes = new URL(seen.url).searchParams.getAll('scope')
      const short = seen.url.includes('/manifests/') && !scopes.includes('repository:up/stream:pull')
      const challenge = `${BEARER.replace('ignored', 'repository:up/stream:pull')},error="insufficient_scope"`
      return short && seen.headers['authorization'] !== undefined
        ? { ...unauthorized(challenge), status: 403 }
        : handler(seen)
    })
    await open(registry, PASSWORD)
    expect(scopes).toEqual(['repository:a/b:pull', 'repository:up/stream:pull'])
  })

  test.each([
    ['a realm over plain HTTP', BEARER.replace('https://auth', 'http://auth'), /credentials are not sent to http:/],
    ['a realm that is not a URL', 'Bearer realm="nowhere"', /credentials are not sent to nowhere/],
    ['no realm', 'Bearer service="x"', /missing realm in bearer auth challenge/],
  ])('a token is not requested from %s', async (_, challenge, message) => {
    const registry = fresh(({ headers }) => (headers['authorization'] ? undefined : unauthorized(challenge)))
    await expect(open(registry, PASSWORD)).rejects.toMatchObject({ message: expect.stringMatching(message) })
    expect(registry.seen.every(({ headers }) => headers['authorization'] === undefined)).toBe(true)
  })

  test('an anonymous token is not requested over plain HTTP when the registry is reached over TLS', async () => {
    const challenge = BEARER.replace('https://auth', 'http://auth')
    const registry = fresh(({ headers }) => (headers['authorization'] ? undefined : unauthorized(challenge)))
    await expect(open(registry)).rejects.toMatchObject({
      code: 'denied',
      message: expect.stringContaining('a token is not requested from http://auth.example.com/'),
    })
    expect(registry.requests('GET', 'http://')).toEqual([])
  })

  test.each([
    [307, 'https://other.example.org/token'],
    [308, 'https://other.example.org/token'],
    [307, 'http://auth.example.com/token'],
    [308, 'https://auth.example.com:8443/token'],
    [307, 'http://other.example.org/token'],
  ])('an identity token does not follow a redirect (%i) to %s', async (status, location) => {
    const registry = fresh(({ method, url, headers }) => {
      if (method === 'POST' && url.startsWith('https://auth.example.com/')) return { status, headers: { location } }
      if (method === 'POST') return json({ token: 't' })
      return headers['authorization'] ? undefined : unauthorized(BEARER)
    })
    const secret = 'refresh-secret'
    const error = await open(registry, { kind: 'identity-token', token: secret }).catch((thrown) => thrown)
    expect(error).toMatchObject({ name: 'RegistryError', message: expect.stringMatching(/redirects to/) })
    expect(`${error.message} ${JSON.stringify(error.data)}`).not.toContain(secret)
    const posted = registry.requests('POST')
    expect(posted).toHaveLength(1)
    expect(posted[0]?.url.startsWith('https://auth.example.com/token')).toBe(true)
  })

  test('an identity token follows a redirect on its own origin', async () => {
    const registry = fresh(({ method, url, headers }) => {
      if (method === 'POST' && !url.includes('/moved')) return { status: 308, headers: { location: '/moved' } }
      if (method === 'POST') return json({ token: 't' })
      return headers['authorization'] ? undefined : unauthorized(BEARER)
    })
    await open(registry, { kind: 'identity-token', token: 'refresh' })
    expect(registry.requests('POST', 'https://auth.example.com/moved')).toHaveLength(1)
  })

  test('a password does not follow a redirect of the token server to another origin', async () => {
    const registry = fresh(({ url, headers }) => {
      if (url.startsWith('https://auth.example.com/')) {
        return { status: 302, headers: { location: 'https://other.example.org/token' } }
      }
      if (url.startsWith('https://other.example.org/')) return json({ token: 't' })
      return headers['authorization'] ? undefined : unauthorized(BEARER)
    })
    await open(registry, PASSWORD)
    expect(registry.requests('GET', 'auth.example.com')[0]?.headers['authorization']).toBe(BASIC)
    expect(registry.requests('GET', 'other.example.org').map(({ headers }) => headers['authorization'])).toEqual([
      undefined,
    ])
  })

  test.each([
    ['a refusal', { status: 401, body: encodeUtf8('secret text') }, 'denied'],
    ['text that is not JSON', { body: encodeUtf8('secret text') }, 'network'],
    ['an object without a token', json({ expires_in: 60 }), 'network'],
    ['a token of two lines', json({ token: 'a\r\nsecret text: b' }), 'network'],
    ['a missing page', { status: 404 }, 'not-found'],
  ])(
    'when the token server returns %s, the error reveals neither the answer nor the password',
    async (_, reply, code) => {
      const registry = fresh(({ url, headers }) => {
        if (url.startsWith('https://auth')) return reply
        return headers['authorization'] ? undefined : unauthorized(BEARER)
      })
      const error = await open(registry, PASSWORD).catch((thrown) => thrown)
      expect(error).toMatchObject({ code, message: expect.stringContaining('unable to retrieve auth token') })
      const told = `${error.stack} ${JSON.stringify(error.data)} ${error.cause?.stack}`
      expect(told).not.toMatch(/secret text|pass:word/)
    },
  )
})

describe('a password', () => {
  test('a password is sent after a Basic challenge, and with all later requests', async () => {
    const registry = fresh(({ headers }) => (headers['authorization'] ? undefined : unauthorized('Basic realm="x"')))
    const source = await open(registry, PASSWORD)
    await source.config()
    const shown = registry.seen.filter(({ headers }) => headers['authorization'] === BASIC)
    expect(shown.length).toBe(registry.seen.length - 1)
  })

  test('a rejected password is not sent again', async () => {
    const registry = fresh(() => unauthorized('Basic realm="x"'))
    await expect(open(registry, PASSWORD)).rejects.toMatchObject({ code: 'denied' })
    expect(registry.seen.filter(({ headers }) => headers['authorization'] !== undefined)).toHaveLength(1)
  })

  test('a password is not sent without a challenge', async () => {
    const registry = fresh(() => undefined)
    await open(registry, PASSWORD)
    expect(registry.seen.every(({ headers }) => headers['authorization'] === undefined)).toBe(true)
  })
})

describe('a redirect', () => {
  async function follow(location: string): Promise<[string, string | undefined][]> {
    const registry = fresh(({ url, headers }) => {
      if (url.includes('/blobs/') && !url.includes('moved')) return { status: 307, headers: { location } }
      if (url.includes('moved')) return { body: LAYER }
      return headers['authorization'] ? undefined : unauthorized('Basic realm="x"')
    })
    const source = await open(registry, PASSWORD)
    for (const layer of source.manifest.layers) await readAll(source.blob(layer))
    return registry.requests('GET', 'moved').map(({ url, headers }) => [url, headers['authorization']])
  }

  test('a redirect to another host does not carry credentials (case J2)', async () => {
    const url = 'https://cdn.example.org/moved?signature=1'
    expect(await follow(url)).toEqual([[url, undefined]])
    expect(await follow('https://sub.example.com/moved')).toEqual([['https://sub.example.com/moved', undefined]])
    expect(await follow('https://example.com:8443/moved')).toEqual([['https://example.com:8443/moved', undefined]])
    expect(await follow('https://u:p@cdn.example.org/moved')).toEqual([['https://cdn.example.org/moved', undefined]])
  })

  test('another host gets no credentials after a redirect, even if it challenges for them', async () => {
    const registry = fresh(({ url, headers }) => {
      if (url.startsWith('https://cdn.example.org/'))
        return unauthorized('Bearer realm="https://cdn.example.org/token"')
      if (url.includes('/blobs/')) return { status: 307, headers: { location: 'https://cdn.example.org/moved' } }
      return headers['authorization'] ? undefined : unauthorized('Basic realm="x"')
    })
    const source = await open(registry, PASSWORD)
    const [layer] = source.manifest.layers
    if (layer === undefined) throw new Error('no layer')
    await expect(readAll(source.blob(layer))).rejects.toMatchObject({ code: 'denied' })
    const strange = registry.requests('GET', 'cdn.example.org')
    expect(strange.map(({ url, headers }) => [url, headers['authorization']])).toEqual([
      ['https://cdn.example.org/moved', undefined],
    ])
  })

  test('a redirect that comes back from another host does not carry credentials', async () => {
    const registry = fresh(({ url, headers }) => {
      if (url.startsWith('https://cdn.example.org/'))
        return { status: 307, headers: { location: 'https://example.com/moved' } }
      if (url.includes('/blobs/')) return { status: 307, headers: { location: 'https://cdn.example.org/x' } }
      if (url.includes('moved')) return { body: LAYER }
      return headers['authorization'] ? undefined : unauthorized('Basic realm="x"')
    })
    const source = await open(registry, PASSWORD)
    for (const layer of source.manifest.layers) await readAll(source.blob(layer))
    expect(registry.requests('GET', '/moved').map(({ headers }) => headers['authorization'])).toEqual([undefined])
  })

  test('a redirect on the same host carries credentials', async () => {
    expect(await follow('/moved')).toEqual([['https://example.com/moved', BASIC]])
    expect(await follow('https://example.com/moved')).toEqual([['https://example.com/moved', BASIC]])
  })
})

describe('plain HTTP', () => {
  const noTls: Handler = ({ url }) => {
    if (url.startsWith('https:')) throw Object.assign(new Error('wrong version number'), { code: 'EPROTO' })
    return undefined
  }

  test('plain HTTP is used if TLS fails and insecure is set', async () => {
    const registry = fresh(noTls)
    await open(registry, undefined, { insecure: true })
    expect(registry.requests('GET', '/manifests/')[0]?.url).toBe('http://example.com/v2/a/b/manifests/1')
  })

  test('plain HTTP is not used without insecure, and the TLS error is not retried', async () => {
    const registry = fresh(noTls)
    await expect(open(registry)).rejects.toMatchObject({ code: 'network', message: expect.stringContaining('EPROTO') })
    expect(registry.seen).toHaveLength(1)
  })

  test('when neither TLS nor plain HTTP gives an answer, the error has both reasons', async () => {
    const registry = fresh(({ url }) => {
      if (url.startsWith('https:')) throw Object.assign(new Error('wrong version number'), { code: 'EPROTO' })
      throw Object.assign(new Error('socket hang up'), { code: 'ECONNRESET' })
    })
    await expect(open(registry, undefined, { insecure: true, retries: 0 })).rejects.toMatchObject({
      code: 'network',
      message:
        'example.com/a/b: pinging the registry: over TLS: connection failed: EPROTO; over plain HTTP: connection failed: ECONNRESET',
      data: { retryable: true },
    })
  })

  test('an error of credentials after plain HTTP was chosen is reported, not that of TLS', async () => {
    const registry = fresh(noTls)
    const credentials = async () => {
      throw new IoError('the helper is not installed', 'ENOENT')
    }
    await expect(open(registry, undefined, { insecure: true, credentials })).rejects.toMatchObject({
      code: 'io',
      message: expect.stringContaining('the helper is not installed'),
    })
  })

  test('a refusal over plain HTTP is reported, not the error of TLS', async () => {
    const registry = fresh((seen) => noTls(seen) ?? { status: 403 })
    await expect(open(registry, undefined, { insecure: true })).rejects.toMatchObject({
      code: 'denied',
      data: { status: 403 },
    })
  })

  test('plain HTTP is not used after a refusal over TLS', async () => {
    const registry = fresh(() => ({ status: 403 }))
    await expect(open(registry, undefined, { insecure: true })).rejects.toMatchObject({ code: 'denied' })
    expect(registry.seen.every(({ url }) => url.startsWith('https:'))).toBe(true)
  })
})

describe('authentication challenges', () => {
  const parsed = (header: string) =>
    parseChallenges(header).map(({ scheme, parameters }) => [scheme, Object.fromEntries(parameters)])

  test.each([
    [
      'Bearer realm="https://a/t",service="s",scope="repository:a:pull,push"',
      [['bearer', { realm: 'https://a/t', service: 's', scope: 'repository:a:pull,push' }]],
    ],
    ['bearer Realm = "a" , SERVICE=s', [['bearer', { realm: 'a', service: 's' }]]],
    ['Basic realm="a \\"b\\" \\\\ c"', [['basic', { realm: 'a "b" \\ c' }]]],
    ['Basic realm="not closed', [['basic', { realm: 'not closed' }]]],
    [
      'Negotiate, Basic realm="a", Bearer realm=b',
      [
        ['negotiate', {}],
        ['basic', { realm: 'a' }],
        ['bearer', { realm: 'b' }],
      ],
    ],
    [
      'Negotiate YII+/==, Basic realm=x',
      [
        ['negotiate', {}],
        ['basic', { realm: 'x' }],
      ],
    ],
    ['Basic', [['basic', {}]]],
    ['Bearer realm="a",,  realm="b"', [['bearer', { realm: 'a' }]]],
    [
      '"stray" = , Basic realm=',
      [
        ['stray', {}],
        ['basic', { realm: '' }],
      ],
    ],
    ['', []],
  ])('the header "%s" is parsed to its challenges', (header, challenges) => {
    if (header.startsWith('"stray"')) expect(parsed(header).at(-1)?.[0]).toBe('basic')
    else expect(parsed(header)).toEqual(challenges)
  })
})
