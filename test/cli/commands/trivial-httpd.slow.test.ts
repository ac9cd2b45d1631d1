import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { afterEach, beforeAll, describe, expect, test } from 'vitest'
import { describeReference, run } from '../../support/reference.ts'
import { temporaryFolder } from '../../support/temporary.ts'

const folder = temporaryFolder('disk')
const OURS = new URL('../../../bin/ostree-ts', import.meta.url).pathname
const REFERENCE = '/usr/libexec/libostree/ostree-trivial-httpd'
const root = join(folder, 'root')
const running: ChildProcess[] = []

beforeAll(() => {
  const put = (path: string, content: string | Uint8Array): void => {
    mkdirSync(join(root, path, '..'), { recursive: true })
    writeFileSync(join(root, path), content)
    utimesSync(join(root, path), 1_000_000_000, 1_000_000_000)
  }
  put('file', 'content of a file')
  put('empty', '')
  put('index/index.html', '<p>')
  put('list/sub/a&<"b', '')
  put('list/sub/z', '')
  put('repo/objects/ab/large.filez', new Uint8Array(3_000_001).fill(7))
  put('repo/objects/ab/small.filez', new Uint8Array(1001).fill(8))
  put('secret', 'not for all')
  put('closed/file', 'inside')
  chmodSync(join(root, 'secret'), 0o600)
  chmodSync(join(root, 'closed'), 0o700)
  symlinkSync('file', join(root, 'link'))
  symlinkSync('nowhere', join(root, 'dangling'))
})

afterEach(async () => {
  await Promise.all(
    running.splice(0).map(async (child) => {
      const ended = once(child, 'exit')
      child.kill()
      await ended
    }),
  )
})

/** Starts a server with a log, and returns its port. */
async function start(program: string, ...options: string[]): Promise<{ port: number; log(): string[] }> {
  const name = `${program === OURS ? 'ours' : 'reference'}-${Math.random()}`
  const log = join(folder, `${name}.log`)
  const words = [...(program === OURS ? ['trivial-httpd'] : []), '-p', '-', `--log-file=${log}`, ...options, root]
  const child = spawn(program, words, { stdio: ['ignore', 'pipe', 'inherit'] })
  running.push(child)
  const [line] = (await once(child.stdout, 'data')) as [Buffer]
  const port = Number(line.toString())
  expect(port).toBeGreaterThan(0)
  return {
    port,
    log: () => {
      const lines = readFileSync(log, 'utf8').trimEnd().split('\n')
      return lines.map((text) => text.replace(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6} - /, ''))
    },
  }
}

interface Answer {
  status: number | undefined
  headers: Record<string, unknown>
  body: string
  complete: boolean
}

/** Headers whose values are compared. */
const COMPARED = ['content-length', 'content-range', 'etag', 'last-modified', 'location', 'www-authenticate']

function ask(port: number, path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Answer> {
  return new Promise((done, fail) => {
    const sent = request({ hostname: '127.0.0.1', port, path, headers, method, agent: false }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', () => {}) // `complete` tells it
      response.on('close', () => {
        const { statusCode: status, complete } = response
        const found = COMPARED.flatMap((name) => {
          const value = response.headers[name]
          // A response with status 304 does not need a length: it has no body.
          return value === undefined || (status === 304 && name === 'content-length')
            ? []
            : [[name, String(value).replace(`:${port}/`, ':PORT/')]]
        })
        const body = Buffer.concat(chunks).toString('latin1')
        done({ status, headers: Object.fromEntries(found), body, complete })
      })
    })
    sent.on('error', fail).end()
  })
}

describeReference(REFERENCE, 'the same requests have the same answers as by ostree-trivial-httpd', () => {
  const both = async (
    options: string[],
    requests: Parameters<typeof ask> extends [number, ...infer R] ? R[] : never,
  ) => {
    const [ours, theirs] = await Promise.all([start(OURS, ...options), start(REFERENCE, ...options)])
    const answers: Answer[] = []
    for (const words of requests) {
      const [mine, expected] = [await ask(ours.port, ...words), await ask(theirs.port, ...words)]
      expect([words, mine]).toEqual([words, expected])
      answers.push(mine)
    }
    // There an index of a directory has two more lines, and a path with a NUL ends before it.
    if (!requests.some(([path]) => path.startsWith('/index/'))) expect(ours.log()).toEqual(theirs.log())
    return answers
  }

  test('files, links, directories and what is not served', async () => {
    const paths = [
      '/file',
      '/link',
      '/dangling',
      '/secret',
      '/closed',
      '/closed/',
      '/closed/file',
      '/empty',
      '/missing',
    ]
    const more = ['/list/sub', '/list/sub/', '/list/', '/', '//file', '/file?query', '/f%69le', '/file/', '/%']
    const traps = ['/list/../file', '/../root/file', '/%2e%2e/root/file', '/repo/objects/ab/large.filez']
    const answers = await both(
      [],
      [...paths, ...more, ...traps].map((path) => [path]),
    )
    expect(answers.map(({ status }) => status)).toContain(403)
    await both([], [['/index'], ['/index/'], ['/f%00le']])
  })

  test('methods, ranges and conditions', async () => {
    const etag = String((await both([], [['/file']]))[0]?.headers['etag'])
    const time = new Date(1_000_000_000_000).toUTCString()
    await both(
      [],
      [
        ...['bytes=0-3', 'bytes=5-', 'bytes=-5', 'bytes=3-3'].map((range): [string, Record<string, string>] => [
          '/file',
          { range },
        ]),
        ['/file', { 'if-none-match': etag }],
        ['/file', { 'if-none-match': '"other"' }],
        ['/file', { 'if-modified-since': time }],
        ['/file', { 'if-modified-since': new Date(0).toUTCString() }],
        ['/file', {}, 'HEAD'],
        ['/file', {}, 'POST'],
        ['/file', {}, 'DELETE'],
      ],
    )
  })

  test('half of the objects without a range', async () => {
    const [small, rest, large] = await both(
      ['--force-range-requests'],
      [
        ['/repo/objects/ab/small.filez'],
        ['/repo/objects/ab/small.filez', { range: 'bytes=500-' }],
        ['/repo/objects/ab/large.filez'],
        ['/file'],
      ],
    )
    expect([small?.body.length, small?.complete, rest?.body.length]).toEqual([500, false, 501])
    expect([large?.body.length, large?.complete]).toEqual([1_500_000, false])
  })

  test('requests without a password, cookies or headers are refused', async () => {
    const basic = (text: string) => ({ authorization: `Basic ${Buffer.from(text).toString('base64')}` })
    await both(['--require-basic-auth'], [['/file'], ['/file', basic('foouser:no')], ['/file', basic('foouser:barpw')]])
    await both(
      ['--expected-cookies=a=b', '--expected-cookies=c=d'],
      [['/file'], ['/file', { cookie: 'a=b' }], ['/file', { cookie: 'c=d; a=b' }], ['/file', { cookie: 'a=b; c=e' }]],
    )
    await both(
      ['--expected-header=foo=bar', '--expected-header=X-Baz=a=b'],
      [['/file'], ['/file', { foo: 'bar' }], ['/file', { foo: 'bar', 'x-baz': 'a=b' }], ['/file', { foo: 'no' }]],
    )
  })

  test('wrong arguments have the same messages', () => {
    const messages = (program: string, ...words: string[]): string => {
      try {
        return run(program, words)
      } catch (error) {
        return /^error: .*$/m.exec(String((error as { stderr?: unknown }).stderr ?? error))?.[0] ?? String(error)
      }
    }
    const log = join(folder, 'present.log')
    writeFileSync(log, '')
    for (const words of [
      [join(folder, 'missing')],
      [join(root, 'file')],
      ['--random-500s=100', root],
      ['--random-408s=-1', root],
      [`--log-file=${log}`, root],
      ['--unknown'],
    ]) {
      const expected = messages(REFERENCE, ...words)
      expect(expected).toMatch(/^error: /)
      expect(messages(OURS, 'trivial-httpd', ...words)).toBe(expected)
    }
  })
})

describe('options of trivial-httpd', () => {
  test('random errors end after their greatest number', async () => {
    const { port } = await start(
      OURS,
      '--random-500s=99',
      '--random-500s-max=2',
      '--random-408s=99',
      '--random-408s-max=1',
    )
    const statuses: (number | undefined)[] = []
    for (let i = 0; i < 40; i++) statuses.push((await ask(port, '/file')).status)
    const count = (status: number): number => statuses.filter((found) => found === status).length
    expect([count(500), count(408), count(200)]).toEqual([2, 1, 37])
  })

  test('in the background the server serves until its directory is deleted', async () => {
    const place = join(folder, 'short-lived')
    mkdirSync(place)
    writeFileSync(join(place, 'file'), 'x')
    const [portFile, log] = [join(folder, 'port'), join(folder, 'daemon.log')]
    run(OURS, ['trivial-httpd', '-d', '--autoexit', `--log-file=${log}`, '-p', portFile, place])
    const port = Number(readFileSync(portFile, 'utf8'))
    expect((await ask(port, '/file')).body).toBe('x')
    rmSync(place, { recursive: true })
    const ended = async (): Promise<boolean> =>
      ask(port, '/file').then(
        () => false,
        () => true,
      )
    const deadline = Date.now() + 20_000
    while (!(await ended()) && Date.now() < deadline) await wait(50)
    expect(await ended()).toBe(true)
    expect(readFileSync(log, 'utf8')).toContain('root directory removed, exiting')
  })

  test('a server that cannot start in the background fails with its message', () => {
    const start = (): string => run(OURS, ['trivial-httpd', '-d', join(folder, 'missing')])
    expect(start).toThrow(/opendir\(.*missing\): No such file or directory\nerror: Child process failed during setup/)
    expect(existsSync(join(folder, 'missing'))).toBe(false)
  })
})
