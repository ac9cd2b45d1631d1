import { beforeAll, describe, expect, test } from 'vitest'
import { describeReference } from '../../support/reference.ts'
import { SideBySide } from '../../support/side-by-side.ts'

const TREES = `
umask 022
mkdir -p one/a two; echo f > one/f; echo g > one/a/g; ln -s f one/l; echo f > two/f; echo n > two/n
`

/** Commands on a repository with a parent. `PARENT` stands for a commit of the parent. */
const COMMANDS: readonly (readonly string[])[] = [
  ['refs'],
  ['rev-parse', 'main'],
  ['rev-parse', 'origin:rem', 'rem', 'al', 'main^'],
  ['rev-parse', '--single'],
  ['rev-parse', 'nope'],
  ['log', 'main'],
  ['show', 'main'],
  ['show', '--raw', 'main'],
  ['ls', '-RC', 'main'],
  ['cat', 'main', '/f', '/n'],
  ['diff', 'main'],
  ['diff', 'main', '@/one'],
  ['checkout', '-U', 'main', '@/out'],
  ['checkout', '-U', '--union', '--subpath=/n', 'main', '@/out'],
  ['export', '-o', '@/tar', 'main'],
  ['fsck'],
  ['prune'],
  ['prune', '--refs-only', '--no-prune'],
  ['remote', 'list', '-u'],
  ['remote', 'show-url', 'origin'],
  ['commit', '-b', 'main', '--timestamp=@7', '--table-output', '@/one'],
  ['log', 'main'],
  ['rev-parse', '--single'],
  ['commit', '-b', 'main', '--timestamp=@8', '--table-output', '--tree=ref=main^'],
  ['commit', '-b', 'other', '--timestamp=@8', '--table-output', '--tree=ref=main', '--canonical-permissions'],
  ['commit', '-b', 'based', '--timestamp=@8', '--base=origin:rem', '--tree=dir=@/one'],
  ['commit', '-b', 'kept', '--timestamp=@8', '--parent=PARENT', '--keep-metadata=version', '@/one'],
  ['commit', '-b', 'same', '--timestamp=@8', '--parent=PARENT', '--skip-if-unchanged', '--tree=ref=PARENT'],
  ['fsck'],
  ['prune'],
  ['reset', 'main', 'PARENT'],
  ['refs', '--create=new', 'origin:rem'],
  ['refs', '--delete', 'main'],
  ['rev-parse', 'main'],
  ['refs', '--delete', 'main'],
  ['refs', '-A', '--create=al2', 'al'],
  ['prune', '--refs-only', '--depth=0'],
  ['fsck'],
  ['remote', 'add', 'mine', 'http://mine.invalid'],
  ['remote', 'list'],
  ['remote', 'delete', 'origin'],
  ['pull-local', '@/parent', 'main'],
  ['pull-local', '@/parent', 'al'],
  ['static-delta', 'list'],
  ['config', 'get', 'core.mode'],
]

describeReference('ostree', 'commands of both programs on a repository with a parent', () => {
  describe.each(['archive', 'bare-user'])('in mode %s', (mode) => {
    let pair: SideBySide
    let commit: string
    beforeAll(async () => {
      pair = new SideBySide()
      pair.shell(TREES)
      const parent = (command: string, ...words: string[]) => pair.run([command, '--repo=@/parent', ...words])
      await parent('init', `--mode=${mode}`)
      const words = ['-b', 'main', '--canonical-permissions', '--add-metadata-string=version=1']
      await parent('commit', ...words, '--timestamp=@5', '@/one')
      commit = (await parent('commit', ...words, '--timestamp=@6', '@/two')).stdout.trim()
      await parent('refs', '--create=origin:rem', 'main')
      await parent('refs', '-A', '--create=al', 'main')
      await pair.run(['remote', 'add', '--repo=@/parent', 'origin', 'http://parent.invalid'])
      await pair.run(['init', '--repo=@/r', `--mode=${mode}`])
      await pair.run(['config', '--repo=@/r', 'set', 'core.parent', '@/parent'])
    })

    /** Sorts the lines, as later versions of ostree do. */
    const sorted = (text: string): string => text.split('\n').sort().join('\n').replace(/^\n+/, '')

    test.each(COMMANDS.map((words) => [words]))(
      'both print the same and leave the same files with %j',
      async (words) => {
        const given = words.map((word) => word.replace('PARENT', commit))
        const lists = words[0] === 'refs' ? { stdout: (text: string) => (text === '' ? '' : `${sorted(text)}\n`) } : {}
        const anyOrder = words[0] === 'diff' && words.includes('@/one')
        const { status } = await pair.run([...given, '--repo=@/r'], { ...lists, anyOrder })
        if (status !== 0) pair.shell('rm -rf r/tmp/staging-*')
        pair.expectSame('r', (name) => /^(tmp|\.lock$|.*cache)/.test(name))
        pair.expectSame('parent', (name) => /^(tmp|\.lock$|.*cache)/.test(name))
      },
    )

    test('both checked out and exported the same files', () => {
      pair.expectSame('out')
      pair.shell('sha256sum < tar > tar.sum')
      pair.expectSame('tar.sum')
      expect(commit).toMatch(/^[0-9a-f]{64}$/)
    })
  })
})
