import { readdirSync } from 'node:fs'
import { beforeEach, describe, expect, test } from 'vitest'
import { describeReference, run } from '../../support/reference.ts'
import { SideBySide } from '../../support/side-by-side.ts'

const sorted = (text: string): string => `${text.split('\n').filter(Boolean).sort().join('\n')}\n`.replace(/^\n$/, '')

describeReference('ostree', 'commands of both programs on a repository with symbolic links', () => {
  let pair: SideBySide
  beforeEach(async () => {
    pair = new SideBySide()
    pair.shell('mkdir tree far; echo a > tree/a')
    await pair.run(['init', '--repo=@/r', '--mode=archive'])
    for (const branch of ['main', 'dir/one', 'origin:rem']) {
      await pair.run(['commit', '--repo=@/r', '--timestamp=@5', '-b', branch, '@/tree'])
    }
    await pair.run(['refs', '--repo=@/r', '-c', '--create=org.x:mirrored', 'main'])
  })

  const runAll = async (commands: readonly (readonly string[])[]): Promise<void> => {
    for (const [name = '', ...words] of commands) {
      await pair.run([name, '--repo=@/r', ...words], name === 'refs' ? { stdout: sorted } : {})
    }
  }
  const objects = (): string[] => readdirSync(`${pair.ours}/r/objects`, { recursive: true, encoding: 'utf8' }).sort()

  test.each(['heads', 'remotes', 'mirrors'])('both find refs when refs/%s is a link to a directory', async (name) => {
    pair.shell(`mv r/refs/${name} far/refs; ln -s ../../far/refs r/refs/${name}`)
    const before = objects()
    await runAll([['refs'], ['refs', '-c'], ['rev-parse', 'main', 'dir/one', 'origin:rem'], ['prune', '--refs-only']])
    await runAll([
      ['commit', '--timestamp=@6', '-b', 'dir/two', '--tree=ref=main'],
      ['refs', '--delete', 'dir/one'],
      ['refs'],
    ])
    expect(objects()).toEqual(expect.arrayContaining(before))
    pair.expectSame('r/objects')
  })

  test('both refuse to list refs and to prune when a link to a directory is in place of a ref', async () => {
    pair.shell('mv r/refs/heads/dir far/refs; ln -s ../../../far/refs r/refs/heads/dir')
    await runAll([['refs'], ['prune', '--refs-only'], ['rev-parse', 'dir/one']])
    pair.expectSame('r/objects')
  })

  test.each([
    ['a local ref', 'heads/dangling'],
    ['a ref in a directory', 'heads/dir/dangling'],
    ['a ref of a remote', 'remotes/origin/dangling'],
  ])(
    'both refuse to list refs with an alias of a missing ref in place of %s, and ostree-ts can delete it',
    async (_, path) => {
      pair.shell(`ln -s nosuch r/refs/${path}`)
      const name = path.replace('heads/', '').replace('remotes/origin/', 'origin:')
      await runAll([['refs'], ['prune', '--refs-only'], ['prune', '--keep-younger-than=2000-01-01'], ['summary', '-u']])
      await runAll([['rev-parse', name]])
      pair.expectSame('r', (file) => file.startsWith('tmp'))
      // ostree succeeds without deleting the alias.
      const [, deleted] = await pair.runBoth(['refs', '--repo=@/r', '--delete', name])
      expect(deleted).toEqual({ status: 0, stdout: '', stderr: '' })
      const [, listed] = await pair.runBoth(['refs', '--repo=@/r'])
      expect(listed).toEqual({ status: 0, stdout: 'dir/one\nmain\norigin:rem\n', stderr: '' })
    },
  )

  test('both list and delete a ref that does not have a checksum', async () => {
    pair.shell('echo junk > r/refs/heads/bad')
    await runAll([['refs'], ['refs', '-A'], ['rev-parse', 'bad'], ['refs', '--delete', 'bad'], ['refs']])
  })

  test.each([
    ['has a NUL', 'ab\\0cd'],
    ['has a NUL at its end', '$(cat r/refs/heads/main)\\0'],
    ['is not UTF-8', '\\377'],
  ])('both refuse a ref that %s, and ostree-ts can delete it', async (_, text) => {
    pair.shell(`printf "${text}" > r/refs/heads/bad`)
    await runAll([['refs'], ['refs', '-A'], ['rev-parse', 'bad'], ['log', 'bad'], ['fsck', '-q']])
    await runAll([
      ['prune', '--refs-only'],
      ['summary', '-u'],
      ['reset', 'main', 'main'],
      ['refs', '--delete', 'main'],
    ])
    const [, deleted] = await pair.runBoth(['refs', '--repo=@/r', '--delete', 'bad'])
    expect(deleted).toEqual({ status: 0, stdout: '', stderr: '' })
  })

  test.each(['[remote "x"]\\nurl=http://a\\0b\\n', 'a\\0b', '#\\377\\n'])(
    'both refuse a configuration with the bytes %s',
    async (text) => {
      pair.shell(`printf '${text}' >> r/config`)
      await runAll([['refs'], ['config', 'get', 'core.mode']])
    },
  )

  test('both read a ref through a link that leads out of the repository', async () => {
    pair.shell('mv r/refs/heads/main far/ref; ln -s ../../../far/ref r/refs/heads/main')
    await runAll([['refs'], ['rev-parse', 'main'], ['prune', '--refs-only']])
    pair.expectSame('r/objects')
  })

  describe.each(['archive', 'bare-user-only'])('in mode %s', (mode) => {
    test.each(['commit', 'dirtree', 'dirmeta', ...(mode === 'archive' ? ['filez'] : [])])(
      'both read a %s that is a link to a file outside of the repository',
      async (type) => {
        await pair.run(['init', '--repo=@/m', `--mode=${mode}`])
        await pair.run(['commit', '--repo=@/m', '--timestamp=@5', '--canonical-permissions', '-b', 'main', '@/tree'])
        pair.shell(`f=$(find m/objects -name "*.${type}"); mv $f far/object; ln -s ../../../far/object $f; test -e $f`)
        await pair.run(['cat', '--repo=@/m', 'main', 'a'])
        await pair.run(['fsck', '--repo=@/m', '-q'])
        await pair.run(['prune', '--repo=@/m', '--refs-only'])
        pair.expectSame('m/objects')
        expect(run('ostree', ['ls', `--repo=${pair.ours}/m`, 'main'])).toContain('/a')
      },
    )
  })

  describe('an object that is a link whose target is missing', () => {
    const HEAD = '$(ostree --repo=r rev-parse main).commit'
    const OLDER = '$(ostree --repo=r rev-parse main^).commit'
    const listed = (column: string, suffix: string) =>
      `$(ostree --repo=r ls -C -d main | awk '{print ${column}}').${suffix}`
    const objectNames = [
      ['the commit of a ref', HEAD],
      ['the parent of a commit', OLDER],
      ['a dirtree', listed('$5', 'dirtree')],
      ['a dirmeta', listed('$6', 'dirmeta')],
      ['a file', "$(ostree --repo=r ls -C main a | awk '{print $5}').filez"],
    ] as const

    /** Adds a second commit, and puts a link without a target in place of an object. @param name in shell words */
    async function loseObject(name: string): Promise<void> {
      const commit = ['commit', '--repo=@/r', '--timestamp=@7', '-b', 'main', '--tree=ref=main']
      await pair.run([...commit, '--add-metadata-string=a=b'])
      pair.shell(`o=${name}; ln -sfn /nonexistent/x r/objects/$(echo $o | cut -c1-2)/$(echo $o | cut -c3-)`)
    }

    test.each(objectNames)('both read a repository without %s', async (_, name) => {
      await loseObject(name)
      await runAll([
        ['log', 'main'],
        ['show', 'main'],
        ['ls', '-R', 'main'],
        ['cat', 'main', 'a'],
        ['rev-parse', 'main^'],
        ['fsck'],
        ['fsck', '-a'],
      ])
    })

    test.each(objectNames.slice(0, 2))('a prune deletes nothing without %s', async (_, name) => {
      await loseObject(name)
      const before = objects()
      for (const how of [['--refs-only'], ['--refs-only', '--depth=0'], ['--keep-younger-than=1970-01-01'], []]) {
        const [, ours] = await pair.runBoth(['prune', '--repo=@/r', ...how])
        if (ours.status !== 0) expect(ours.stderr).toMatch(/^error: openat\(.*\.commit\): No such file or directory\n$/)
        expect(objects()).toEqual(before)
      }
    })
  })

  test('a prune does not delete objects when a commit is a link whose target is missing', async () => {
    pair.shell('f=$(find r/objects -name "*.commit" | head -n 1); ln -sfn nosuch $f')
    const before = objects()
    const [, ours] = await pair.runBoth(['prune', '--repo=@/r', '--refs-only'])
    expect(ours.status).toBe(1)
    expect(ours.stderr).toMatch(/^error: openat\(.*\.commit\): No such file or directory\n$/)
    expect(objects()).toEqual(before)
  })

  test('a prune keeps the commits of refs in a directory that is a link', async () => {
    // ostree does not list such refs, and deletes commits that only they refer to.
    pair.shell(
      'for each in remotes/origin mirrors/org.x; do mv r/refs/$each far/refs; ln -s ../../../far/refs r/refs/$each; mv far/refs far/$(basename $each); ln -sfn ../../../far/$(basename $each) r/refs/$each; done',
    )
    const before = objects()
    const [, ours] = await pair.runBoth(['prune', '--repo=@/r', '--refs-only'])
    expect(ours.status).toBe(0)
    expect(objects()).toEqual(before)
  })
})
