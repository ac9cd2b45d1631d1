/** Signatures that GnuPG made, verified by both programs. */
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { array, bytes, vardict, variantOf } from '../../../src/gvariant/index.ts'
import { goldenJson } from '../../support/golden.ts'
import { describeReference, run, testReference } from '../../support/reference.ts'
import { SideBySide } from '../../support/side-by-side.ts'
import { temporaryFolder } from '../../support/temporary.ts'

const golden = goldenJson<{
  commit_b64: string
  keyrings: Record<string, string>
  signatures: Record<string, string>
}>('sign/gpg-results.json')
/** Checksum of the commit that is signed. */
const COMMIT = 'ecb0a1622f49210a566b18cde40f41bd460be90ccd3d36e60cd041a2e72b09c2'

function decode(base64: string | undefined): Uint8Array {
  return new Uint8Array(Buffer.from(base64 as string, 'base64'))
}

describeReference('ostree', 'signatures in `ostree-ts` and in `ostree`', () => {
  const pair = new SideBySide()
  const zone = process.env['TZ']
  afterAll(() => {
    if (zone === undefined) delete process.env['TZ']
    else process.env['TZ'] = zone
  })
  beforeAll(() => {
    process.env['TZ'] = 'UTC'
    pair.shell(`for repo in src into; do ostree --repo=$repo init --mode=archive; done
      mkdir empty home rings files none
      ostree --repo=src commit -b t -s s --timestamp=@1 --owner-uid=0 --owner-gid=0 --no-xattrs --canonical-permissions \\
        --tree=dir=empty
      for repo in src into; do
        for remote in with bare; do ostree --repo=$repo remote add $remote http://localhost; done
        ostree --repo=$repo remote add file http://localhost --set=gpgkeypath=$PWD/files/keys.gpg
        ostree --repo=$repo remote add folder http://localhost --set=gpgkeypath=$PWD/files
        ostree --repo=$repo remote add commas http://localhost --set=gpgkeypath=$PWD/none,$PWD/files
        ostree --repo=$repo remote add mixed http://localhost "--set=gpgkeypath=$PWD/none,$PWD/none;$PWD/files"
        ostree --repo=$repo remote add gone http://localhost --set=gpgkeypath=/nowhere/at/all
        ostree --repo=$repo remote add unwilling http://localhost --no-gpg-verify
      done`)
    for (const place of [pair.theirs, pair.ours]) {
      const ring = decode(golden.keyrings['all'])
      for (const path of ['src/with', 'into/with']) writeFileSync(join(place, `${path}.trustedkeys.gpg`), ring)
      for (const path of ['home/pubring.gpg', 'rings/x.gpg', 'files/keys.gpg']) writeFileSync(join(place, path), ring)
    }
  })

  function sign(...names: string[]): void {
    const signatures = names.map((name) => decode(golden.signatures[name]))
    const attached = vardict.encode([['ostree.gpgsigs', variantOf(array(bytes), signatures)]])
    for (const place of [pair.theirs, pair.ours]) {
      writeFileSync(join(place, `src/objects/${COMMIT.slice(0, 2)}/${COMMIT.slice(2)}.commitmeta`), attached)
    }
  }

  const SIGNED: string[][] = [
    [],
    ['good'],
    ['bad'],
    ['expired'],
    ['revoked'],
    ['sigexp'],
    ['good', 'rsa', 'sigexp-later'],
    ['good', 'bad', 'rsa'],
    ['bad', 'good'],
    ['garbage'],
    ['inline'],
  ]

  describe.each(SIGNED.map((names) => ({ title: names.join(' and ') || 'nothing', names })))(
    'a commit with signatures: $title',
    ({ names }) => {
      test('both print the same of the signatures with `show`', async () => {
        sign(...names)
        const { stdout } = await pair.run(['show', '--repo=@/src', 't'])
        await pair.run(['show', '--repo=@/src', '--gpg-verify-remote=with', 't'])
        if (names.includes('good') && !names.includes('bad')) expect(stdout).toContain('Good signature from "Good One')
      })

      test('both pull or refuse the commit', async () => {
        sign(...names)
        const others =
          names.join() === 'good' ? ['file', 'folder', 'commas', 'mixed', 'gone', 'nosuch', 'unwilling'] : []
        for (const remote of ['with', ...others]) {
          await pair.run(['pull-local', '--repo=@/into', '--gpg-verify', `--remote=${remote}`, '@/src', 't'])
          pair.expectSame('into/refs')
          pair.shell('rm -rf into/refs/remotes/* into/objects/* into/tmp/*')
        }
      })
    },
  )

  testReference('gpg', 'both verify the signature of a summary', async () => {
    const words = (remote: string) => [
      'pull-local',
      '--repo=@/into',
      '--gpg-verify-summary',
      `--remote=${remote}`,
      '@/src',
      't',
    ]
    await pair.run(words('with'))
    const home = temporaryFolder('disk')
    try {
      // Both use the same signature, because it has the time at which it was made.
      const gpg = (...args: string[]) =>
        run('gpg', [
          '--homedir',
          home,
          '--batch',
          '--quiet',
          '--passphrase',
          '',
          '--pinentry-mode',
          'loopback',
          ...args,
        ])
      gpg('--quick-gen-key', 'Summary <summary@x.org>', 'ed25519', 'sign', 'never')
      pair.shell('ostree --repo=src summary -u')
      gpg('--output', join(home, 'keys'), '--export')
      mkdirSync(join(home, 'rings'))
      copyFileSync(join(home, 'keys'), join(home, 'rings/keys.gpg'))
      gpg('--output', join(home, 'signature'), '--detach-sign', join(pair.theirs, 'src/summary'))
      const signatures = [new Uint8Array(readFileSync(join(home, 'signature')))]
      const attached = vardict.encode([['ostree.gpgsigs', variantOf(array(bytes), signatures)]])
      for (const place of [pair.theirs, pair.ours]) {
        copyFileSync(join(pair.theirs, 'src/summary'), join(place, 'src/summary'))
        copyFileSync(join(home, 'keys'), join(place, 'into/bare.trustedkeys.gpg'))
      }
      await pair.run(words('bare'))
      for (const place of [pair.theirs, pair.ours]) writeFileSync(join(place, 'src/summary.sig'), attached)
      // ostree prints the signatures of a summary since 2026.3, and the local keyrings of remotes do not count.
      const shown = async (...options: string[]) =>
        (await pair.runBoth(['summary', '--repo=@/src', '-v', ...options]))[1].stdout.split('\n\n').slice(-3)
      expect(await shown()).toEqual([
        expect.any(String),
        'Found 1 signature on the summary:',
        expect.stringMatching(
          /^ {2}Signature made \w{3} .* using EDDSA key ID [0-9A-F]{16}\n {2}Can't check signature: public key not found\n$/i,
        ),
      ])
      const known = await shown(`--gpg-homedir=${join(home, 'rings')}`)
      expect(known[2]).toContain('\n  Good signature from "Summary <summary@x.org>"\n')
      expect((await pair.runBoth(['summary', '--repo=@/src', '--raw']))[1].stdout).not.toContain('Found')
      await pair.run(words('with'))
      await pair.run(words('nosuch'))
      await pair.run(words('bare'))
      pair.expectSame('into/refs')
      pair.shell('ostree --repo=into remote add told file://$PWD/src --set=gpg-verify-summary=true')
      pair.shell('ostree --repo=into remote add silent file://$PWD/src --set=gpg-verify-summary=true')
      pair.shell('cp into/bare.trustedkeys.gpg into/told.trustedkeys.gpg')
      const told = async (remote: string) => {
        await pair.run(['remote', 'refs', '--repo=@/into', remote])
        await pair.run(['remote', 'summary', '--repo=@/into', remote])
      }
      await told('told')
      await told('silent')
      await pair.run(['remote', 'summary', '--raw', '--repo=@/into', 'told'])
      pair.shell('mv src/summary.sig kept')
      await told('told')
      pair.shell('mv src/summary moved')
      await told('told')
      pair.shell('mv moved src/summary; mv kept src/summary.sig')
      pair.shell('printf x >> src/summary; rm -rf into/refs/remotes/* into/objects/* into/tmp/*')
      await pair.run(words('bare'))
      pair.shell('printf junk > src/summary.sig')
      await pair.run(words('bare'))
    } finally {
      pair.shell('rm -f src/summary src/summary.sig into/bare.trustedkeys.gpg')
    }
  })

  test('both search the same places for keys', async () => {
    sign('good')
    await pair.run(['show', '--repo=@/src', '-B', 't'])
    await pair.run(['show', '--repo=@/src', '--raw', COMMIT])
    await pair.run(['show', '--repo=@/src', '--gpg-verify-remote=bare', 't'])
    await pair.run(['show', '--repo=@/src', '--gpg-verify-remote=nosuch', 't'])
    await pair.run(['show', '--repo=@/src', '--gpg-verify-remote=gone', 't'])
    await pair.run(['show', '--repo=@/src', '--gpg-verify-remote=bare', '--gpg-homedir=@/home', 't'])
    pair.shell('rm src/with.trustedkeys.gpg')
    for (const home of ['home', 'rings', 'files', 'none', 'nowhere']) {
      await pair.run(['show', '--repo=@/src', `--gpg-homedir=@/${home}`, 't'])
    }
    await pair.run(['show', '--repo=@/src', 't'])
  })
})
