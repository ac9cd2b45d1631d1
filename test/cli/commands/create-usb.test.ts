import { readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { describeReference, run } from '../../support/reference.ts'
import { SideBySide } from '../../support/side-by-side.ts'

describeReference('ostree', '`ostree-ts create-usb` and `ostree create-usb`', () => {
  const pair = new SideBySide()
  let first = ''
  beforeAll(() => {
    pair.shell(`mkdir tree mount elsewhere
      ostree --repo=src init --mode=archive --collection-id=org.e.C
      ostree --repo=other init --mode=archive --collection-id=org.m.M
      ostree --repo=none init --mode=bare-user
      for i in 1 2 3; do
        echo $i >> tree/a
        ostree --repo=src commit -b r$i --timestamp=@$i tree
      done
      ostree --repo=src commit -b r1 --timestamp=@9 -s again tree
      ostree --repo=other commit -b far --timestamp=@5 tree
      printf '[remote "rr"]\\nurl=file:///nowhere\\ncollection-id=org.m.M\\n' >> none/config
      ostree --repo=none pull-local --remote=rr other far
      ostree --repo=none commit -b here --timestamp=@6 tree`)
    first = run('ostree', [`--repo=${pair.theirs}/src`, 'rev-parse', 'r1^']).trim()
  })
  /** Whether a file is not compared: temporary files, locks, and summaries, which have the time. */
  const passing = (name: string) => /(^|\/)tmp|\.lock$|summary$/.test(name)

  test.each([
    [[]],
    [['@/mount']],
    [['@/mount', 'org.e.C']],
    [['@/mount', 'org.e.C', 'r1', 'org.e.C']],
    [['@/mount', 'bad', 'r1']],
    [['@/mount', 'org.e.C', 'b d']],
    [['@/mount', 'org.e.C', 'nope']],
    [['@/mount', 'org.x.X', 'r1']],
    [['@/mount', '--commit=FIRST', 'org.e.C', 'r1', 'org.e.C', 'r2']],
    [['@/mount', '--commit=FIRST', 'org.e.C', 'r2']],
    [['@/', '--destination-repo=src', 'org.e.C', 'r1']],
    [['@/nowhere', 'org.e.C', 'r1']],
  ])('both refuse %j with the same message', async (words) => {
    await pair.run(['create-usb', '--repo=@/src', ...words.map((word) => word.replace('FIRST', first))])
  })

  test('refs become mirrors, and more can be added', async () => {
    pair.shell('rm -rf mount; mkdir mount')
    await pair.run(['create-usb', '--repo=@/src', '@/mount', 'org.e.C', 'r1', 'org.e.C', 'r2'])
    pair.expectSame('mount', passing)
    await pair.run(['create-usb', '--repo=@/src', '--disable-fsync', '@/mount', 'org.e.C', 'r3'])
    pair.expectSame('mount', passing)
    await pair.run(['create-usb', '--repo=@/src', `--commit=${first}`, '@/mount', 'org.e.C', 'r1'])
    pair.expectSame('mount', passing)
    await pair.run(['summary', '--repo=@/mount/.ostree/repo', '--raw'], { stdout: () => expect.anything() })
    const [theirs, ours] = await pair.runBoth(['refs', '--repo=@/mount/.ostree/repo', '-c'])
    expect(ours.stdout.split('\n').sort()).toEqual(theirs.stdout.split('\n').sort())
  })

  test('refs of the collection of a remote are copied, and the summary of the source decides which refs it has', async () => {
    pair.shell('mkdir third')
    await pair.run(['create-usb', '--repo=@/none', '@/third', 'org.m.M', 'far'])
    await pair.run(['create-usb', '--repo=@/none', '@/third', 'org.m.M', 'here'])
    pair.shell('rm -rf third; mkdir third; ostree --repo=other summary -u')
    await pair.run(['create-usb', '--repo=@/other', '@/third', 'org.m.M', 'near'])
    await pair.run(['create-usb', '--repo=@/other', '@/third', 'org.q.Q', 'far'])
    await pair.run(['create-usb', '--repo=@/other', '@/third', 'org.m.M', 'far'])
    pair.expectSame('third', passing)
  })

  test('a repository at another path is linked in repos.d, only once', async () => {
    const words = ['create-usb', '--repo=@/src', '--destination-repo=x/y', '@/elsewhere', 'org.e.C', 'r3']
    await pair.run(words)
    pair.expectSame('elsewhere', passing)
    await pair.run(words)
    // ostree creates a second link, because of a bug: it compares the inode of a link with that of its target.
    expect(readlinkSync(join(pair.theirs, 'elsewhere/.ostree/repos.d/01-generated'))).toBe('../../x/y')
    expect(() => readlinkSync(join(pair.ours, 'elsewhere/.ostree/repos.d/01-generated'))).toThrow('ENOENT')
    await pair.run(['create-usb', '--repo=@/src', '--destination-repo=ostree/repo', '@/elsewhere', 'org.e.C', 'r3'])
    pair.expectSame('elsewhere/ostree', passing)
  })
})
