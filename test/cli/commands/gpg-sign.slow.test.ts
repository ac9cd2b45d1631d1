/** GPG signatures made by `gpg-sign`, `commit` and `summary -u`, beside ostree and verified by it. */
import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { runInProcess } from '../../support/in-process.ts'
import { describeReference, run } from '../../support/reference.ts'
import { temporaryFolder } from '../../support/temporary.ts'

describeReference(['ostree', 'gpg'], 'signing with GPG', () => {
  const folder = temporaryFolder('disk')
  const home = temporaryFolder('disk')
  const HOME = `--gpg-homedir=${home}`
  const keys: string[] = []
  const gpg = (...args: string[]) =>
    run('gpg', ['--homedir', home, '--batch', '--quiet', '--passphrase', '', '--pinentry-mode', 'loopback', ...args])

  beforeAll(() => {
    for (const name of ['one', 'two']) {
      gpg('--quick-gen-key', `${name} <${name}@x.org>`, 'ed25519', 'sign', 'never')
      const listed = gpg('--with-colons', '--list-keys', `${name}@x.org`)
      keys.push(/^fpr:+([0-9A-F]{40}):/m.exec(listed)?.[1] as string)
    }
    // Keys are recognized only in files whose names end in .gpg.
    writeFileSync(join(home, 'public.gpg'), '')
    gpg('--yes', '--output', join(home, 'public.gpg'), '--export')
    run('ostree', [`--repo=${folder}/r`, 'init', '--mode=archive'])
    run('ostree', [`--repo=${folder}/r`, 'remote', 'add', 'o', 'http://x', `--gpg-import=${home}/public.gpg`])
  })

  afterAll(() => {
    spawnSync('gpgconf', ['--homedir', home, '--kill', 'gpg-agent'])
  })

  const ours = (...words: string[]) =>
    runInProcess([words[0] as string, `--repo=${folder}/r`, ...words.slice(1)], folder)
  const theirs = (...words: string[]) => {
    const args = [`--repo=${folder}/r`, ...words]
    const { stdout, stderr, status } = spawnSync('ostree', args, { encoding: 'utf8' })
    return { stdout, stderr, status }
  }
  /** How many good signatures ostree finds. */
  const good = (rev: string): number =>
    theirs('show', '--gpg-verify-remote=o', rev).stdout.split('Good signature').length - 1

  test('a commit is signed by all keys, and ostree verifies it', async () => {
    const options = keys.map((key) => `--gpg-sign=${key}`)
    const { status, stderr } = await ours('commit', '-b', 'main', `--tree=dir=${temporaryFolder()}`, ...options, HOME)
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    expect(good('main')).toBe(2)
  })

  test('both programs sign, refuse and delete alike', async () => {
    const [one, two] = keys as [string, string]
    const both = async (...words: string[]) => {
      const meta = theirs('rev-parse', 'main').stdout.trim()
      const path = `${folder}/r/objects/${meta.slice(0, 2)}/${meta.slice(2)}.commitmeta`
      const before = readFileSync(path)
      const expected = theirs(...words)
      const after = readFileSync(path)
      writeFileSync(path, before)
      expect(await ours(...words)).toEqual(expected)
      // Signatures hold the time at which they were made.
      expect(readFileSync(path).length).toBe(after.length)
      if (words.includes('-d')) expect(readFileSync(path)).toEqual(after)
      return expected.stdout
    }
    await both('gpg-sign', 'main', one, HOME)
    await both('gpg-sign', 'main', 'DEADBEEF', HOME)
    await both('gpg-sign', 'main', one, '--gpg-homedir=/nowhere/at/all')
    await both('gpg-sign', '-d', 'main', 'DEADBEEF', HOME)
    expect(await both('gpg-sign', '-d', 'main', two.slice(-16), HOME)).toBe('Signatures deleted: 1\n')
    expect(good('main')).toBe(1)
    await both('gpg-sign', 'main', two, HOME)
    expect(good('main')).toBe(2)
    expect(await both('gpg-sign', '-d', 'main', one, two, HOME)).toBe('Signatures deleted: 2\n')
    expect(await both('gpg-sign', '-d', 'main', one, HOME)).toBe('Signatures deleted: 0\n')
    expect(good('main')).toBe(0)
  })

  test('a commit that cannot be signed sets no branch', async () => {
    const words = ['commit', '-b', 'new', '--tree=ref=main', '--gpg-sign=DEADBEEF', HOME]
    expect(await ours(...words)).toEqual(theirs(...words))
    expect(theirs('rev-parse', 'new').status).toBe(1)
  })

  test('a signed summary is accepted by ostree, and kept when a later one cannot be signed', async () => {
    expect(await ours('summary', '-u', `--gpg-sign=${keys[0]}`, HOME)).toMatchObject({ status: 0, stderr: '' })
    run('ostree', [`--repo=${folder}/to`, 'init', '--mode=archive'])
    run('ostree', [
      `--repo=${folder}/to`,
      'remote',
      'add',
      'o',
      `file://${folder}/r`,
      '--no-gpg-verify',
      '--set=gpg-verify-summary=true',
      `--gpg-import=${home}/public.gpg`,
    ])
    run('ostree', [`--repo=${folder}/to`, 'pull', 'o', 'main'])
    const before = readFileSync(`${folder}/r/summary.sig`)
    const failed = await ours('summary', '-u', '--gpg-sign=DEADBEEF', HOME)
    expect(failed).toEqual(theirs('summary', '-u', '--gpg-sign=DEADBEEF', HOME))
    await ours('summary', '-u', `--gpg-sign=${keys[0]}`, HOME)
    const again = readFileSync(`${folder}/r/summary`)
    await ours('summary', '-u', '--gpg-sign=DEADBEEF', HOME)
    expect(readFileSync(`${folder}/r/summary`)).toEqual(again)
    expect(before.length).toBeGreaterThan(64)
  })
})
