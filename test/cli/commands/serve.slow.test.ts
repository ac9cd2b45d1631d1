import { type ChildProcess, spawn } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import { afterEach, beforeAll, describe, expect, test } from 'vitest'
import { describeReference, NEWEST_OSTREE, run } from '../../support/reference.ts'
import { temporaryFolder } from '../../support/temporary.ts'

const folder = temporaryFolder('disk')
const OURS = new URL('../../../bin/ostree-ts', import.meta.url).pathname
const STORES = [
  ['a SQLite file', 'repo.sqlite', 'archive'],
  ['a directory of mode archive', 'archive', 'archive'],
  ['a directory of mode bare-user-only', 'plain', 'bare-user-only'],
] as const

const { SECRET_KEY, PUBLIC_KEY } = ed25519Keys()

let server: ChildProcess | undefined

/** Returns a new pair of keys, as ostree writes them: base64 of the seed and the public key, and of the public key. */
function ed25519Keys(): { SECRET_KEY: string; PUBLIC_KEY: string } {
  const { privateKey } = generateKeyPairSync('ed25519')
  const { d = '', x = '' } = privateKey.export({ format: 'jwk' })
  const [seed, key] = [Buffer.from(d, 'base64url'), Buffer.from(x, 'base64url')]
  return { SECRET_KEY: Buffer.concat([seed, key]).toString('base64'), PUBLIC_KEY: key.toString('base64') }
}

/** Starts a server, and returns its address. */
async function serve(repo: string, ...words: string[]): Promise<string> {
  const child = spawn(OURS, ['serve', `--repo=${join(folder, repo)}`, ...words], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  server = child
  const [line] = (await once(child.stdout, 'data')) as [Buffer]
  const url = /http:\/\/127\.0\.0\.1:\d+/.exec(line.toString())?.[0]
  if (url === undefined) throw new Error(`No address in: ${line.toString()}`)
  return url
}

async function stop(): Promise<NodeJS.Signals | number | null> {
  if (server === undefined) return null
  const ended = once(server, 'exit') as Promise<[number | null, NodeJS.Signals | null]>
  server.kill('SIGTERM')
  const [status, signal] = await ended
  server = undefined
  return signal ?? status
}

afterEach(stop)

beforeAll(() => {
  const tree = join(folder, 'tree/usr/bin')
  mkdirSync(tree, { recursive: true })
  writeFileSync(join(tree, 'small'), 'content')
  writeFileSync(join(tree, 'empty'), '')
  writeFileSync(join(tree, 'large'), 'large content, in pieces '.repeat(100_000))
  for (const [, name, mode] of STORES) {
    const repo = `--repo=${join(folder, name)}`
    run(OURS, ['init', repo, `--mode=${mode}`])
    run(OURS, [
      'commit',
      repo,
      '-b',
      'os/main',
      '--timestamp=@0',
      '--owner-uid=0',
      '--owner-gid=0',
      '--no-xattrs',
      `--tree=dir=${join(folder, 'tree')}`,
    ])
  }
})

for (const [title, program] of [
  ['ostree 2022.7', 'ostree'],
  ['ostree 2026.4', NEWEST_OSTREE],
] as const) {
  describeReference(program, `${title} pulls from a server over`, () => {
    test.each(STORES)('%s', async (_, name) => {
      const url = await serve(name)
      const commit = run(OURS, ['rev-parse', `--repo=${join(folder, name)}`, 'os/main'])
      for (const mode of ['bare-user', 'archive']) {
        const into = `--repo=${join(folder, `${title}-${name}-${mode}`)}`
        run(program, [into, 'init', `--mode=${mode}`])
        run(program, [into, 'remote', 'add', '--no-gpg-verify', 'origin', url])
        expect(run(program, [into, 'remote', 'refs', 'origin'])).toBe('origin:os/main\n')
        run(program, [into, 'pull', 'origin', 'os/main'])
        expect(run(program, [into, 'rev-parse', 'origin:os/main'])).toBe(commit)
        run(program, [into, 'fsck', '--quiet'])
      }
      expect(await stop()).toBe('SIGTERM')
    })
  })
}

for (const [title, program] of [
  ['ostree 2022.7', 'ostree'],
  ['ostree 2026.4', NEWEST_OSTREE],
] as const) {
  describeReference(program, `${title} pulls what is stored in a SQLite file:`, () => {
    test.each(['archive', 'bare-user'])('a summary and a delta of a file of mode %s', async (mode) => {
      const path = join(folder, `${title}-${mode}.sqlite`)
      const repo = `--repo=${path}`
      run(OURS, ['init', repo, `--mode=${mode}`])
      const tree = join(folder, `${title}-changing-${mode}`)
      mkdirSync(tree)
      const commits = ['first', 'second'].map((content) => {
        writeFileSync(join(tree, 'file'), content.repeat(50_000))
        return run(OURS, ['commit', repo, '-b', 'os', '--timestamp=@0', '--no-xattrs', `--tree=dir=${tree}`]).trim()
      })
      const [from = '', to = ''] = commits
      run(OURS, ['static-delta', 'generate', repo, 'os'])
      expect(run(OURS, ['static-delta', 'list', repo])).toBe(`${from}-${to}\n`)
      expect(run(OURS, ['static-delta', 'show', repo, `${from}-${to}`])).toContain(`To: ${to}`)
      const key = join(folder, 'public')
      writeFileSync(key, PUBLIC_KEY)
      run(OURS, ['summary', '-u', repo, '--sign-type=ed25519', `--sign=${SECRET_KEY}`])
      const url = await serve(`${title}-${mode}.sqlite`)
      const into = `--repo=${join(folder, `${title}-into-${mode}`)}`
      run(program, [into, 'init', '--mode=bare-user'])
      run(program, [into, 'remote', 'add', '--no-gpg-verify', 'origin', url])
      run(program, [into, 'pull', 'origin', `os@${from}`])
      run(program, [into, 'pull', '--require-static-deltas', 'origin', 'os'])
      expect(run(program, [into, 'rev-parse', 'origin:os'])).toBe(`${to}\n`)
      run(program, [into, 'fsck', '--quiet'])
      // Both releases are built without ed25519 here, so our own pull verifies the signature.
      const own = `--repo=${join(folder, `${title}-own-${mode}`)}`
      run(OURS, ['init', own, '--mode=archive'])
      run(OURS, ['remote', 'add', own, '--no-gpg-verify', `--sign-verify=ed25519=file:${key}`, 'origin', url])
      run(OURS, ['config', own, 'set', 'remote "origin".sign-verify', 'false'])
      run(OURS, ['config', own, 'set', 'remote "origin".sign-verify-summary', 'true'])
      run(OURS, ['pull', own, 'origin', 'os'])
      run(OURS, ['static-delta', 'delete', repo, `${from}-${to}`])
      expect(run(OURS, ['static-delta', 'list', repo])).toBe('(No static deltas)\n')
    })
  })
}

describe('requests of another kind', () => {
  const statusOf = (url: string, path: string, headers: Record<string, string> = {}): Promise<number | undefined> =>
    new Promise((done, fail) => {
      const { hostname, port } = new URL(url)
      const sent = request({ hostname, port, path, headers }, (response) => {
        response.resume()
        done(response.statusCode)
      })
      sent.on('error', fail).end()
    })

  test('paths that lead out of the repository are not found', async () => {
    const url = await serve('archive')
    for (const path of ['/../tree/usr/bin/small', '/refs/../../tree/usr/bin/small', '/%2e%2e/config', '//etc/passwd']) {
      expect([path, await statusOf(url, path)]).toEqual([path, 404])
    }
    expect(await statusOf(url, '/config')).toBe(200)
  })

  test('without its token the server answers nothing', async () => {
    writeFileSync(join(folder, 'token'), 'secret\n')
    const url = await serve('archive', `--token-file=${join(folder, 'token')}`)
    expect(await statusOf(url, '/config')).toBe(401)
    expect(await statusOf(url, '/config', { authorization: 'Bearer secret' })).toBe(200)
  })
})
