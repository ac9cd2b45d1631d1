/** The programs in examples/programs do what they say, in at most twelve lines each. */
import { spawnSync, spawn as start } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { beforeAll, expect, test } from 'vitest'
import { encodeUtf8 } from '../../src/bytes.ts'
import { startRegistry } from '../container/registry/server.ts'
import { spawn } from '../support/built-command.ts'
import { bundlePrograms } from '../support/bundle.ts'
import { run as runReference, testReference } from '../support/reference.ts'
import { temporaryFolder } from '../support/temporary.ts'
import { file, folder, symlink } from './image-cases.ts'
import { writeLayout } from './layout.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const PROGRAMS = join(ROOT, 'examples/programs')

let built: string
let work: string
let image: string
let other: string

beforeAll(async () => {
  work = temporaryFolder()
  built = bundlePrograms(readdirSync(PROGRAMS).map((name) => join(PROGRAMS, name)))
  const layer = [
    folder('etc'),
    symlink('etc/os-release', '../usr/lib/os-release'),
    file('usr/lib/os-release', { body: encodeUtf8('ID=example\n') }),
  ]
  image = await writeLayout(join(work, 'one'), [layer])
  other = await writeLayout(join(work, 'two'), [layer, [file('etc/new'), file('usr/lib/.wh.os-release')]])
})

function program(name: string, ...args: string[]) {
  const { rc, stdout, stderr } = spawn(process.execPath, [join(built, `${name}.mjs`), ...args], work)
  expect({ rc, stderr }).toEqual({ rc: 0, stderr: '' })
  return stdout
}

test('each has at most twelve lines', () => {
  const names = readdirSync(PROGRAMS)
  expect(names.length).toBe(5)
  for (const name of names) {
    const lines = readFileSync(join(PROGRAMS, name), 'utf8').split('\n')
    expect(lines.filter((line) => line.trim() !== '' && !line.startsWith('//')).length, name).toBeLessThanOrEqual(12)
  }
})

testReference(['docker-registry', 'skopeo'], 'read-file prints a file of an image in a registry', async () => {
  await using registry = await startRegistry()
  const name = `${registry.host}/example/os:1`
  runReference('skopeo', ['copy', '-q', '--dest-tls-verify=false', image, `docker://${name}`])
  expect(program('read-file', `docker://${name}`, '/etc/os-release', 'images.sqlite', '--insecure')).toBe(
    'ID=example\n',
  )
})

test('commit-map commits the files', () => {
  const commit = program('commit-map', 'commits.sqlite', 'main').trim()
  expect(commit).toMatch(/^[0-9a-f]{64}$/)
  expect(program('commit-map', 'again.sqlite', 'main').trim()).toBe(commit)
})

test('diff-images prints the paths that differ', () => {
  expect(program('diff-images', image, other, 'diff.sqlite')).toBe('D /usr/lib/os-release\nA /etc/new\n')
})

test('stream-tar writes an archive', () => {
  const script = `'${process.execPath}' '${join(built, 'stream-tar.mjs')}' '${image}' | tar -t`
  const listed = spawnSync('sh', ['-c', script], { encoding: 'utf8', cwd: work })
  expect(listed.stdout.split('\n')).toEqual([
    './',
    'etc/',
    'etc/os-release',
    'usr/',
    'usr/lib/',
    'usr/lib/os-release',
    '',
  ])
})

test('stream-tar stops at Ctrl-C, also while its output is not read', async () => {
  const large = await writeLayout(join(work, 'large'), [[file('large', { body: new Uint8Array(5_000_000) })]])
  const child = start(process.execPath, [join(built, 'stream-tar.mjs'), large], { stdio: ['ignore', 'pipe', 'pipe'] })
  await once(child.stdout, 'readable')
  child.kill('SIGINT')
  child.stderr.setEncoding('utf8')
  let errors = ''
  for await (const text of child.stderr) errors += text
  child.stdout.destroy()
  if (child.exitCode === null) await once(child, 'exit')
  expect([child.exitCode, errors]).toEqual([1, expect.stringContaining('stopped')])
})

test('own-store pulls through the calls of the store', () => {
  const [commit, ...calls] = program('own-store', image).trim().split(' ')
  expect(commit).toMatch(/^[0-9a-f]{64}$/)
  expect(calls.join(' ')).toMatch(/begin: \d+/)
})
