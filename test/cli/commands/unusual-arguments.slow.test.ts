/** Arguments that few command lines have, and that both programs treat alike. */
import { statSync } from 'node:fs'
import { beforeAll, expect, test } from 'vitest'
import { runInProcess } from '../../support/in-process.ts'
import { describeReference, run } from '../../support/reference.ts'
import { SideBySide } from '../../support/side-by-side.ts'

describeReference('ostree', 'unusual arguments of both programs', () => {
  let pair: SideBySide
  let commit: string
  beforeAll(async () => {
    pair = new SideBySide()
    pair.shell('mkdir -p t/sub; echo a > t/a; echo b > t/sub/b')
    await pair.run(['init', '--repo=@/r', '--mode=bare-user-only'])
    const branches = ['plain', 'dir/x', 'o:rem']
    for (const branch of branches) await pair.run(['commit', '--repo=@/r', '-b', branch, '--timestamp=@1', '@/t'])
    await pair.run(['refs', '--repo=@/r', '-A', '--create=al', 'plain'])
    commit = (await pair.run(['rev-parse', '--repo=@/r', 'plain'])).stdout.trim()
  })

  test.each(['plain\n', 'plain\n\n', '\nplain', 'o:rem\n', 'o\n:rem', 'dir/x\n', 'dir\n/x'])(
    'the revision %j is found or refused by both: one newline at the end does not count',
    async (rev) => {
      await pair.run(['rev-parse', '--repo=@/r', rev])
      await pair.run(['ls', '--repo=@/r', rev])
    },
  )

  test.each([
    'plain\\n\\0/sub\\0',
    'plain\\0/sub\\0\\0/\\0dir/x\\0/\\0',
    '\\0plain\\0/\\0',
    '\\n\\0plain\\0/\\0',
    'plain\\0/sub\\n\\0',
    'plain\\0\\0',
    '',
  ])('the list of checkouts %j gives both the same files', async (list) => {
    pair.shell(`printf '${list}' > list; rm -rf out`)
    await pair.run(['checkout', '--repo=@/r', '-U', '--union', '--from-file=@/list', '@/out'])
    pair.shell('mkdir -p out')
    pair.expectSame('out')
  })

  test('a new ref may not have the name of a ref, a checksum or an abbreviated commit', async () => {
    const abbreviated = commit.slice(0, 6)
    const absent = '1'.repeat(64)
    for (const name of [
      abbreviated,
      commit,
      absent,
      'o:rem',
      'al',
      'plain',
      'dir',
      'plain/x',
      'a//b',
      './b',
      '/b',
      'o:',
    ]) {
      await pair.run(['refs', '--repo=@/r', `--create=${name}`, 'plain'])
      // For an alias in the place of a directory, ostree's message has a random name.
      if (name !== 'dir') await pair.run(['refs', '--repo=@/r', '-A', `--create=${name}`, 'plain'])
    }
    await pair.run(['refs', '--repo=@/r', '--force', `--create=${abbreviated}`, 'plain'])
    await pair.run(['refs', '--repo=@/r', `--create=rem`, 'plain'])
    pair.expectSame('r/refs')
  })

  test('refs below a ref cannot be listed or deleted', async () => {
    for (const option of [[], ['--list'], ['--delete']]) {
      for (const prefix of ['plain/x', 'plain/x/y', 'dir/x/y', 'o:rem/x', 'absent/x']) {
        await pair.run(['refs', '--repo=@/r', ...option, prefix])
      }
    }
    pair.expectSame('r/refs')
  })

  test('an export to the empty path goes to standard output', async () => {
    const { stdout } = await pair.run(['export', '--repo=@/r', '-o', '', 'plain'])
    expect(stdout).toContain('ustar')
  })

  test('options for signing are ignored when nothing is to be signed', async () => {
    for (const option of ['--sign-type=bogus', '--gpg-homedir=/nosuch']) {
      await pair.run(['commit', '--repo=@/r', '-b', 'signed', '--timestamp=@0', option, '@/t'])
      await pair.run(['summary', '--repo=@/r', '-u', option])
    }
  })

  test('an absolute path of a repository on a medium is linked without a second slash', async () => {
    pair.shell('mkdir medium')
    await pair.run(['init', '--repo=@/c', '--mode=archive', '--collection-id=org.x'])
    await pair.run(['commit', '--repo=@/c', '-b', 'm', '--timestamp=@0', '@/t'])
    await pair.run(['create-usb', '--repo=@/c', '--destination-repo=@/medium/repo', '@/medium', 'org.x', 'm'])
    pair.expectSame('medium/.ostree/repos.d')
    expect(statSync(`${pair.ours}/medium/repo`).isDirectory()).toBe(true)
  })

  test('names that are too long for a file are refused by the call that ostree makes', async () => {
    const long = 'n'.repeat(300)
    const one = (...words: string[]): string[] => [words[0] as string, '--repo=@/r', ...words.slice(1)]
    for (const name of [long, `dir/${long}`, `${long}/b`, `o:${long}`]) {
      await pair.run(one('refs', `--create=${name}`, 'plain'))
      await pair.run(one('rev-parse', name))
      await pair.run(one('refs', name))
      await pair.run(one('refs', '--delete', name))
    }
    await pair.run(one('commit', '-b', `dir/${long}`, '@/t'))
    await pair.run(one('refs', '-A', `--create=dir/${long}`, 'plain'))
    pair.expectSame('r/refs')
  })

  test('a repository is not created in the place of a file, of a dangling link, or without a name', async () => {
    pair.shell('echo x > file; ln -s nowhere link')
    for (const path of ['@/file', '@/link', '@/link/x', '@/absent/x', '']) await pair.run(['init', `--repo=${path}`])
    pair.expectSame('file')
    pair.expectSame('link')
  })

  test('the time of the metadata of a collection is that of SOURCE_DATE_EPOCH', async () => {
    const words = ['summary', '-u', '--repo=@/c']
    pair.shell('rm -rf c')
    await pair.run(['init', '--repo=@/c', '--mode=archive', '--collection-id=org.x'])
    for (const time of ['5', ' 7', '-1', '99999999999999999999', 'text', '']) {
      await pair.run(words, {}, { SOURCE_DATE_EPOCH: time })
      await pair.run(['log', '--repo=@/c', 'ostree-metadata'])
    }
  })

  test('cat prints what there is of damaged content, and then why there is no more', async () => {
    pair.shell(`mkdir content; seq 40000 > content/middle; seq 400000 > content/large`)
    await pair.run(['init', '--repo=@/damaged', '--mode=archive'])
    await pair.run(['commit', '--repo=@/damaged', '-b', 'm', '--timestamp=@0', '@/content'])
    // Only the end is cut, so that the compressed bytes, which differ, decode to the same beginning.
    pair.shell(`find damaged -name '*.filez' -exec truncate -s -3 '{}' ';'`)
    for (const [name, lines] of [
      ['middle', 40_000],
      ['large', 400_000],
    ] as const) {
      const [theirs, ours] = await pair.runBoth(['cat', '--repo=@/damaged', 'm', `/${name}`])
      expect(ours.stderr).toBe(theirs.stderr)
      expect(ours.status).toBe(theirs.status)
      const whole = `${Array.from({ length: lines }, (_, i) => i + 1).join('\n')}\n`
      for (const { stdout } of [theirs, ours]) {
        expect(whole.startsWith(stdout)).toBe(true)
        expect(stdout.length).toBeGreaterThan(whole.length - 100)
      }
    }
  })

  test('a repository whose directory of states is a file is not taken for complete', async () => {
    await pair.run(['init', '--repo=@/stateless', '--mode=archive'])
    await pair.run(['commit', '--repo=@/stateless', '-b', 'm', '--timestamp=@0', '@/t'])
    pair.shell('rmdir stateless/state; echo > stateless/state')
    await pair.run(['prune', '--repo=@/stateless', '--refs-only'])
    await pair.run(['fsck', '--repo=@/stateless', '-q'])
    pair.expectSame('stateless/objects')
  })

  test('an archive in a pipe is read up to its end, whatever comes behind it', async () => {
    pair.shell('tar -C t -cf t.tar .')
    await pair.run(['init', '--repo=@/piped', '--mode=archive'])
    // Of a named pipe, libarchive reads also what is behind the archive.
    run('sh', ['-c', 'mkfifo endless; { cat t.tar /dev/zero > endless; } > cat.log 2>&1 &'], { cwd: pair.ours })
    const words = [
      'commit',
      `--repo=${pair.ours}/piped`,
      '-b',
      'm',
      '--timestamp=@0',
      `--tree=tar=${pair.ours}/endless`,
    ]
    expect(await runInProcess(words, pair.ours)).toMatchObject({ status: 0, stderr: '' })
  })
})
