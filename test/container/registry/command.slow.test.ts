/** Tests of the command with docker-registry: options, auth files, certificates. */
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { BuiltCommand, type RunResult } from '../../support/built-command.ts'
import { describeReference, run } from '../../support/reference.ts'
import { temporaryFolder } from '../../support/temporary.ts'
import { startRegistry, TESTER, type TestRegistry } from './server.ts'

const LAYOUT = fileURLToPath(new URL('../../../examples/exampleos', import.meta.url))

describeReference(['docker-registry', 'skopeo', 'openssl'], 'ostree-ts container image pull', () => {
  let directory = ''
  let program: BuiltCommand
  let closed: TestRegistry
  let secure: TestRegistry
  beforeAll(async () => {
    directory = temporaryFolder('disk')
    program = await BuiltCommand.build({ container: true })
    closed = await startRegistry({ password: true })
    secure = await startRegistry({ tls: true })
    const creds = `--dest-creds=${TESTER.username}:${TESTER.password}`
    run('skopeo', ['copy', creds, '--dest-tls-verify=false', `oci:${LAYOUT}:1.0`, `docker://${closed.host}/os:1.0`])
    run('skopeo', [
      'copy',
      `--dest-cert-dir=${secure.certificates}`,
      `oci:${LAYOUT}:1.0`,
      `docker://${secure.host}/os:1.0`,
    ])
  }, 120_000)
  afterAll(async () => {
    await closed?.[Symbol.asyncDispose]()
    await secure?.[Symbol.asyncDispose]()
  })

  let repos = 0
  function pull(name: string, options: string[], env: Record<string, string> = {}): RunResult {
    const repo = join(directory, `repo${++repos}.sqlite`)
    const image = `ostree-unverified-registry:${name}`
    return program.run(['container', 'image', 'pull', repo, image, '--quiet', ...options], directory, '', env)
  }

  const wrote = {
    rc: 0,
    stderr: '',
    stdout: expect.stringMatching(/Wrote: ostree-unverified-registry:\S+ => [0-9a-f]{64}\n$/),
  }
  const plain = '--insecure-skip-tls-verification'

  function authfile(document: object): string {
    const path = join(directory, `auth${repos}.json`)
    writeFileSync(path, JSON.stringify(document))
    return path
  }

  test('the command uses the password of --authfile', () => {
    const auth = Buffer.from(`${TESTER.username}:${TESTER.password}`).toString('base64')
    const path = authfile({ auths: { [closed.host]: { auth } } })
    const name = `${closed.host}/os:1.0`
    expect(pull(name, [plain, '--authfile', path])).toMatchObject(wrote)
    const refused = { rc: 1, stderr: expect.stringMatching(/^error: .*unauthorized/) }
    expect(pull(name, [plain, '--auth-anonymous'])).toMatchObject(refused)
  })

  test('the command runs a credential helper', () => {
    const helpers = join(directory, 'bin')
    mkdirSync(helpers)
    const helper = join(helpers, 'docker-credential-test')
    writeFileSync(
      helper,
      `#!/bin/sh\nread server\n[ "$1 $server" = "get ${closed.host}" ] && echo '{"Username":"${TESTER.username}","Secret":"${TESTER.password}"}'\n`,
    )
    chmodSync(helper, 0o755)
    const path = authfile({ credHelpers: { [closed.host]: 'test' } })
    const env = { PATH: `${helpers}:${process.env['PATH']}` }
    expect(pull(`${closed.host}/os:1.0`, [plain, '--authfile', path], env)).toMatchObject(wrote)
  })

  test('the command trusts only the authority in --cert-dir', () => {
    const name = `${secure.host}/os:1.0`
    expect(pull(name, ['--cert-dir', secure.certificates])).toMatchObject(wrote)
    expect(pull(name, [plain])).toMatchObject(wrote)
    const nowhere = pull(name, ['--cert-dir', join(directory, 'nowhere')])
    expect(nowhere).toMatchObject({ rc: 1, stderr: expect.stringMatching(/^error: .*nowhere/) })
    expect(pull(name, [])).toMatchObject({ rc: 1, stderr: expect.stringMatching(/connection failed: DEPTH_ZERO/) })
  })

  test('the command follows the policy that the environment names', () => {
    const path = join(directory, 'policy.json')
    const env = { CONTAINERS_POLICY_JSON: path }
    const any = [{ type: 'insecureAcceptAnything' }]
    const write = (scope: string) =>
      writeFileSync(path, JSON.stringify({ default: [{ type: 'reject' }], transports: { docker: { [scope]: any } } }))
    write('quay.io')
    const name = `${secure.host}/os:1.0`
    const rejected = { rc: 1, stdout: '', stderr: expect.stringContaining('is rejected by policy.\n') }
    expect(pull(name, [plain], env)).toMatchObject(rejected)
    write(`${secure.host}/os`)
    expect(pull(name, [plain], env)).toMatchObject(wrote)
  })

  test('the command prints an error that names a missing image', () => {
    const failed = pull(`${secure.host}/os:2.0`, [plain])
    expect(failed).toMatchObject({ rc: 1, stderr: expect.stringMatching(/^error: .*os:2\.0.*manifest unknown/) })
  })
})
