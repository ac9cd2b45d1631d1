/** The keyrings of remotes: `remote add --gpg-import` and `remote gpg-import` beside ostree, which reads what is written. */
import { spawnSync } from 'node:child_process'
import { beforeEach, expect, test } from 'vitest'
import { describeReference } from '../../support/reference.ts'
import { SideBySide } from '../../support/side-by-side.ts'

/** Keys that libostree's tests use. */
const KEYS = '/usr/libexec/installed-tests/libostree/gpghome'

describeReference(['ostree', 'gpg', `${KEYS}/key1.asc`], 'keys imported by both programs', () => {
  let pair: SideBySide
  beforeEach(async () => {
    pair = new SideBySide()
    pair.shell(`
      cp ${KEYS}/key?.asc ${KEYS}/pubring.gpg ${KEYS}/secring.gpg .
      cat key1.asc key2.asc > two.asc
      for i in 1 2 3; do gpg --homedir . --dearmor < key$i.asc > key$i.gpg 2>/dev/null; done
      head -c 290 key1.gpg > cut.gpg; echo text > text; : > empty`)
    await pair.run(['init', '--repo=@/r', '--mode=archive'])
  })

  const add = (name: string, file: string, ...more: string[]): string[] => [
    'remote',
    'add',
    '--repo=@/r',
    name,
    'http://x',
    `--gpg-import=@/${file}`,
    ...more,
  ]
  const importKeys = (name: string, ...more: string[]): string[] => [
    'remote',
    'gpg-import',
    '--repo=@/r',
    name,
    ...more,
  ]

  /** Returns how ostree lists the keys of a remote, in both repositories. */
  function listed(name: string): string[] {
    return [pair.theirs, pair.ours].map((place) => {
      const args = ['remote', 'gpg-list-keys', `--repo=${place}/r`, name]
      return spawnSync('ostree', args, { encoding: 'utf8', env: { ...process.env, TZ: 'UTC' } }).stdout
    })
  }

  test('a new remote gets the keys of a file, and later imports add those that it does not have', async () => {
    await pair.run(add('one', 'key1.asc'))
    await pair.run(add('two', 'two.asc'))
    await pair.run(add('two', 'key1.asc', '--if-not-exists'))
    await pair.run(add('two', 'key3.gpg', '--force'))
    await pair.run(importKeys('one', '-k', '@/key1.gpg'))
    await pair.run(importKeys('one', '-k', '@/key2.asc', '-k', '@/two.asc', '-k', '@/key3.asc'))
    await pair.run(add('ring', 'pubring.gpg'))
    for (const name of ['one', 'two', 'ring']) {
      const [theirs, ours] = listed(name)
      expect(theirs).toMatch(/^Key: /)
      expect(ours).toBe(theirs)
    }
    await pair.run(['remote', 'delete', '--repo=@/r', 'two'])
    pair.expectSame('r', (path) => path.endsWith('.gpg'))
  })

  test('keys are selected by the ID of a key or subkey', async () => {
    await pair.run(add('id', 'key1.asc'))
    const ids = ['7B3B1020D74479687FDB2273D8228CFECA950D41', '0C601A7402416340']
    await pair.run(importKeys('id', '-k', '@/pubring.gpg', ...ids))
    const [theirs, ours] = listed('id')
    expect(theirs?.match(/^Key: /gm)).toHaveLength(3)
    expect(ours).toBe(theirs)
    await pair.run(importKeys('id', '-k', '@/key3.asc', 'DEADBEEF'))
    for (const name of ['Ostree Tester', 'ostree tester', '<test3@test.com>', '<test3>', 'tester', 'absent@test.com']) {
      await pair.run(importKeys('id', '-k', '@/key3.asc', name))
    }
    await pair.run(importKeys('id', '-k', '@/pubring.gpg', 'Ostree Tester'))
  })

  test.each(['text', 'empty', 'cut.gpg', 'absent'])('both refuse to import from the file %s', async (file) => {
    await pair.run(add('bad', file))
    await pair.run(['remote', 'list', '--repo=@/r'])
    await pair.run(importKeys('bad', '-k', `@/${file}`))
    pair.expectSame('r')
  })

  test('both refuse to import for a remote that does not exist', async () => {
    await pair.run(importKeys('absent', '-k', '@/key1.asc'))
    pair.expectSame('r')
  })
})
