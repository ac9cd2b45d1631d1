/**
 * Compares the requests and the output of `pull` with those of ostree 2026.4 in the same situations. The repositories
 * are not the ones of the recording, but have as many objects of each kind, and deltas between the same commits.
 */
import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Checksum } from '../../../src/bytes.ts'
import { addRemote, reindexDeltas, updateSummary, writeDelta } from '../../../src/repo/index.ts'
import { createRepo } from '../../../src/repo/local.ts'
import { commitTree } from '../../support/commits.ts'
import { FileServer } from '../../support/file-server.ts'
import { goldenJson } from '../../support/golden.ts'
import { runInProcess } from '../../support/in-process.ts'
import { temporaryFolder } from '../../support/temporary.ts'

interface Trace {
  readonly version: string
  readonly description: string
  readonly argv: readonly string[] | null
  readonly rc: number
  readonly stdout: string
  readonly stderr: string
  readonly requests: readonly {
    readonly path: string
    readonly status: number
    readonly headers: Record<string, string>
  }[]
}

const recorded = goldenJson<{ commits: string[]; traces: Trace[] }>('core/pull-http-traces.json')
const traces = new Map(
  recorded.traces.filter(({ version }) => version === '2026').map((trace) => [trace.description, trace]),
)

/**
 * While parts are being fetched, ostree already fetches objects of parents, also those that the parts bring. They are not
 * fetched here.
 */
const EARLY = ['repo: depth=-1', 'repo: http-header']

let folder: string
let server: FileServer
let first: Checksum
let second: Checksum

beforeAll(async () => {
  folder = temporaryFolder()
  server = await FileServer.start(folder)
  const repo = await createRepo(`${folder}/repo`, { mode: 'archive' })
  first = await commitTree(repo, { a: 'one\n', 'sub/b': 'two\n' })
  second = await commitTree(repo, { a: 'one\n', large: 'x'.repeat(2992), 'sub/b': 'two\n' })
  cpSync(`${folder}/repo`, `${folder}/nosum`, { recursive: true })
  await reindexDeltas(repo)
  await updateSummary(repo, { timestamp: 1n })
  cpSync(`${folder}/repo`, `${folder}/nodelta`, { recursive: true })
  await writeDelta(repo, { from: undefined, to: second, timestamp: 1n })
  await writeDelta(repo, { from: first, to: second, timestamp: 1n })
  await reindexDeltas(repo)
  await updateSummary(repo, { timestamp: 1n })
  await repo.close()
  writeFileSync(`${folder}/ml`, `# mirrors\n${server.url}/doesnotexist\n${server.url}/repo\n`)
})

afterAll(() => server[Symbol.asyncDispose]())

/** The kind of a path: the file without checksums. */
function kindOf(path: string): string {
  const file = path.replace(/^\/(?:nosum|nodelta|repo)\//, '/R/')
  return file
    .replace(/\/objects\/.*\.(\w+)$/, '/objects/.$1')
    .replace(/\/delta-indexes\/.*$/, '/delta-indexes/')
    .replace(/\/deltas\/.*-.*\/(\w+)$/, '/deltas/FROM-TO/$1')
    .replace(/\/deltas\/[^-]*\/(\w+)$/, '/deltas/TO/$1')
}

function count(paths: readonly { path: string; status: number }[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const { path, status } of paths) {
    const kind = `${status} ${kindOf(path)}`
    counts[kind] = (counts[kind] ?? 0) + 1
  }
  return counts
}

/** Removes what depends on sizes. */
function words(text: string): string {
  return text
    .replaceAll(/\d+ (?:B|KiB) transferred/g, 'N transferred')
    .replaceAll(/[\d.]+\u00a0?\s?(?:bytes|kB)(?=[/;, ])/g, 'SIZE')
    .replaceAll(/[0-9a-f]{64}/g, (sum) => (sum === second || sum === recorded.commits[1] ? 'C2' : 'C1'))
    .replaceAll(/127\.0\.0\.1:\w+/g, 'HOST')
}

async function replay(description: string, repo: string, args: readonly string[]): Promise<void> {
  const trace = traces.get(description)
  if (trace === undefined) throw new Error(`no trace ${description}`)
  server.take()
  const { stdout, stderr, status } = await runInProcess(['pull', `--repo=${repo}`, ...args], folder)
  const requests = server.take()
  if (EARLY.includes(description)) {
    const most = count(trace.requests)
    for (const [kind, times] of Object.entries(count(requests))) {
      expect([kind, times <= (most[kind] ?? 0)]).toEqual([kind, true])
    }
    expect([status, stderr]).toEqual([0, ''])
  } else {
    expect([status, words(stdout), words(stderr)]).toEqual([trace.rc, words(trace.stdout), words(trace.stderr)])
    expect(count(requests)).toEqual(count(trace.requests))
  }
  for (const { headers } of requests) expect(headers['user-agent']).toBe('libostree/2026.4')
  if (description.includes('http-header')) for (const { headers } of requests) expect(headers['x-test']).toBe('1')
}

let number = 0

async function target(
  url: string,
  options: [string, boolean][] = [['gpg-verify', false]],
  mode = 'bare-user',
): Promise<string> {
  const path = `${folder}/target${number++}`
  const repo = await createRepo(path, { mode: mode as 'bare-user' })
  await addRemote(repo, { name: 'o', url, options })
  await repo.close()
  return path
}

describe('the requests of ostree', () => {
  test.each(['nosum', 'nodelta', 'repo'])('%s: first pull, second pull, and a missing branch', async (name) => {
    const repo = await target(`${server.url}/${name}`)
    await replay(`${name}: first pull`, repo, ['o', 'main'])
    await replay(`${name}: second pull (nothing new)`, repo, ['o', 'main'])
    await replay(`${name}: missing branch`, repo, ['o', 'nosuch'])
  })

  test.each([
    ['repo: commit-metadata-only', ['--commit-metadata-only', 'o', 'main']],
    ['repo: subpath=/sub', ['--subpath=/sub', 'o', 'main']],
    ['repo: depth=-1', ['--depth=-1', 'o', 'main']],
    ['repo: by checksum', ['o', 'C1']],
    ['repo: ref@commit', ['o', 'main@C1']],
    ['repo: disable-static-deltas', ['--disable-static-deltas', 'o', 'main']],
    ['repo: require-static-deltas', ['--require-static-deltas', 'o', 'main']],
    ['repo: dry-run', ['--dry-run', '--require-static-deltas', 'o', 'main']],
    ['repo: http-header', ['--http-header=X-Test=1', '--depth=1', 'o', 'main']],
  ])('%s', async (description, args) => {
    const repo = await target(`${server.url}/repo`)
    await replay(
      description,
      repo,
      args.map((arg) => arg.replace('C1', first)),
    )
  })

  test('repo: mirror', async () => {
    const repo = await target(`${server.url}/repo`, undefined, 'archive')
    await replay('repo: mirror', repo, ['--mirror', 'o'])
    expect(readFileSync(`${repo}/summary`)).toEqual(readFileSync(`${folder}/repo/summary`))
  })

  test('repo: upgrade c1 -> c2 using the from-to delta', async () => {
    const repo = await target(`${server.url}/repo`)
    expect((await runInProcess(['pull', `--repo=${repo}`, 'o', `main@${first}`], folder)).status).toBe(0)
    await replay('repo: upgrade c1 -> c2 using the from-to delta', repo, ['o', 'main'])
  })

  test('a commit without the signature that is required, a server without a repository, and a mirror list', async () => {
    const unsigned = await target(`${server.url}/repo`, [])
    await replay('repo: gpg-verify on, unsigned commit', unsigned, ['o', 'main'])
    await replay('server has no such repository', await target(`${server.url}/doesnotexist`), ['o', 'main'])
    await replay('mirrorlist', await target(`mirrorlist=${server.url}/ml`), ['o', 'main'])
  })
})
