/** `remote gpg-list-keys` beside ostree: user ids, subkeys, expired and revoked keys. */
import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { runInProcess } from '../../support/in-process.ts'
import { describeReference, run } from '../../support/reference.ts'
import { temporaryFolder } from '../../support/temporary.ts'

describeReference(['ostree', 'gpg'], 'keys listed by both programs', () => {
  const folder = temporaryFolder('disk')
  const home = temporaryFolder('disk')
  const zone = process.env['TZ']
  const gpg = (...args: string[]) =>
    run('gpg', ['--homedir', home, '--batch', '--quiet', '--passphrase', '', '--pinentry-mode', 'loopback', ...args])
  const make = (user: string, expires: string, ...early: string[]): string => {
    gpg(...early, '--quick-gen-key', user, 'ed25519', 'sign', expires)
    return /^fpr:+([0-9A-F]{40}):/m.exec(gpg('--with-colons', '--list-keys', user))?.[1] as string
  }

  beforeAll(() => {
    process.env['TZ'] = 'UTC'
    const one = make('One <One.Name+tag@Example.ORG>', 'never')
    gpg('--quick-add-uid', one, 'second@x.org')
    gpg('--quick-add-uid', one, 'no address')
    gpg('--quick-add-key', one, 'cv25519', 'encr', '2y')
    gpg('--quick-revoke-uid', one, 'second@x.org')
    make('Later <later@x.org>', '5y')
    make('Old <old@x.org>', '1d', '--faked-system-time', '20200102T030405')
    const gone = make('Gone <gone@x.org>', 'never')
    gpg('--quick-add-key', gone, 'cv25519', 'encr', 'never')
    const path = join(home, `openpgp-revocs.d/${gone}.rev`)
    writeFileSync(path, readFileSync(path, 'utf8').replace(':-----BEGIN', '-----BEGIN'))
    gpg('--import', path)
    run('ostree', [`--repo=${folder}/r`, 'init', '--mode=archive'])
    for (const name of ['none', 'all']) run('ostree', [`--repo=${folder}/r`, 'remote', 'add', name, 'http://x'])
    gpg('--output', join(folder, 'all.gpg'), '--export')
    run('ostree', [`--repo=${folder}/r`, 'remote', 'gpg-import', 'all', '-k', join(folder, 'all.gpg')])
  })

  afterAll(() => {
    if (zone === undefined) delete process.env['TZ']
    else process.env['TZ'] = zone
    spawnSync('gpgconf', ['--homedir', home, '--kill', 'gpg-agent'])
  })

  test.each([[['all']], [['none']], [['missing']], [[]]])('of %j', async (names) => {
    const args = ['remote', 'gpg-list-keys', `--repo=${folder}/r`, ...names]
    const { stdout, stderr, status } = spawnSync('ostree', args, { encoding: 'utf8' })
    expect(await runInProcess(args, folder)).toEqual({ stdout, stderr, status })
    if (names[0] === 'all') expect(stdout).toMatch(/^Key: .*\(revoked\)$/m)
  })
})
