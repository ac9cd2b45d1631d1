/** The defaults of the machine: where credentials are found. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { hostCredentials } from '../../src/node.ts'
import { temporaryFolder } from '../support/temporary.ts'

function writeAuth(path: string, entries: Record<string, string>): void {
  mkdirSync(dirname(path), { recursive: true })
  const auths = Object.entries(entries).map(([host, user]) => [host, { auth: btoa(`${user}:secret`) }])
  writeFileSync(path, JSON.stringify({ auths: Object.fromEntries(auths) }))
}

const user = async (environment: Record<string, string>, domain: string) => {
  const found = await hostCredentials(environment)({ domain, repository: 'a/b' })
  return found?.kind === 'password' ? found.username : undefined
}

test('credentials are those of podman, then those of docker, unless a file is named', async () => {
  const home = temporaryFolder()
  const runtime = join(home, 'runtime')
  const environment = { HOME: home, XDG_RUNTIME_DIR: runtime }
  expect(await user(environment, 'one.example')).toBeUndefined()
  writeAuth(join(home, '.docker/config.json'), {
    'one.example': 'docker',
    'two.example': 'docker',
    'three.example': 'docker',
  })
  writeAuth(join(home, '.config/containers/auth.json'), { 'one.example': 'config', 'two.example': 'config' })
  writeAuth(join(runtime, 'containers/auth.json'), { 'one.example': 'runtime' })
  expect(await user(environment, 'one.example')).toBe('runtime')
  expect(await user(environment, 'two.example')).toBe('config')
  expect(await user(environment, 'three.example')).toBe('docker')
  expect(await user(environment, 'four.example')).toBeUndefined()
  writeAuth(join(home, 'named.json'), { 'four.example': 'named' })
  const named = { ...environment, REGISTRY_AUTH_FILE: join(home, 'named.json') }
  expect(await user(named, 'four.example')).toBe('named')
  expect(await user(named, 'one.example')).toBeUndefined()
  writeAuth(join(home, 'elsewhere/config.json'), { 'five.example': 'elsewhere' })
  expect(await user({ ...environment, DOCKER_CONFIG: join(home, 'elsewhere') }, 'five.example')).toBe('elsewhere')
})

test('a malformed file is named, and its text is not shown', async () => {
  const home = temporaryFolder()
  const path = join(home, '.docker/config.json')
  mkdirSync(dirname(path))
  writeFileSync(path, '{"auths": {"a": "c2VjcmV0')
  const asked = user({ HOME: home }, 'one.example')
  await expect(asked).rejects.toMatchObject({ name: 'FormatError', message: `Invalid ${path}: not a JSON object` })
})
