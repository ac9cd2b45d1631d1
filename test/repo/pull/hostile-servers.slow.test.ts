/** Servers that lie, that fail, and that send requests elsewhere. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Checksum } from '../../../src/bytes.ts'
import { FetchError, OstreeError } from '../../../src/errors.ts'
import { Commit } from '../../../src/objects/index.ts'
import { Fetcher } from '../../../src/repo/fetch/fetcher.ts'
import { addRemote, type PullOptions, pull, type Repo, Summary, updateSummary } from '../../../src/repo/index.ts'
import { createRepo } from '../../../src/repo/local.ts'
import { nodeNetwork } from '../../../src/system/network.ts'
import { commitTree, memoryRepo } from '../../support/commits.ts'
import { FileServer } from '../../support/file-server.ts'
import { goldenJson } from '../../support/golden.ts'
import { temporaryFolder } from '../../support/temporary.ts'

const network = nodeNetwork({ pipelining: true })
let folder: string
let server: FileServer
let other: FileServer
let served: Repo
let main: Checksum
let repo: Repo

beforeAll(async () => {
  folder = temporaryFolder()
  server = await FileServer.start(folder)
  other = await FileServer.start(folder)
  served = await createRepo(`${folder}/served`, { mode: 'archive' })
  main = await commitTree(served, { a: 'one', 'sub/b': 'two' })
  await updateSummary(served, { timestamp: 1n })
})

afterAll(async () => {
  await served.close()
  await server[Symbol.asyncDispose]()
  await other[Symbol.asyncDispose]()
})

beforeEach(async () => {
  repo = await memoryRepo()
  server.trick = undefined
  other.trick = undefined
  server.take()
  other.take()
})

async function failure(options: PullOptions = {}, into = repo, url = `${server.url}/served`): Promise<OstreeError> {
  await addRemote(into, { name: 'o', url, options: [['gpg-verify', false]] }, 'replace')
  try {
    await pull(into, 'o', { refs: ['main'], network, retries: 0, ...options })
  } catch (error) {
    if (error instanceof OstreeError) return error
    throw error
  }
  throw new Error('the pull succeeded')
}

describe('redirects', () => {
  const elsewhere = (): void => {
    server.trick = (path, response) => {
      response.writeHead(302, { location: `${other.url}${path}` }).end()
      return true
    }
  }

  test('are followed, but credentials and headers do not go to another origin', async () => {
    elsewhere()
    const directory = await createRepo(`${folder}/redirected`, { mode: 'archive' })
    const url = `${server.url.replace('//', '//user:secret@')}/served`
    await addRemote(directory, { name: 'o', url, options: [['gpg-verify', false]] })
    await pull(directory, 'o', { refs: ['main'], network, headers: [['X-Token', 'secret']] })
    for (const { headers } of server.take()) {
      expect(headers).toMatchObject({ authorization: 'Basic dXNlcjpzZWNyZXQ=', 'x-token': 'secret' })
    }
    const seen = other.take()
    expect(seen.length).toBeGreaterThan(5)
    for (const { headers } of seen) {
      expect(headers).not.toHaveProperty('authorization')
      expect(headers).not.toHaveProperty('x-token')
    }
    await directory.close()
  })

  test('that do not end are an error', async () => {
    server.trick = (path, response) => {
      response.writeHead(302, { location: path }).end()
      return true
    }
    const error = await failure()
    expect(error).toBeInstanceOf(FetchError)
    expect(error.message).toContain('[47] Number of redirects hit maximum amount')
    expect(server.take().length).toBe(21)
  })

  test.each(['file:///etc/passwd', 'ftp://127.0.0.1/x', 'http://[', 'data:text/plain,x'])(
    'to %s are refused',
    async (location) => {
      server.trick = (_, response) => {
        response.writeHead(301, { location }).end()
        return true
      }
      expect((await failure()).code).toBe('network')
    },
  )
})

describe('bodies', () => {
  test.each(['summary', '/config', '.commit', '.dirtree', '.filez'])(
    '%s that do not end are given up',
    async (end) => {
      let stopped = false
      server.trick = (path, response) => {
        if (!path.endsWith(end)) return false
        const chunk = Buffer.alloc(1 << 20)
        const push = (): void => {
          if (response.destroyed) stopped = true
          else if (response.write(chunk)) setImmediate(push)
          else response.once('drain', push)
        }
        response.once('close', () => {
          stopped = true
        })
        push()
        return true
      }
      const error = await failure()
      expect(['limit', 'corrupt']).toContain(error.code)
      while (!stopped) await new Promise((resolve) => setTimeout(resolve, 10))
    },
    60_000,
  )

  test('that break off are fetched again, as a whole if the server does not continue them', async () => {
    const broken = new Set<string>()
    const ranges: string[] = []
    const large = await memoryRepo()
    const body = Array.from({ length: 200_000 }, (_, i) => String.fromCharCode(33 + ((i * 7919) % 89))).join('')
    await commitTree(served, { body }, 'large')
    await updateSummary(served, { timestamp: 2n })
    server.trick = (path, response, request) => {
      const { range } = request.headers
      if (range !== undefined) ranges.push(range)
      if (!path.endsWith('.filez') || broken.has(path)) return false
      broken.add(path)
      response.writeHead(200, { 'content-length': 10_000_000 })
      response.write('x', () => response.destroy())
      return true
    }
    await addRemote(large, { name: 'o', url: `${server.url}/served`, options: [['gpg-verify', false]] })
    await pull(large, 'o', { refs: ['large'], network })
    expect(broken.size).toBe(1)
    expect(ranges).toEqual(['bytes=1-'])
  })

  test('that are too slow are given up, and the error names URL and limit', async () => {
    server.trick = (path, response) => {
      if (!path.endsWith('.dirtree')) return false
      response.writeHead(200, { 'content-length': 100 })
      response.write('x')
      return true
    }
    const error = await failure({ lowSpeed: { bytes: 1000, seconds: 1 } })
    expect(error.message).toMatch(/^While fetching http:.*dirtree: \[28\] Timeout was reached$/)
  })
})

describe('statuses', () => {
  test('busy servers are asked again, absent files are not', async () => {
    for (const [status, requests] of [
      [503, 3],
      [500, 3],
      [404, 1],
      [403, 1],
      [410, 1],
    ] as const) {
      server.trick = (path, response) => {
        if (!path.endsWith('.commit')) return false
        response.writeHead(status).end()
        return true
      }
      const error = await failure({ retries: 2 })
      expect(error.message).toMatch(new RegExp(`^While fetching .*: Server returned HTTP ${status}$`))
      expect([status, server.take().filter(({ path }) => path.endsWith('.commit')).length]).toEqual([status, requests])
    }
  })

  test('with retryAll false only failures that pass are asked again', async () => {
    server.trick = (path, response) => {
      if (!path.endsWith('.commit')) return false
      response.writeHead(503).end()
      return true
    }
    await failure({ retries: 2, retryAll: false })
    expect(server.take().filter(({ path }) => path.endsWith('.commit')).length).toBe(1)
  })
})

describe('names', () => {
  test.each(['../../x', '/x', 'a//b', '', '..', 'a\nb'])('a summary with the ref %j is refused', async (name) => {
    const latest = { size: 1n, commit: main, metadata: [] }
    server.trick = (path, response) => {
      if (!path.endsWith('/summary')) return false
      response.end(Summary.encode({ refs: [{ name, latest }], metadata: [] }))
      return true
    }
    expect((await failure({ refs: undefined, mirror: true })).code).toBe('invalid')
  })

  test('requested refs with paths in them are refused before anything is sent', async () => {
    for (const ref of ['../x', 'a/../b', 'o:main', '-x']) {
      expect((await failure({ refs: [ref] })).code).toBe('invalid')
    }
    expect(server.take()).toEqual([])
  })
})

describe('local caches', () => {
  const { public_key_b64: key } = goldenJson<{ ed25519: { public_key_b64: string } }>(
    'core/signatures-2026.json',
  ).ed25519
  const verified = { verification: { now: () => 0 } }

  async function cacheWith(bytes?: Uint8Array): Promise<Repo> {
    const cache = await memoryRepo()
    await addRemote(cache, { name: 'o', url: `${server.url}/served`, options: [['gpg-verify', false]] })
    await pull(cache, 'o', { refs: ['main'], network })
    if (bytes === undefined) return cache
    const objects = Object.assign(Object.create(cache.objects), { readMeta: () => bytes })
    return Object.assign(Object.create(cache), { objects })
  }

  async function refused(cache: Repo, options: readonly (readonly [string, string | boolean])[]): Promise<OstreeError> {
    const remote = { name: 'o', url: `${server.url}/served`, options }
    await addRemote(repo, remote)
    const error = await pull(repo, 'o', { refs: ['main'], network, localCaches: [cache], ...verified }).then(
      () => new Error('the pull succeeded'),
      (thrown: unknown) => thrown,
    )
    expect(await repo.objects.has({ checksum: main, type: 'commit' })).toBe(false)
    for await (const { checksum } of repo.objects.list()) expect.fail(`${checksum} was stored`)
    return error as OstreeError
  }

  test('a commit in a cache is not stored before its signatures are verified', async () => {
    const error = await refused(await cacheWith(), [
      ['gpg-verify', false],
      ['sign-verify', 'ed25519'],
      ['verification-ed25519-key', key],
    ])
    expect(error.code).toBe('denied')
  })

  test('a commit in a cache must have its checksum', async () => {
    const other = Commit.encode({ ...(await served.readCommit(main)), subject: 'other' })
    const error = await refused(await cacheWith(other), [['gpg-verify', false]])
    expect(error).toMatchObject({ code: 'corrupt', message: expect.stringContaining(main) })
  })

  test('a sound cache gives everything', async () => {
    const cache = await cacheWith()
    await addRemote(repo, { name: 'o', url: `${server.url}/served`, options: [['gpg-verify', false]] })
    const { importedMetadata, importedContent, content } = await pull(repo, 'o', {
      refs: ['main'],
      network,
      localCaches: [cache],
    })
    expect({ importedMetadata, importedContent, content }).toEqual({
      importedMetadata: 4,
      importedContent: 2,
      content: 0,
    })
    expect(await repo.commitState(main)).toBe('complete')
  })
})

test('an aborted fetcher ends the requests that are under way', async () => {
  const controller = new AbortController()
  server.trick = () => true // never answers
  const fetcher = new Fetcher({ network, userAgent: 'test', signal: controller.signal })
  const pending = fetcher.read({ bases: [{ url: server.url }], path: 'x' })
  setTimeout(() => controller.abort(new Error('enough')), 50)
  await expect(pending).rejects.toThrow('enough')
  fetcher.close()
})
