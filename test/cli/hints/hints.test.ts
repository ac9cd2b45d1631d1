/** The hints below errors: for each common mistake the error of ostree, and what to do instead. */
import { chmodSync, copyFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { COMMANDS } from '../../../src/cli/command-list.ts'
import { hintFor } from '../../../src/cli/hints/hint.ts'
import { MISSING_COMMANDS, requireAvailable } from '../../../src/cli/missing-commands.ts'
import { IoError, RefNotFoundError, UnsupportedError, UsageError } from '../../../src/errors.ts'
import { goldenJson } from '../../support/golden.ts'
import { hintOf, runInProcess } from '../../support/in-process.ts'
import { temporaryFolder } from '../../support/temporary.ts'

const LAYOUT = fileURLToPath(new URL('../../../examples/exampleos', import.meta.url))
const IMAGE = `oci:${LAYOUT}:1.0`
const folder = temporaryFolder()
const store = join(folder, 'a.sqlite')
const host = {
  findRepo: (option: string | undefined) => option,
  openRepo: () => Promise.reject(new Error('not called')),
}

beforeAll(async () => {
  const { status, stderr } = await runInProcess(['container', 'image', 'pull', store, IMAGE], folder)
  expect(status, stderr).toBe(0)
  mkdirSync(join(folder, 'tree'))
  writeFileSync(join(folder, 'tree/file'), 'content')
  await runInProcess(['commit', `--repo=${store}`, '-b', 'main', join(folder, 'tree')], folder)
})

describe('hints about commands and options', () => {
  test.each([
    [['comit'], "Unknown command 'comit'", 'did you mean `ostree-ts commit`?'],
    [['xyzzy'], "Unknown command 'xyzzy'", '`ostree-ts --help` lists the commands'],
    [['remote', 'lst'], 'Unknown "remote" subcommand \'lst\'', 'did you mean `ostree-ts remote list`?'],
    [
      ['container', 'image', 'xyzzy'],
      'Unknown "container image" subcommand \'xyzzy\'',
      '`ostree-ts container image --help` lists the commands',
    ],
  ])('for the unknown command of %j the nearest one is named', async (words, message, hint) => {
    expect(await hintFor(new UsageError(message), words, host)).toBe(hint)
  })

  test.each([
    [['ls', '--recursve', 'main'], 'Unknown option --recursve', 'did you mean `--recursive`?'],
    [['ls', '-recursive', 'main'], 'Unknown option -recursive', 'did you mean `--recursive`?'],
    [['ls', '--xyzzy=1', 'main'], 'Unknown option --xyzzy=1', '`ostree-ts ls --help` lists the options'],
    [['commit', '-bmain'], 'Missing argument for -b', 'write a blank between an option and its value: `-b main`'],
  ])('for the wrong option of %j the right one is named', async (words, message, hint) => {
    const { error, hint: found } = await hintOf([...words, `--repo=${store}`].slice(0, words.length), folder)
    expect({ message: error.message, hint: found }).toEqual({ message, hint })
  })

  test('every command of ostree exists, or is listed as missing, and not both', () => {
    const known = Object.keys(goldenJson<Record<string, unknown>>('core/cli-help.json')).map((name) => name.slice(7))
    const ours = COMMANDS.flatMap((entry) => [
      entry.name,
      ...('members' in entry ? entry.members.map(({ name }) => `${entry.name} ${name}`) : []),
    ])
    expect(Object.keys(MISSING_COMMANDS).filter((name) => ours.includes(name))).toEqual([])
    const all = [...ours, ...Object.keys(MISSING_COMMANDS)]
    expect(known.filter((name) => name !== '' && !all.includes(name))).toEqual([])
  })

  test.each(Object.entries(MISSING_COMMANDS))('`%s` is an error with a hint', async (name, hint) => {
    expect(() => requireAvailable(name)).toThrow(
      new UnsupportedError(`command ${name}`, `Command '${name}' is not available in ostree-ts`),
    )
    const error = new UnsupportedError(`command ${name}`, '')
    expect(await hintFor(error, name.split(' '), host)).toBe(hint)
  })
})

describe('hints about repositories, refs and paths', () => {
  test('an existing repository among the arguments is proposed for `--repo`', async () => {
    const error = new UsageError('Command requires a --repo argument')
    const none = { ...host, findRepo: () => undefined }
    expect(await hintFor(error, ['container', 'image', 'list', store], none)).toBe(`did you mean \`--repo=${store}\`?`)
    expect(await hintFor(error, ['ls', 'main'], none)).toBe(
      'name the repository with `--repo=PATH`, or set OSTREE_REPO',
    )
  })

  test.each([
    ['missing', (path: string) => `\`ostree-ts init --repo=${path} --mode=bare-user-only\` creates a repository there`],
    ['missing.sqlite', (path: string) => `\`ostree-ts init --repo=${path}\` creates a repository there`],
    ['tree', (path: string) => `\`ostree-ts init --repo=${path} --mode=bare-user-only\` creates a repository there`],
  ])('for %s, which is not a repository, the command that creates one is named', async (name, hint) => {
    const path = join(folder, name)
    const { error, hint: found } = await hintOf(['ls', `--repo=${path}`, 'main'], folder)
    expect(error.message).toMatch(/^opening repo: /)
    expect(found).toBe(hint(path))
  })

  test('a directory that is an image layout is recognized', async () => {
    const { hint } = await hintOf(['ls', `--repo=${LAYOUT}`, 'main'], folder)
    expect(hint).toContain(`${LAYOUT} is an image layout, not a repository`)
  })

  test.each([
    ['mian', 'did you mean `main`?'],
    ['unlike', `refs here: main, ${IMAGE}`],
    [`oci:${LAYOUT}:1.1`, `did you mean \`${IMAGE}\`?`],
    ['docker://h/x', `images here: ${IMAGE}; \`ostree-ts container image pull ${store} docker://h/x\` stores it`],
  ])('for the revision %s, which does not exist, those that exist are named', async (rev, hint) => {
    expect((await hintOf(['ls', `--repo=${store}`, rev], folder)).hint).toBe(hint)
  })

  test('a directory that is given to `diff` like a revision is recognized', async () => {
    const error = new RefNotFoundError('src')
    expect(await hintFor(error, ['diff', 'main', 'src'], host)).toBe('write a directory with its path: `./src`')
  })

  test('a path in /etc is looked for in /usr/etc', async () => {
    const { error, hint } = await hintOf(['cat', `--repo=${store}`, IMAGE, '/etc/os-release'], folder)
    expect(error.message).toBe('No such file or directory: /etc')
    expect(hint).toBe('commits keep the files of /etc in /usr/etc: try `/usr/etc/os-release`')
    expect((await hintOf(['cat', `--repo=${store}`, IMAGE, '/srv/x'], folder)).hint).toBeUndefined()
  })

  test('a destination that exists is named', async () => {
    const { hint } = await hintOf(['checkout', `--repo=${store}`, 'main', join(folder, 'tree')], folder)
    expect(hint).toContain('exists: choose another directory, or add to it with `--union`')
  })

  test('missing privileges and missing extended attributes lead to modes that need neither', async () => {
    const denied = new IoError('Writing content object: fchown: Operation not permitted', 'EPERM')
    expect(await hintFor(denied, ['commit', '-b', 'main', 'tree'], host)).toMatch(
      /^mode bare needs root; .*bare-user-only/,
    )
    const owners = new IoError('Copy checkout of x to bin: fchownat: Operation not permitted', 'EPERM')
    expect(await hintFor(owners, ['checkout', 'main'], host)).toContain('`--user-mode`')
    const attributes = new IoError('Creating repo: fsetxattr: Operation not supported', 'ENOTSUP')
    expect(await hintFor(attributes, ['init'], host)).toMatch(/^use another file system, or .*bare-user-only/)
    const other = new IoError('mkdir: Operation not permitted', 'EPERM')
    expect(await hintFor(other, ['init'], host)).toBeUndefined()
  })
})

describe('hints about images', () => {
  const pull = (...words: string[]) => hintOf(['container', 'image', 'pull', ...words], folder)

  test('swapped arguments are recognized', async () => {
    const { error, hint } = await pull(IMAGE, store)
    expect(error.message).toBe(`Missing ':' in ${store}`)
    expect(hint).toBe(`the repository comes first: \`ostree-ts container image pull ${store} ${IMAGE}\``)
  })

  test('a missing image is asked for', async () => {
    expect((await pull(store)).hint).toMatch(/^name the image too: /)
    expect((await hintOf(['container', 'image', 'plan'], folder)).hint).toMatch(/^for example /)
  })

  test.each([
    ['quay.io/foo/bar:1', 'did you mean `docker://quay.io/foo/bar:1`?'],
    ['localhost:5000/foo', 'did you mean `docker://localhost:5000/foo`?'],
    ['docker:quay.io/foo', 'did you mean `docker://quay.io/foo`?'],
    [`${LAYOUT}:1.0`, `did you mean \`${IMAGE}\`?`],
    [
      'nosuch:x',
      'an image is `docker://HOST/NAME:TAG`, `oci:PATH:TAG`, `oci-archive:FILE`, `docker-archive:FILE` or `dir:PATH`',
    ],
  ])('for %s, which lacks a transport, a reference with one is named', async (text, hint) => {
    expect((await pull(store, text)).hint).toBe(hint)
  })

  test('the tags of a layout are listed when the tag is missing', async () => {
    const { error, hint } = await pull(store, `oci:${LAYOUT}:2.0`)
    expect(error.message).toContain('no descriptor found for reference "2.0"')
    expect(hint).toBe(`tags there: 1.0, 1.0-appliance; for example \`${IMAGE}\``)
  })

  test('a layout that does not exist, and one that is an image of another transport, are named', async () => {
    expect((await pull(store, 'oci:/nowhere:1')).hint).toBe('/nowhere does not exist')
    const other = join(folder, 'dir')
    mkdirSync(other)
    copyFileSync(join(LAYOUT, 'index.json'), join(other, 'manifest.json'))
    expect((await pull(store, `oci:${other}`)).hint).toBe(`did you mean \`dir:${other}\`?`)
    rmSync(other, { recursive: true })
  })

  test('control characters of a tag do not reach the terminal', async () => {
    const other = join(folder, 'evil')
    mkdirSync(other)
    const tagged = (tag: string) => ({ annotations: { 'org.opencontainers.image.ref.name': tag } })
    const digest = `sha256:${'0'.repeat(64)}`
    const entry = { mediaType: 'application/vnd.oci.image.manifest.v1+json', digest, size: 1, ...tagged('a\u001b[31m') }
    writeFileSync(join(other, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: [entry] }))
    writeFileSync(join(other, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}')
    expect((await pull(store, `oci:${other}:x`)).hint).toBe(`tags there: a?[31m; for example \`oci:${other}:a?[31m\``)
  })

  test('images that are not stored lead to those that are', async () => {
    const { hint } = await hintOf(['container', 'image', 'history', `--repo=${store}`, `oci:${LAYOUT}`], folder)
    expect(hint).toBe(`did you mean \`${IMAGE}\`?`)
  })
})

describe('hints about registries', () => {
  let server: Server
  let registry: string
  let tags = ''

  beforeAll(async () => {
    server = createServer(({ url, headers }, response) => {
      const isKnown = headers.authorization === `Basic ${btoa('user:password')}`
      const answers: Record<string, string> = { '/v2/': '{}', '/v2/x/tags/list': tags }
      const body = answers[url ?? '']
      response.writeHead(isKnown ? (body ? 200 : 404) : 401, { 'www-authenticate': 'Basic realm="test"' })
      response.end(body ?? '{}')
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    registry = `127.0.0.1:${(server.address() as AddressInfo).port}`
  })
  afterAll(() => new Promise((resolve) => server.close(resolve)))

  const pull = (...words: string[]) =>
    hintOf(['container', 'image', 'pull', store, `docker://${registry}/x:1`, ...words], folder)
  const INSECURE = '--insecure-skip-tls-verification'
  const authfile = (password: string): string => {
    const path = join(folder, `${password}.json`)
    writeFileSync(path, JSON.stringify({ auths: { [registry]: { auth: btoa(`user:${password}`) } } }))
    chmodSync(path, 0o600)
    return path
  }

  test('plain HTTP needs an option', async () => {
    expect((await pull()).hint).toBe(`if ${registry} speaks plain HTTP, add \`${INSECURE}\``)
  })

  test('without a password the commands that log in are named', async () => {
    expect((await pull(INSECURE, '--auth-anonymous')).hint).toBe(
      `log in with \`skopeo login ${registry}\` or \`podman login ${registry}\`, and run the command without \`--auth-anonymous\``,
    )
  })

  test('with a wrong password the file that it is from is named', async () => {
    const path = authfile('wrong')
    expect((await pull(INSECURE, `--authfile=${path}`)).hint).toBe(
      `check the user and the password for ${registry} in ${path}`,
    )
  })

  test('a credential file that is missing is named', async () => {
    const { error, hint } = await pull('--authfile=/nowhere/auth.json')
    expect(error.message).toBe('openat(/nowhere/auth.json): No such file or directory')
    expect(hint).toBe(
      '`skopeo login --authfile=/nowhere/auth.json HOST` creates it; `--auth-anonymous` sends no credentials',
    )
  })

  test('the tags of a registry are listed when the tag is missing', async () => {
    const words = [INSECURE, `--authfile=${authfile('password')}`]
    tags = JSON.stringify({ name: 'x', tags: ['1.0', '1.1', 'latest', 'a\u001b[31m', 'b', 'c', 7] })
    expect((await pull(...words)).hint).toBe(
      `tags there: 1.0, 1.1, latest, a?[31m, b and 1 more; for example \`docker://${registry}/x:1.0\``,
    )
  })

  test.each(['', '{"tags":[]}', '{"tags":null}', '[]'])(
    'the command that lists tags is named when the registry answers %j',
    async (answer) => {
      tags = answer
      const { hint } = await pull(INSECURE, `--authfile=${authfile('password')}`)
      expect(hint).toBe(`\`skopeo list-tags docker://${registry}/x\` lists the tags there`)
    },
  )
})
