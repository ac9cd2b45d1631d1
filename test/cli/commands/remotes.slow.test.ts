import { beforeAll, test } from 'vitest'
import { describeReference } from '../../support/reference.ts'
import { SideBySide } from '../../support/side-by-side.ts'

describeReference('ostree', '`ostree-ts remote` and `ostree remote`', () => {
  let pair: SideBySide
  beforeAll(async () => {
    pair = new SideBySide()
    await pair.run(['init', '--repo=@/r', '--mode=archive'])
    pair.shell(`printf '# comment\\n\\n[empty]\\n\\n[x]\\n# in a group\\na = b \\n' >> r/config`)
  })

  const add = (...words: string[]): string[] => ['remote', 'add', '--repo=@/r', ...words]

  test.each([
    [add('origin', 'http://example.com/repo')],
    [add('origin', 'http://example.com/other')],
    [add('--if-not-exists', 'origin', 'http://example.com/other')],
    [add('branches', 'http://x', 'main', 'a/b', 'c;d', '')],
    [add('metalink', 'metalink=http://x/ml')],
    [add('mirrors', 'mirrorlist=http://x/ml', '--contenturl=mirrorlist=http://c/ml')],
    [add('backend', '--custom-backend=other')],
    [add('backend2', '--custom-backend=other', 'http://x')],
    [add('many', 'http://x', 'b', '--set=b=2', '--set=a=1', '--set=gpg-verify=true', '--no-gpg-verify')],
    [add('unsigned', 'http://x', '--no-sign-verify', '--collection-id=org.example.X')],
    [add('signed', 'http://x', '--sign-verify=dummy=inline:a=b', '--sign-verify=dummy=file:/k')],
    [add('spaces', ' http://x\\y ', '--set=k=\tv\nw', '--set=e=')],
    [add('--force', 'origin', 'http://example.com/forced')],
    [add('--force', 'fresh', 'http://example.com/forced')],
    [add('bad/name', 'http://x')],
    [add('', 'http://x')],
    [add('n', 'http://x', '--set=nothing')],
    [add('n', 'http://x', '--no-sign-verify', '--sign-verify=dummy=inline:a')],
    [add('n', 'http://x', '--sign-verify=dummy')],
    [add('n', 'http://x', '--sign-verify=dummy=a')],
    [add('n', 'http://x', '--sign-verify=none=inline:a')],
    [add('n')],
    [add('--custom-backend=x')],
    [add('n', 'http://x', '--force', '--if-not-exists')],
    [['remote', 'list', '--repo=@/r']],
    [['remote', 'list', '--repo=@/r', '-u']],
    [['remote', 'show-url', '--repo=@/r', 'mirrors']],
    [['remote', 'show-url', '--repo=@/r', 'metalink']],
    [['remote', 'show-url', '--repo=@/r', 'spaces']],
    [['remote', 'show-url', '--repo=@/r', 'absent']],
    [['remote', 'show-url', '--repo=@/r', 'file:///anywhere']],
    [['remote', 'show-url', '--repo=@/r']],
    [['remote', 'delete', '--repo=@/r', 'metalink']],
    [['remote', 'delete', '--repo=@/r', 'metalink']],
    [['remote', 'delete', '--repo=@/r', '--if-exists', 'metalink']],
    [['remote', 'delete', '--repo=@/r', 'bad/name']],
    [['remote', 'delete', '--repo=@/r']],
    [['remote', 'delete', '--repo=@/r', 'backend']],
    [['remote', 'list', '--repo=@/r', '--show-urls']],
    [['config', '--repo=@/r', 'set', '--group=remote "origin"', 'url', 'http://set']],
    [['remote', 'show-url', '--repo=@/r', 'origin']],
    [['config', '--repo=@/r', 'unset', 'core.nothing']],
    [['config', '--repo=@/r', 'get', 'x.a']],
    [['remote', 'gpg-list-keys', '--repo=@/r', 'origin']],
  ])('both print the same and leave the same configuration with %j', async (words) => {
    await pair.run(words)
    pair.expectSame('r/config')
  })

  test('both list a remote of the parent repository, and do not change it', async () => {
    await pair.run(['init', '--repo=@/parent', '--mode=archive'])
    await pair.run(['remote', 'add', '--repo=@/parent', 'above', 'http://above'])
    await pair.run(['config', '--repo=@/r', 'set', 'core.parent', '@/parent'])
    await pair.run(['remote', 'list', '--repo=@/r', '-u'])
    await pair.run(['remote', 'show-url', '--repo=@/r', 'above'])
    await pair.run(['remote', 'delete', '--repo=@/r', 'above'])
    await pair.run(['remote', 'add', '--repo=@/r', 'above', 'http://here'])
    await pair.run(['remote', 'show-url', '--repo=@/r', 'above'])
    pair.expectSame('r/config')
    pair.expectSame('parent/config')
  })

  test('both keep the cookies of a remote in a file', async () => {
    const jar = (words: string[]): Promise<unknown> => pair.run(['remote', ...words])
    await jar(['add-cookie', '--repo=@/r', 'origin', '.example.com', '/', 'a', '1'])
    await jar(['add-cookie', '--repo=@/r', 'origin', 'example.com', '/p', 'a', '2'])
    await jar(['add-cookie', '--repo=@/r', 'origin', 'example.com', '/p', 'a', '3'])
    await jar(['add-cookie', '--repo=@/r', 'origin', 'example.com', '/p', 'b'])
    pair.shell(`sed -i 's/\\t[0-9]\\{10\\}\\t/\\t2000000000\\t/' r/origin.cookies.txt`)
    // ostree gives the jar its final mode when a cookie is deleted.
    pair.shell('chmod 600 r/origin.cookies.txt')
    pair.expectSame('r/origin.cookies.txt')
    await jar(['delete-cookie', '--repo=@/r', 'origin', 'example.com', '/p', 'a'])
    await jar(['delete-cookie', '--repo=@/r', 'origin', 'example.com', '/p', 'a'])
    await jar(['delete-cookie', '--repo=@/r', 'origin', 'example.com'])
    await jar(['list-cookies', '--repo=@/r', 'origin'])
    pair.expectSame('r/origin.cookies.txt')
  })

  test('both refuse an invalid sysroot with the same message', async () => {
    pair.shell(`mkdir -p sys/ostree none/ostree bare; touch file
      ostree --repo=sys/ostree/repo init --mode=archive
      cp -a sys undeployed; mkdir sys/ostree/deploy; cp -a sys broken; echo nonsense > broken/ostree/repo/config`)
    // Releases since 2023 say what they were doing.
    const stderr = (text: string): string =>
      text
        .replace(/sysroot: (?=opendir\(ostree|opening repo)/, 'sysroot: Opening sysroot repo: ')
        .replace(/sysroot: opendir\((?!ostree)/, 'sysroot: Initializing sysroot: opendir(')
    for (const system of [
      '@/sys',
      '@/sys/../sys/',
      '@/none',
      '@/bare',
      '@/absent/deep',
      '@/file',
      '@/broken',
      '@/undeployed',
      '',
    ]) {
      await pair.run(['remote', 'add', `--sysroot=${system}`, 'sysremote', 'http://x'], { stderr })
      await pair.run(['remote', 'add', `--sysroot=${system}`, '--repo=@/r'], { stderr })
      await pair.run(['remote', 'delete', `--sysroot=${system}`, 'absent'], { stderr })
    }
    pair.expectSame('sys/ostree/repo/config')
  })
})
