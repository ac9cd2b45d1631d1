/** Tests of credential helpers that are missing, fail, or do not end. */
import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { askHelper } from '../../src/system/credential-helper.ts'
import { temporaryFolder } from '../support/temporary.ts'

const folder = temporaryFolder('disk')
const path = process.env['PATH']

function helper(name: string, script: string): string {
  const program = join(folder, `docker-credential-${name}`)
  writeFileSync(program, `#!/bin/sh\n${script}\n`)
  chmodSync(program, 0o755)
  return name
}

beforeAll(() => {
  process.env['PATH'] = `${folder}:${path}`
})
afterAll(() => {
  process.env['PATH'] = path
})

test('a helper that is not installed is named by the error', async () => {
  await expect(askHelper('missing', 'example.com')).rejects.toMatchObject({
    name: 'IoError',
    message: 'The credential helper docker-credential-missing is not installed',
    data: { errno: 'ENOENT' },
  })
})

test('a helper that is not installed leaves no timer behind, which would keep the process alive', async () => {
  const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length
  const before = timers()
  const asking = askHelper('missing', 'example.com')
  expect(timers()).toBe(before + 1)
  await expect(asking).rejects.toThrow('is not installed')
  expect(timers()).toBe(before)
})

test('a helper that may not be run is named by the error', async () => {
  chmodSync(join(folder, `docker-credential-${helper('plain', 'exit 0')}`), 0o644)
  await expect(askHelper('plain', 'example.com')).rejects.toMatchObject({
    message: expect.stringMatching(/^The credential helper docker-credential-plain cannot be started: .*EACCES/),
  })
})

test('a helper that ignores signals, and the processes that it started, are not waited for', async () => {
  const name = helper('slow', "trap '' TERM\nsleep 20 &\nsleep 20")
  const start = performance.now()
  await expect(askHelper(name, 'example.com', 200)).rejects.toMatchObject({
    message: 'The credential helper docker-credential-slow gave no answer in 0.2 seconds',
    data: { errno: 'ETIMEDOUT' },
  })
  expect(performance.now() - start).toBeLessThan(5000)
})

test('a helper whose answer has no end is stopped', async () => {
  await expect(askHelper(helper('endless', 'exec yes'), 'example.com')).rejects.toMatchObject({
    message: expect.stringContaining('docker-credential-endless gives more than 1048576 bytes'),
  })
})

test('a helper gives credentials, or says that it has none', async () => {
  const good = helper('good', 'read s; echo "{\\"Username\\":\\"$s\\",\\"Secret\\":\\"x\\"}"')
  expect(await askHelper(good, 'example.com')).toEqual({ username: 'example.com', secret: 'x' })
  const none = helper('none', 'echo "credentials not found in native keychain"; exit 1')
  expect(await askHelper(none, 'example.com')).toBeUndefined()
  await expect(askHelper(helper('bad', 'exit 3'), 'example.com')).rejects.toThrow(
    'docker-credential-bad failed with status 3',
  )
})
