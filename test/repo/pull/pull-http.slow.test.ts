/** Pulls over HTTP into stores of all kinds, and from servers that lie. */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Checksum, readAll } from '../../../src/bytes.ts'
import { S_IFLNK, S_IFREG } from '../../../src/objects/index.ts'
import type { Progress } from '../../../src/progress.ts'
import {
  addRemote,
  collectReachable,
  fsck,
  type PullOptions,
  type PullResult,
  pull,
  type Repo,
  type RepoMode,
  updateSummary,
} from '../../../src/repo/index.ts'
import { requireSound } from '../../../src/repo/internal.ts'
import { createRepo } from '../../../src/repo/local.ts'
import { nodeNetwork } from '../../../src/system/network.ts'
import { BACKENDS, testRepos } from '../../support/backends.ts'
import { commitTree } from '../../support/commits.ts'
import { FileServer } from '../../support/file-server.ts'
import { temporaryFolder } from '../../support/temporary.ts'

const places = testRepos()
const network = nodeNetwork()
/** Incompressible, so that it arrives in many pieces. */
const LARGE = Buffer.concat(
  Array.from({ length: 40_000 }, (_, i) => createHash('sha512').update(String(i)).digest()),
).toString('latin1')
let folder: string
let server: FileServer
let served: Repo
let first: Checksum
let second: Checksum

beforeAll(async () => {
  folder = temporaryFolder()
  server = await FileServer.start(folder)
  served = await createRepo(`${folder}/served`, { mode: 'archive' })
  first = (await commitTree(served, { a: 'one', 'sub/b': 'two', 'sub/deep/c': 'three' })) as Checksum
  second = (await commitTree(served, {
    a: 'one',
    large: LARGE,
    link: { mode: S_IFLNK | 0o777, content: 'a' },
    run: { mode: S_IFREG | 0o755, content: '#!' },
    'sub/b': 'two',
    'sub/deep/c': 'changed',
  })) as Checksum
  await updateSummary(served, { timestamp: 1n })
})

afterAll(async () => {
  await served.close()
  await server[Symbol.asyncDispose]()
})

async function addOrigin(
  repo: Repo,
  url = `${server.url}/served`,
  options: [string, string | boolean][] = [],
): Promise<Repo> {
  await addRemote(repo, { name: 'origin', url, options: [['gpg-verify', false], ...options] }, 'replace')
  server.take()
  server.trick = undefined
  return repo
}

function pullMain(repo: Repo, options: PullOptions = {}): Promise<PullResult> {
  return pull(repo, 'origin', { refs: ['main'], network, ...options })
}

async function readable(repo: Repo, commit: Checksum): Promise<string> {
  const digest = createHash('sha256')
  for (const name of await collectReachable(repo, commit)) {
    digest.update(name.checksum)
    if (name.type !== 'file') continue
    const { header, size, body } = await repo.objects.readFile(name.checksum)
    digest.update(header.target).update(await readAll(body, size))
  }
  return digest.digest('hex')
}

/** Counts requests by the ends of their paths, such as `filez`. */
function kinds(): Record<string, number> {
  const found: Record<string, number> = {}
  for (const { path } of server.take()) {
    const kind = path.includes('/objects/') ? (path.split('.').pop() ?? '') : path.replace('/served/', '')
    found[kind] = (found[kind] ?? 0) + 1
  }
  return found
}

describe.each(BACKENDS)('pull over HTTP into $name', (place) => {
  test('all objects arrive verified, once, and with their history', async () => {
    const repo = await addOrigin(await places.create(place, 'archive'))
    const events: Progress[] = []
    const result = await pullMain(repo, { onProgress: (event) => events.push(event) })
    expect(result).toMatchObject({ metadata: 5, content: 6, deltaParts: 0, refs: [['main', second]] })
    expect(await repo.resolve('origin:main')).toBe(second)
    expect(await repo.commitState(second)).toBe('complete')
    expect(await readable(repo, second)).toBe(await readable(served, second))
    expect(await repo.objects.has({ checksum: first, type: 'commit' })).toBe(false)
    expect(events.at(-1)).toMatchObject({ kind: 'pull', content: 6, requested: 11 })
    expect(kinds()).toEqual({
      'summary.sig': 1,
      summary: 1,
      config: 1,
      commit: 1,
      commitmeta: 1,
      dirtree: 3,
      dirmeta: 1,
      filez: 6,
    })

    expect(await pullMain(repo)).toMatchObject({ metadata: 0, content: 0 })
    expect(kinds()).toEqual({ 'summary.sig': 1, summary: 1, config: 1, commitmeta: 1 })

    expect(await pullMain(repo, { depth: -1 })).toMatchObject({ metadata: 4, content: 1 })
    expect(await readable(repo, first)).toBe(await readable(served, first))
  })

  test('a server that sends something else is found out, nothing of it is stored, and the next pull succeeds', async () => {
    // Objects that arrived before a damaged one are kept, so each kind begins with an empty repository.
    for (const suffix of ['commit', 'dirtree', 'dirmeta', 'filez']) {
      const repo = await addOrigin(await places.create(place, 'archive'))
      for (const [what, damage] of Object.entries(DAMAGES)) {
        server.trick = (path, response) => {
          if (!path.endsWith(`.${suffix}`)) return false
          response.end(damage(readFileSync(folder + path)))
          return true
        }
        const failure = await pullMain(repo, { retries: 0 }).catch((error: unknown) => error)
        expect([suffix, what, failure]).toEqual([
          suffix,
          what,
          expect.objectContaining({ code: expect.stringMatching(/corrupt|limit/) }),
        ])
        expect(await repo.tryResolve('origin:main')).toBeUndefined()
      }
      server.trick = undefined
      expect(await pullMain(repo)).toMatchObject({ refs: [['main', second]] })
      requireSound(await fsck(repo))
    }
  })
})

const DAMAGES: Record<string, (bytes: Buffer) => Buffer> = {
  'one bit changed': (bytes) => {
    const changed = Buffer.from(bytes)
    const at = bytes.length >> 1
    changed[at] = (changed[at] as number) ^ 1
    return changed
  },
  nothing: () => Buffer.alloc(0),
  'cut short': (bytes) => bytes.subarray(0, bytes.length - 1),
  'another file': () => Buffer.from('<html>'),
  compressed: (bytes) => gzipSync(bytes),
}

describe('files of a server that is trusted', () => {
  let count = 0
  let other: Checksum
  let wrong: Checksum
  const another = () => readFileSync(`${folder}/served/objects/${other.slice(0, 2)}/${other.slice(2)}.filez`)
  beforeAll(async () => {
    const { files } = await served.readDirTree((await served.readCommit(second)).rootTree)
    const [a, , run] = files
    other = (a as { checksum: Checksum }).checksum
    wrong = (run as { checksum: Checksum }).checksum
  })

  async function mirrored(mode: RepoMode, options: PullOptions): Promise<boolean> {
    const repo = await addOrigin(await createRepo(`${folder}/trusting${count++}`, { mode }))
    server.trick = (path, response) => {
      if (!path.endsWith(`${wrong.slice(2)}.filez`)) return false
      response.end(another())
      return true
    }
    await pullMain(repo, { mirror: true, ...options })
    const isStored = await repo.objects.has({ checksum: wrong, type: 'file' })
    await expect(fsck(repo)).rejects.toMatchObject({ code: 'corrupt' })
    await repo.close()
    return isStored
  }

  test('are not verified in a mirror of mode archive', async () => {
    expect(await mirrored('archive', { httpTrusted: true })).toBe(true)
  })

  test.each([
    ['archive', {}],
    ['archive', { httpTrusted: true, mirror: false }],
    ['archive', { httpTrusted: true, bareUserOnlyFiles: true }],
    ['bare-user-only', { httpTrusted: true }],
  ] as const)('are verified in mode %s with %j', async (mode, options) => {
    await expect(mirrored(mode, options)).rejects.toMatchObject({ code: 'corrupt' })
  })
})
