import { readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { describeReference, run } from '../../support/reference.ts'
import { Twins } from '../twins.ts'

describeReference('ostree', 'create-usb, beside ostree', () => {
  const twins = new Twins()
  afterAll(() => twins.remove())
  let first = ''
  beforeAll(() => {
    twins.shell(`mkdir tree mount elsewhere
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
    first = run('ostree', [`--repo=${twins.theirs}/src`, 'rev-parse', 'r1^']).trim()
  })
  /** What a pull that failed leaves, and what is of this moment, is nobody's business. */
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
  ])('%j is refused in the same words', async (words) => {
    await twins.run(['create-usb', '--repo=@/src', ...words.map((word) => word.replace('FIRST', first))])
  })

  test('refs come to be mirrors, and more may follow', async () => {
    twins.shell('rm -rf mount; mkdir mount')
    await twins.run(['create-usb', '--repo=@/src', '@/mount', 'org.e.C', 'r1', 'org.e.C', 'r2'])
    twins.expectSame('mount', passing)
    await twins.run(['create-usb', '--repo=@/src', '--disable-fsync', '@/mount', 'org.e.C', 'r3'])
    twins.expectSame('mount', passing)
    await twins.run(['create-usb', '--repo=@/src', `--commit=${first}`, '@/mount', 'org.e.C', 'r1'])
    twins.expectSame('mount', passing)
    await twins.run(['summary', '--repo=@/mount/.ostree/repo', '--raw'], { stdout: () => expect.anything() })
    const [theirs, ours] = await twins.runBoth(['refs', '--repo=@/mount/.ostree/repo', '-c'])
    expect(ours.stdout.split('\n').sort()).toEqual(theirs.stdout.split('\n').sort())
  })

  test('the collection of a remote is one too; a summary of the source has the last word', async () => {
    twins.shell('mkdir third')
    await twins.run(['create-usb', '--repo=@/none', '@/third', 'org.m.M', 'far'])
    await twins.run(['create-usb', '--repo=@/none', '@/third', 'org.m.M', 'here'])
    twins.shell('rm -rf third; mkdir third; ostree --repo=other summary -u')
    await twins.run(['create-usb', '--repo=@/other', '@/third', 'org.m.M', 'near'])
    await twins.run(['create-usb', '--repo=@/other', '@/third', 'org.q.Q', 'far'])
    await twins.run(['create-usb', '--repo=@/other', '@/third', 'org.m.M', 'far'])
    twins.expectSame('third', passing)
  })

  test('a repository in another place is linked, once', async () => {
    const words = ['create-usb', '--repo=@/src', '--destination-repo=x/y', '@/elsewhere', 'org.e.C', 'r3']
    await twins.run(words)
    twins.expectSame('elsewhere', passing)
    await twins.run(words)
    // ostree means to do the same, but holds a link against the inode it leads to, and makes another.
    expect(readlinkSync(join(twins.theirs, 'elsewhere/.ostree/repos.d/01-generated'))).toBe('../../x/y')
    expect(() => readlinkSync(join(twins.ours, 'elsewhere/.ostree/repos.d/01-generated'))).toThrow('ENOENT')
    await twins.run(['create-usb', '--repo=@/src', '--destination-repo=ostree/repo', '@/elsewhere', 'org.e.C', 'r3'])
    twins.expectSame('elsewhere/ostree', passing)
  })
})
