import { describe, expect, test } from 'vitest'
import { type Checksum, type Content, concatBytes, encodeUtf8, streamOf } from '../../src/bytes.ts'
import { KeyFile } from '../../src/keyfile/index.ts'
import { decodeFilezHeader, S_IFREG } from '../../src/objects/index.ts'
import type { HttpHandler, HttpResponse } from '../../src/platform/index.ts'
import { nodePlatform } from '../../src/platform/node.ts'
import { Summary } from '../../src/repo/index.ts'
import { requireToken, serveRepo, webHandler } from '../../src/serve/index.ts'
import { BACKENDS, testRepos, testWith } from '../support/backends.ts'
import { commitTree, memoryRepo } from '../support/commits.ts'

const repos = testRepos()

async function bytesOf(body: Content | undefined): Promise<Uint8Array> {
  if (body === undefined) return new Uint8Array(0)
  if (body instanceof Uint8Array) return body
  const chunks: Uint8Array[] = []
  for await (const chunk of body) chunks.push(chunk.slice())
  return concatBytes(chunks)
}

function get(
  handler: HttpHandler,
  target: string,
  headers: Readonly<Record<string, string>> = {},
  method = 'GET',
): Promise<HttpResponse> {
  return Promise.resolve(handler({ method, target, headers: { get: (name) => headers[name] ?? null } }))
}

const text = async ({ body }: HttpResponse): Promise<string> => new TextDecoder().decode(await bytesOf(body))

const LARGE = 'large content, in pieces '.repeat(100_000)

describe.each(BACKENDS)('$name', (backend) => {
  for (const mode of ['archive', 'bare-user'] as const) {
    testWith(backend, mode, `every object of a repository of mode ${mode} is at its path in an archive`, async () => {
      const repo = await repos.create(backend, mode)
      const commit = await commitTree(repo, {
        'a/small': 'content',
        'a/large': LARGE,
        link: { mode: 0o120777, content: 'a' },
      })
      const handler = serveRepo(repo)
      expect(await text(await get(handler, '/refs/heads/main'))).toBe(`${commit}\n`)
      const config = KeyFile.parse(await text(await get(handler, '/config')))
      expect(config.getString('core', 'mode', '')).toBe('archive-z2')
      const files: string[] = []
      for await (const { checksum, type } of repo.objects.list()) {
        const path = `/objects/${checksum.slice(0, 2)}/${checksum.slice(2)}.${type === 'file' ? 'filez' : type}`
        const { status, body } = await get(handler, path)
        expect([path, status]).toEqual([path, 200])
        const bytes = await bytesOf(body)
        if (type !== 'file') {
          expect(nodePlatform.sha256(bytes)).toBe(checksum)
          continue
        }
        const { info, bodyOffset } = decodeFilezHeader(bytes)
        const stream = nodePlatform.decompress('deflate-raw', streamOf(bytes.subarray(bodyOffset)))
        files.push(info.header.target + (info.size === 0 ? '' : new TextDecoder().decode(await bytesOf(stream))))
      }
      expect(files.sort()).toEqual(['a', 'content', LARGE].sort())
    })
  }
})

describe('files beside the objects', () => {
  test('an unsigned summary is made when none is stored, and is the same until a ref changes', async () => {
    const repo = await memoryRepo('bare-user')
    const commit = await commitTree(repo, { x: '1' })
    const handler = serveRepo(repo)
    const first = await get(handler, '/summary')
    const { refs } = Summary.decode(await bytesOf(first.body))
    expect(refs.map(({ name, latest }) => [name, latest.commit])).toEqual([['main', commit]])
    const etag = first.headers['etag'] ?? ''
    expect((await get(handler, '/summary', { 'if-none-match': `"other", W/${etag}` })).status).toBe(304)
    await commitTree(repo, { x: '2' })
    expect((await get(handler, '/summary', { 'if-none-match': etag })).status).toBe(200)
    expect((await get(handler, '/summary.sig')).status).toBe(404)
  })

  test('stored files of deltas are served, and nothing else that is stored', async () => {
    const repo = await repos.create({ name: '', store: 'directory', platform: nodePlatform }, 'archive')
    const { files } = repo.storage
    if (files === undefined) throw new Error('a repository in a directory has files')
    await files.write('deltas/Ab/rest/superblock', encodeUtf8('delta'))
    await files.write('remote.trustedkeys.gpg', encodeUtf8('keys'))
    await files.write('remote.cookies.txt', encodeUtf8('secret'))
    const handler = serveRepo(repo, { prefix: '/repo/' })
    expect(await text(await get(handler, '/repo/deltas/Ab/rest/superblock'))).toBe('delta')
    for (const path of [
      'remote.trustedkeys.gpg',
      'remote.cookies.txt',
      'deltas',
      'deltas/Ab/rest',
      'deltas/../remote.cookies.txt',
      'x',
    ]) {
      expect([path, (await get(handler, `/repo/${path}`)).status]).toEqual([path, 404])
    }
    expect((await get(handler, '/deltas/Ab/rest/superblock')).status).toBe(404)
    expect((await get(handler, '/repo//config')).status).toBe(200)
  })

  test.each([
    '/refs/heads/%2e%2e/%2e%2e/config',
    '/refs/heads/a%2fb',
    '/refs/heads/%00',
    '/refs/heads/%',
    '/refs/heads/',
    '/refs/heads',
    '/objects/..',
    '/objects/ab/cd.commit',
    '/objects/ab',
    'config',
    '*',
    'http://elsewhere/config',
    '',
  ])('a path such as %j is not found', async (target) => {
    const repo = await memoryRepo()
    await commitTree(repo, { x: '1' })
    expect((await get(serveRepo(repo), target)).status).toBe(404)
  })

  test('settings of this machine are not in the configuration', async () => {
    const repo = await memoryRepo()
    await repo.writeConfig(`${await repo.storage.readConfig()}\n[remote "r"]\nurl=https://user:password@host/\n`)
    expect(await text(await get(serveRepo(repo), '/config'))).toBe('[core]\nrepo_version=1\nmode=archive-z2\n')
  })
})

describe('requests', () => {
  test.each([
    ['bytes=0-3', 206, '[cor', 'bytes 0-3/38'],
    ['bytes=30-', 206, 'hive-z2\n', 'bytes 30-37/38'],
    ['bytes=-3', 206, 'z2\n', 'bytes 35-37/38'],
    ['bytes=36-1000', 206, '2\n', 'bytes 36-37/38'],
    ['bytes=38-', 416, 'Range not satisfiable\n', 'bytes */38'],
    ['bytes=-0', 416, 'Range not satisfiable\n', 'bytes */38'],
    ['bytes=3-1', 200, '[core]\nrepo_version=1\nmode=archive-z2\n', undefined],
    ['bytes=0-1,3-4', 200, '[core]\nrepo_version=1\nmode=archive-z2\n', undefined],
    ['lines=0-1', 200, '[core]\nrepo_version=1\nmode=archive-z2\n', undefined],
  ])('the range %s', async (range, status, body, contentRange) => {
    const response = await get(serveRepo(await memoryRepo()), '/config', { range })
    expect([response.status, await text(response), response.headers['content-range']]).toEqual([
      status,
      body,
      contentRange,
    ])
  })

  test('a range of other bytes than those that are known is ignored', async () => {
    const handler = serveRepo(await memoryRepo())
    expect((await get(handler, '/config', { range: 'bytes=0-3', 'if-range': '"old"' })).status).toBe(200)
  })

  test('HEAD has the headers of GET and no body; other methods are refused', async () => {
    const handler = serveRepo(await memoryRepo())
    const { status, headers, body } = await get(handler, '/config', {}, 'HEAD')
    expect([status, headers['content-length'], body]).toEqual([200, '38', undefined])
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS', 'TRACE']) {
      expect((await get(handler, '/config', {}, method)).status).toBe(405)
    }
  })

  test('a damaged object is an error of the server, which is reported', async () => {
    const repo = await memoryRepo()
    const commit = await commitTree(repo, { x: '1' })
    const objects = Object.create(repo.objects, {
      readMeta: { value: () => Promise.reject(new Error('damaged')) },
    }) as typeof repo.objects
    const reported: unknown[] = []
    const damaged = Object.create(repo, { objects: { value: objects } }) as typeof repo
    const handler = serveRepo(damaged, { onError: (error) => reported.push(error) })
    const response = await get(handler, `/objects/${commit.slice(0, 2)}/${commit.slice(2)}.commit`)
    expect([response.status, await text(response)]).toEqual([500, 'Internal server error\n'])
    expect(reported).toEqual([new Error('damaged')])
  })

  test('an object that is not stored is not found', async () => {
    const handler = serveRepo(await memoryRepo())
    const absent = 'ab'.repeat(32) as Checksum
    for (const type of ['commit', 'dirtree', 'dirmeta', 'filez', 'commitmeta', 'tombstone-commit', 'file']) {
      const path = `/objects/${absent.slice(0, 2)}/${absent.slice(2)}.${type}`
      expect([type, (await get(handler, path)).status]).toEqual([type, 404])
    }
  })
})

describe('a token', () => {
  test.each([
    ['Bearer secret', 200],
    ['bearer  secret', 200],
    [`Basic ${btoa('anyone:secret')}`, 200],
    [`Basic ${btoa('secret')}`, 401],
    ['Basic %%%', 401],
    ['Bearer other', 401],
    ['Bearer', 401],
    ['', 401],
  ])('%j gives status %i', async (authorization, status) => {
    const handler = requireToken(serveRepo(await memoryRepo()), 'secret', nodePlatform)
    const response = await get(handler, '/config', authorization === '' ? {} : { authorization })
    expect([response.status, 'www-authenticate' in response.headers]).toEqual([status, status === 401])
  })

  test('is not empty', () => {
    expect(() => requireToken(() => ({ status: 200, headers: {} }), '', nodePlatform)).toThrow('The token is empty')
  })
})

test('runtimes with the Fetch API get a Response, also of content in pieces', async () => {
  const repo = await memoryRepo('bare-user')
  await commitTree(repo, { large: { mode: S_IFREG | 0o644, content: LARGE } })
  const answer = webHandler(serveRepo(repo))
  const config = await answer(new Request('http://localhost/config?x=1'))
  expect([config.status, await config.text()]).toEqual([200, '[core]\nrepo_version=1\nmode=archive-z2\n'])
  for await (const { checksum } of repo.objects.list('file')) {
    const response = await answer(
      new Request(`http://localhost/objects/${checksum.slice(0, 2)}/${checksum.slice(2)}.filez`),
    )
    const bytes = new Uint8Array(await response.arrayBuffer())
    expect(decodeFilezHeader(bytes).info.size).toBe(LARGE.length)
  }
  expect((await answer(new Request('http://localhost/none'))).status).toBe(404)
})
