import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { temporaryFolder } from '../temporary.ts'

const REPORTER = fileURLToPath(new URL('reporter.ts', import.meta.url))
const VITEST = fileURLToPath(new URL('../../../node_modules/vitest/vitest.mjs', import.meta.url))

/** Runs vitest in a process of its own, on one file. @returns the exit status and the last lines it printed */
function runVitest(source: string | undefined): { status: number | null; closing: string } {
  const folder = temporaryFolder('modules')
  writeFileSync(
    join(folder, 'vitest.config.mjs'),
    `export default { test: { exclude: [], reporters: ['dot', ${JSON.stringify(REPORTER)}] } }`,
  )
  if (source !== undefined) {
    writeFileSync(join(folder, 'a.test.ts'), `import { beforeAll, describe, test } from 'vitest'\n${source}`)
  }
  const { status, stdout } = spawnSync(process.execPath, [VITEST, 'run', '--root', folder], { encoding: 'utf8' })
  return { status, closing: stdout.trimEnd().split('\n\n').slice(-2).join('\n').trim() }
}

test('the closing line has 0 failed if the run succeeds', () => {
  const { status, closing } = runVitest("test('a', () => {}); test('b', () => {}); test.skip('c', () => {})")
  expect(closing).toMatch(/\n2 passed, 0 failed, 1 skipped$/)
  expect(status).toBe(0)
})

test('skipped tests are counted by the program that they need', () => {
  const { closing } = runVitest(`
    describe.skip('x (needs skopeo)', () => { test('a', () => {}); describe('y', () => { test('b', () => {}) }) })
    test.skip('z (needs root, bsdtar)', () => {})
    test.skip('without reason', () => {})`)
  expect(closing).toBe(
    'Tests were skipped because this machine lacks root, bsdtar (1); skopeo (2).\n0 passed, 0 failed, 4 skipped',
  )
})

test.each([
  ['a test that fails', "test('a', () => { throw new Error('a') })", '0 passed, 1 failed, 0 skipped'],
  ['a file that cannot be loaded', "test('a', () => {}); throw new Error('b')", '0 passed, 1 failed, 0 skipped'],
  [
    'a group that cannot be collected',
    "test('a', () => {}); describe('b', () => { throw new Error('c') })",
    '0 passed, 1 failed, 0 skipped',
  ],
  [
    'a hook that throws',
    "describe('a', () => { beforeAll(() => { throw new Error('b') }); test('c', () => {}) })",
    '0 passed, 1 failed, 1 skipped',
  ],
  [
    'an error outside of a test',
    `test('a', () => { setTimeout(() => { throw new Error('b') }) })
     test('c', () => new Promise((resolve) => { setTimeout(resolve, 100) }))`,
    '2 passed, 1 failed, 0 skipped',
  ],
  [
    'a worker that is killed',
    "test('a', () => { process.kill(process.pid, 'SIGKILL') })",
    '0 passed, 1 failed, 1 skipped',
  ],
  ['a run without any tests', undefined, '0 passed, 1 failed, 0 skipped'],
])('the closing line and the exit status tell of %s', (_, source, expected) => {
  const { status, closing } = runVitest(source)
  expect(closing.split('\n').at(-1)).toBe(expected)
  expect(status).toBe(1)
})
