/** Tests of image names, auth files and rules for registries. */
import { describe, expect, test } from 'vitest'
import { encodeUtf8, readAll } from '../../../src/bytes.ts'
import { formatRegistryReference, parseRegistryReference } from '../../../src/container/oci/registry-reference.ts'
import { credentialsFromFiles, parseAuthFile } from '../../../src/container/registry/credentials.ts'
import { endpointsOf, type RegistryRule } from '../../../src/container/registry/endpoints.ts'
import { openRegistryImage } from '../../../src/container/registry/source.ts'
import { portablePlatform as platform } from '../../../src/platform/portable.ts'
import { describeReference, run } from '../../support/reference.ts'
import { cut, FakeRegistry, failure } from './fake.ts'

const DIGEST = `sha256:${'a'.repeat(64)}`

describe('the name of an image', () => {
  test.each([
    ['busybox', 'docker.io/library/busybox:latest'],
    ['a/busybox:1', 'docker.io/a/busybox:1'],
    ['index.docker.io/busybox', 'docker.io/library/busybox:latest'],
    ['docker.io/a/b', 'docker.io/a/b:latest'],
    ['localhost/a', 'localhost/a:latest'],
    ['localhost:5000/a:1.0_x', 'localhost:5000/a:1.0_x'],
    ['localhost:5000', 'docker.io/library/localhost:5000'],
    ['quay.io/a/b/c-d__e.f', 'quay.io/a/b/c-d__e.f:latest'],
    ['Host/a', 'Host/a:latest'],
    ['[::1]:5000/a', '[::1]:5000/a:latest'],
    [`quay.io/a@${DIGEST}`, `quay.io/a@${DIGEST}`],
    [`quay.io/a:tag@${DIGEST}`, `quay.io/a@${DIGEST}`],
  ])('the name %s stands for %s', (name, full) => {
    expect(formatRegistryReference(parseRegistryReference(name))).toBe(full)
  })

  test.each([
    '',
    'a:',
    'a:-b',
    'UPPER',
    'quay.io/Upper',
    'a//b',
    'quay.io/',
    'a b',
    '-a',
    'a/../b',
    'a@sha256:12',
    `a@${DIGEST}x`,
    'example.com:port/a',
    'exa mple.com/a',
    'user:pass@example.com/a',
    `a:${'t'.repeat(129)}`,
    `a/${'b'.repeat(260)}`,
  ])('the name "%s" is rejected', (name) => {
    expect(() => parseRegistryReference(name)).toThrow(expect.objectContaining({ code: 'invalid' }))
  })
})

describeReference('skopeo', 'rejected names, compared with skopeo', () => {
  test.each(['a:', 'UPPER', 'quay.io/Upper', 'a//b', '-a', 'a@sha256:12'])(
    'the name "%s" is rejected by skopeo too',
    (name) => {
      expect(() => run('skopeo', ['inspect', `docker://${name}`])).toThrow(
        /invalid reference format|must be lowercase|invalid checksum/,
      )
    },
  )
})

describe('an auth file', () => {
  const basic = (user: string) => ({ auth: btoa(`${user}:secret:1\0\0`) })
  const file = (document: object) => parseAuthFile(encodeUtf8(JSON.stringify(document)))
  const auths = {
    'quay.io': basic('host'),
    'quay.io/a': basic('namespace'),
    'quay.io/a/b': basic('repository'),
    'https://index.docker.io/v1/': basic('hub'),
    'http://plain.example.com/v2/': basic('plain'),
    'token.example.com': { ...basic('x'), identitytoken: 'T' },
    'empty.example.com': {},
  }
  const userOf = async (name: string, document: object = { auths }) => {
    const found = await credentialsFromFiles([file(document)])(parseRegistryReference(name))
    return found?.kind === 'password' ? found.username : found?.token
  }

  test.each([
    ['quay.io/a/b', 'repository'],
    ['quay.io/a/b:tag', 'repository'],
    ['quay.io/a/bc', 'namespace'],
    ['quay.io/a/b/c', 'repository'],
    ['quay.io/x', 'host'],
    ['busybox', 'hub'],
    ['plain.example.com/x', 'plain'],
    ['token.example.com/x', 'T'],
    ['empty.example.com/x', undefined],
    ['other.example.com/quay.io/a', undefined],
    ['quay.io:443/a', undefined],
  ])('the credentials of %s are those of %s', async (name, user) => {
    expect(await userOf(name)).toBe(user)
  })

  test('passwords of an auth file may have colons, and lose only final NULs', async () => {
    expect(await credentialsFromFiles([file({ auths })])(parseRegistryReference('quay.io/x'))).toEqual({
      kind: 'password',
      username: 'host',
      password: 'secret:1',
    })
  })

  test('a credential helper of the host takes precedence over entries, and the general one is used last', async () => {
    const asked: string[] = []
    const helper = async (name: string, server: string) => {
      asked.push(`${name} ${server}`)
      return server === 'none.example.com' ? undefined : { username: '<token>', secret: 'S' }
    }
    const document = { auths, credHelpers: { 'quay.io': 'own', 'none.example.com': 'own' }, credsStore: 'all' }
    const find = (name: string) => credentialsFromFiles([file(document)], helper)(parseRegistryReference(name))
    expect(await find('quay.io/a')).toEqual({ kind: 'identity-token', token: 'S' })
    expect(await find('none.example.com/a')).toBeUndefined()
    expect(await find('plain.example.com/a')).toMatchObject({ username: 'plain' })
    await find('new.example.com/a')
    expect(asked).toEqual(['own quay.io', 'own none.example.com', 'all new.example.com'])
    const without = credentialsFromFiles([file(document)])(parseRegistryReference('quay.io/a'))
    await expect(without).rejects.toMatchObject({ code: 'unsupported', data: { feature: 'credential helper' } })
  })

  test.each([
    '{"auths": {"a": {"auth": "hidden"',
    '["hidden"]',
    '{"auths":{"a":{"auth":"aGlkZGVu"}}}',
    '{"auths":{"a":{"auth":"%hidden"}}}',
  ])('the error about the malformed auth file %s does not reveal its content', (document) => {
    let thrown: unknown
    try {
      parseAuthFile(encodeUtf8(document), 'auth.json')
    } catch (error) {
      thrown = error
    }
    expect(thrown).toMatchObject({ code: 'corrupt', message: expect.stringContaining('auth.json') })
    expect(String(thrown)).not.toContain('hidden')
  })
})

describe('rules for registries', () => {
  const where = (name: string, rules: RegistryRule[], insecure = false) =>
    endpointsOf(parseRegistryReference(name), rules, insecure).map(
      ({ host, repository, insecure }) => `${insecure ? 'http' : 'https'}://${host}/${repository}`,
    )

  test('without rules an image is fetched from the registry in its name', () => {
    expect(where('quay.io/a/b', [])).toEqual(['https://quay.io/a/b'])
    expect(where('busybox', [], true)).toEqual(['http://registry-1.docker.io/library/busybox'])
  })

  test('the rule with the longest prefix applies, and its location replaces the prefix', () => {
    const rules = [
      { prefix: 'example.com', location: 'short.lan' },
      { prefix: 'example.com/team', location: 'long.lan/x', insecure: true },
    ]
    expect(where('example.com/team/a', rules)).toEqual(['http://long.lan/x/a'])
    expect(where('example.com/teams/a', rules)).toEqual(['https://short.lan/teams/a'])
    expect(where('example.com.org/a', rules)).toEqual(['https://example.com.org/a'])
    expect(where('a.example.com/b', [{ prefix: '*.example.com', location: 'all.lan' }])).toEqual(['https://all.lan/b'])
  })

  test('mirrors are tried first, for the kind of reference that they serve', () => {
    const mirrors = [{ location: 'm1.lan' }, { location: 'm2.lan/x', pull: 'digest-only', insecure: true }] as const
    const rules = [{ prefix: 'quay.io', mirrors }]
    expect(where('quay.io/a', rules)).toEqual(['https://m1.lan/a', 'https://quay.io/a'])
    expect(where(`quay.io/a@${DIGEST}`, rules)).toEqual(['https://m1.lan/a', 'http://m2.lan/x/a', 'https://quay.io/a'])
  })

  test('a blocked registry is rejected', () => {
    expect(() => where('evil.example.com/a', [{ prefix: 'evil.example.com', blocked: true }])).toThrow(
      expect.objectContaining({ code: 'denied', message: expect.stringContaining('is blocked') }),
    )
  })
})

describe('an image with mirrors', () => {
  const LAYER = Uint8Array.from({ length: 9000 }, (_, i) => i & 255)
  const registries = [{ prefix: 'example.com', mirrors: [{ location: 'mirror.lan/x' }] }]

  async function pull(fault: FakeRegistry['fault']) {
    const registry = new FakeRegistry(platform)
    registry.putImage('a/b:1', LAYER)
    registry.putImage('x/a/b:1', LAYER)
    registry.fault = fault
    const context = {
      platform,
      host: { architecture: 'amd64', os: 'linux' },
      registry: registry.options({ registries, retries: 1 }),
    }
    const source = await openRegistryImage('example.com/a/b:1', context)
    const [layer] = source.manifest.layers
    if (layer === undefined) throw new Error('no layer')
    expect(platform.sha256(await readAll(source.blob(layer)))).toBe(layer.digest.slice(7))
    const hosts = registry.seen.map(({ url }) => new URL(url)).filter(({ pathname }) => pathname !== '/v2/')
    return hosts.map(({ host, pathname }) => `${host} ${pathname.split('/').at(-2)}`)
  }

  test('an image is fetched from the first mirror that has it', async () => {
    expect(await pull(() => undefined)).toEqual(['mirror.lan manifests', 'mirror.lan blobs'])
  })

  test('an image is fetched from the registry when its mirrors fail', async () => {
    const from = await pull(({ url }) => (url.includes('mirror.lan') ? failure(404, 'NAME_UNKNOWN', '') : undefined))
    expect(from).toEqual(['example.com manifests', 'example.com blobs'])
  })

  test('a blob is resumed from the next source when a mirror fails in the middle', async () => {
    const from = await pull(({ url, headers }) => {
      if (!url.includes('mirror.lan') || !url.includes('blobs')) return undefined
      return headers['range'] === undefined ? { body: cut(LAYER, 4000) } : { status: 503 }
    })
    expect(from).toEqual(['mirror.lan manifests', 'mirror.lan blobs', 'mirror.lan blobs', 'example.com blobs'])
  })
})
