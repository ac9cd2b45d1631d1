import { beforeAll, test } from 'vitest'
import { describeReference } from '../../support/reference.ts'
import { SideBySide } from '../../support/side-by-side.ts'

describeReference('ostree', 'commands of both programs on refs and their files', () => {
  let pair: SideBySide
  beforeAll(async () => {
    pair = new SideBySide()
    pair.shell(
      'mkdir -p tree/d/e; echo a > tree/a; echo b > tree/d/b; ln -s a tree/l; ln -s d tree/ld; ln -s /d/b tree/abs',
    )
    await pair.run(['init', '--repo=@/r', '--mode=archive'])
    for (const branch of ['main', 'main', 'other', 'dir/one', 'dir/two', 'origin:rem', 'origin:dir/rem']) {
      const body = branch === 'other' ? ['-s', 'subject', '-m', 'body\n\nlast'] : ['--add-metadata-string=version=1']
      await pair.run(['commit', '--repo=@/r', '--timestamp=@5', '-b', branch, ...body, '@/tree'])
    }
  })

  /** Sorts the lines, as later versions of ostree do. */
  const sorted = (text: string): string => `${text.split('\n').filter(Boolean).sort().join('\n')}\n`.replace(/^\n$/, '')

  test.each(
    [
      ['refs'],
      ['refs', 'dir'],
      ['refs', 'main'],
      ['refs', 'main', 'dir'],
      ['refs', '--list', 'dir'],
      ['refs', '--list', 'main'],
      ['refs', 'origin:'],
      ['refs', '--list', 'origin:'],
      ['refs', '--list', 'origin:.'],
      ['refs', '--list', 'nobody:'],
      ['refs', 'origin:.'],
      ['refs', 'origin:dir'],
      ['refs', '--list', 'origin:dir'],
      ['refs', 'nope'],
      ['refs', 'bad name'],
      ['refs', 'rem'],
      ['refs', '-A', '--create=al', 'main'],
      ['refs', '-A', '--create=al', 'other'],
      ['refs', '-A', '--create=deep/al', 'dir/one'],
      ['refs', '-A'],
      ['refs', '-A', 'al'],
      ['refs', '-A', '--list', 'main'],
      ['refs', '-A', 'deep'],
      ['refs', '--create=al', 'main'],
      ['refs', '-A', '--create=other', 'main'],
      ['refs', '-A', '--force', '--create=al', 'main'],
      ['refs', '-A', '--create=remote:al', 'main'],
      ['refs', '-A', '--create=al3', 'nope'],
      ['refs', '--create=new', 'main'],
      ['refs', '--create=new', 'other'],
      ['refs', '--create=new', '--force', 'other'],
      ['refs', '--create=single/ref', 'main'],
      ['refs', '--create=single', 'main'],
      ['refs', '--create=main/below', 'main'],
      ['refs', '--create=new2', 'main^'],
      ['refs', '--create=new3', 'other^'],
      ['refs', '--create=origin:new', 'origin:rem'],
      ['refs', '--create=rem', 'rem'],
      ['refs', '--create=x'],
      ['refs', '--create=x', 'a', 'b'],
      ['refs', '--create=.x', 'main'],
      ['refs', '-c', '--create=org.x:a/b', 'main'],
      ['refs', '-c', '--create=org.x:a/b', 'other'],
      ['refs', '-c', '--create=nocolon', 'other'],
      ['refs', '-c', '--create=org.y:c', 'nope'],
      ['refs', '-c'],
      ['refs', '-c', 'org.x'],
      ['refs', '-c', 'bad'],
      ['refs', '--delete', 'main'],
      ['refs', '--delete', 'nope'],
      ['refs', '--delete'],
      ['refs', '--delete', 'origin:'],
      ['refs', '--delete', 'origin:.'],
      ['refs', '--delete', 'nobody:'],
      ['refs', '--create=origin:dir/one', 'other'],
      ['refs', '--delete', 'origin:dir/one'],
      ['refs', '-c', '--create=org.x:', 'main'],
      ['refs', '--delete', 'new', 'new2'],
      ['refs', '--delete', 'origin:dir'],
      ['refs', '-c', '--delete', 'org.x'],
      ['refs', '--delete', 'al'],
      ['refs'],
      ['rev-parse', 'main'],
      ['rev-parse', 'main', 'main^', 'nope'],
      ['rev-parse', 'main^^'],
      ['rev-parse', 'origin:rem', 'rem', 'origin/rem', 'deep/al'],
      ['rev-parse', '--single'],
      ['rev-parse'],
      ['log', 'main'],
      ['log', 'other'],
      ['log', '--raw', 'main'],
      ['log'],
      ['log', 'nope'],
      ['show', 'main'],
      ['show', 'other'],
      ['show', '--raw', 'main'],
      ['show', '--print-metadata-key=version', 'main'],
      ['show', '--print-metadata-key=nope', 'main'],
      ['show', '--print-detached-metadata-key=nope', 'main'],
      ['show', '--print-related', 'main'],
      ['show', '--gpg-verify-remote=nosuch', 'main'],
      ['ls', 'main'],
      ['ls', '-R', 'main'],
      ['ls', '-RCX', 'main'],
      ['ls', '-d', 'main', '/d'],
      ['ls', 'main', '/d', 'a', '/l'],
      ['ls', '-R', '--nul-filenames-only', 'main'],
      ['ls', 'main', '/nope'],
      ['ls'],
      ['cat', 'main', '/a', 'd/b', '/l', '/abs'],
      ['cat', 'main', '/d'],
      ['cat', 'main', '/ld'],
      ['cat', 'main', '/nope'],
      ['cat', 'main'],
      ['config', 'get', 'core.mode'],
      ['config', '--group=core', 'get', 'mode'],
      ['config', 'get', 'mode'],
      ['config', 'get', 'core.nope'],
      ['config', 'get', 'nope.nope'],
      ['config', 'get'],
      ['config', 'get', 'a.b', 'c'],
      ['config', 'set', 'core.x', ' sp\ta;c\\e '],
      ['config', 'get', 'core.x'],
      ['config', 'set', '--group=new group', 'k', 'v=w'],
      ['config', 'set', 'a'],
      ['config', 'set', '--group=g', 'a'],
      ['config', 'unset', 'core.x'],
      ['config', 'unset', 'new group.k'],
      ['config', 'unset', 'nope.k'],
      ['config', 'unset', '--group=g'],
      ['config', 'frob'],
      ['init', '--mode=archive'],
      ['init', '--mode=bare'],
      ['init', '--mode=foo'],
      ['init', '--collection-id=nodots'],
    ].map((words) => [words]),
  )('both print the same and leave the same files with %j', async ([command = '', ...words]) => {
    const lists = command === 'refs' ? { stdout: sorted } : {}
    const { status } = await pair.run([command, '--repo=@/r', ...words], lists)
    if (status !== 0) pair.shell('rm -rf r/tmp/staging-*')
    pair.expectSame('r', (name) => /^(objects|tmp|\.lock$)/.test(name))
  })

  test.each([
    ['bare', []],
    ['bare-user', ['--collection-id=org.example.C']],
    ['bare-user-only', []],
    ['archive-z2', ['--collection-id=org.example.C']],
  ])('both create the same repository in mode %s with %j', async (mode, more) => {
    await pair.run(['init', `--repo=@/${mode}`, `--mode=${mode}`, ...more])
    pair.expectSame(mode, (name) => name.startsWith('tmp/'))
    await pair.run(['refs', `--repo=@/${mode}`])
  })

  test('both refuse to create a repository in a missing directory, or with an invalid collection id', async () => {
    await pair.run(['init', '--repo=@/absent/below'])
    await pair.run(['refs', '--repo=@/absent'])
    await pair.run(['init', '--repo=@/x', '--collection-id=bad'])
  })

  test.each([
    ['tree/a'],
    ['tree'],
    ['tree/'],
    ['tree/l'],
    ['tree/ld'],
    ['tree/ld/'],
    ['tree/pipe'],
    ['tree/absent'],
    ['tree/a/below'],
  ])('both print the same checksum or error for %s', async (path) => {
    pair.shell('test -e tree/pipe || mkfifo tree/pipe')
    await pair.run(['checksum', `@/${path}`])
    await pair.run(['checksum', '--ignore-xattrs', `@/${path}`])
  })

  test('both refuse `checksum` without a path', async () => {
    await pair.run(['checksum'])
    await pair.run(['checksum', '--repo=@/r', '@/tree'])
  })
})
