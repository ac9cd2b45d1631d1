import { beforeAll, expect, test } from 'vitest'
import { describeReference, run } from '../../support/reference.ts'
import { SideBySide } from '../../support/side-by-side.ts'

describeReference('ostree', 'static-delta, beside ostree', () => {
  const pair = new SideBySide()
  let [main, parent] = ['', '']
  beforeAll(() => {
    pair.shell(`mkdir tree
      ostree --repo=repo init --mode=archive
      ostree --repo=none init --mode=archive
      for i in 1 2 3; do
        echo $i > tree/f
        ostree --repo=repo commit -b main --timestamp=@$i tree
      done`)
    const theirs = (...words: string[]) => run('ostree', [`--repo=${pair.theirs}/repo`, ...words]).trim()
    // Generated once: a delta notes when it was.
    for (const words of [['main'], ['--empty', 'main'], ['--empty', 'main^'], ['--from=main^^', 'main']]) {
      theirs('static-delta', 'generate', ...words)
    }
    run('cp', ['-a', `${pair.theirs}/repo/deltas`, `${pair.ours}/repo/deltas`])
    main = theirs('rev-parse', 'main')
    parent = theirs('rev-parse', 'main^')
  })

  /** In the order of directories, which is none. */
  const sorted = (text: string) => text.split('\n').sort()
  const expectSameLines = async (...words: string[]) => {
    const [theirs, ours] = await pair.runBoth(['static-delta', ...words])
    expect({ ...ours, stdout: sorted(ours.stdout) }).toEqual({ ...theirs, stdout: sorted(theirs.stdout) })
  }

  test('deltas are listed, and commits that have an index', async () => {
    await pair.run(['static-delta', 'list', '--repo=@/none'])
    await pair.run(['static-delta', 'indexes', '--repo=@/none'])
    await expectSameLines('list', '--repo=@/repo')
    await expectSameLines('indexes', '--repo=@/repo')
    await pair.run(['static-delta', 'reindex', '--repo=@/repo', `--to=${parent}`])
    await expectSameLines('indexes', '--repo=@/repo')
    await pair.run(['static-delta', 'reindex', '--repo=@/repo'])
    await expectSameLines('indexes', '--repo=@/repo')
    pair.expectSame('repo/delta-indexes')
    pair.expectSame('repo/config')
  })

  test.each([
    [['delete']],
    [['delete', 'main']],
    [['delete', 'a-b-c']],
    [['delete', `${'a'.repeat(64)}-`]],
    [['delete', `${'a'.repeat(64)}-${'b'.repeat(63)}`]],
    [['delete', `${'a'.repeat(63)}g`]],
    [['delete', 'a'.repeat(64)]],
    [['reindex', '--to=main']],
  ])('%j is refused in the same words', async ([command = '', ...words]) => {
    await pair.run(['static-delta', command, '--repo=@/repo', ...words])
  })

  test('a delta that is deleted is gone, and from its index when that is made anew', async () => {
    await pair.run(['static-delta', 'delete', '--repo=@/repo', main])
    pair.expectSame('repo/deltas')
    await pair.run(['static-delta', 'delete', '--repo=@/repo', main])
    await pair.run(['static-delta', 'delete', '--repo=@/repo', `${parent}-${main}`])
    pair.expectSame('repo/deltas')
    await pair.run(['static-delta', 'delete', '--repo=@/repo', parent])
    await pair.run(['static-delta', 'reindex', '--repo=@/repo'])
    pair.expectSame('repo/delta-indexes')
    await expectSameLines('list', '--repo=@/repo')
  })
})
