import { afterAll, beforeAll, expect, test } from 'vitest'
import { describeReference, run } from '../../support/reference.ts'
import { Twins } from '../twins.ts'

describeReference('ostree', 'static-delta, beside ostree', () => {
  const twins = new Twins()
  afterAll(() => twins.remove())
  let [main, parent] = ['', '']
  beforeAll(() => {
    twins.shell(`mkdir tree
      ostree --repo=repo init --mode=archive
      ostree --repo=none init --mode=archive
      for i in 1 2 3; do
        echo $i > tree/f
        ostree --repo=repo commit -b main --timestamp=@$i tree
      done`)
    const theirs = (...words: string[]) => run('ostree', [`--repo=${twins.theirs}/repo`, ...words]).trim()
    // Generated once: a delta notes when it was.
    for (const words of [['main'], ['--empty', 'main'], ['--empty', 'main^'], ['--from=main^^', 'main']]) {
      theirs('static-delta', 'generate', ...words)
    }
    run('cp', ['-a', `${twins.theirs}/repo/deltas`, `${twins.ours}/repo/deltas`])
    main = theirs('rev-parse', 'main')
    parent = theirs('rev-parse', 'main^')
  })

  /** In the order of directories, which is none. */
  const sorted = (text: string) => text.split('\n').sort()
  const expectSameLines = async (...words: string[]) => {
    const [theirs, ours] = await twins.runBoth(['static-delta', ...words])
    expect({ ...ours, stdout: sorted(ours.stdout) }).toEqual({ ...theirs, stdout: sorted(theirs.stdout) })
  }

  test('deltas are listed, and commits that have an index', async () => {
    await twins.run(['static-delta', 'list', '--repo=@/none'])
    await twins.run(['static-delta', 'indexes', '--repo=@/none'])
    await expectSameLines('list', '--repo=@/repo')
    await expectSameLines('indexes', '--repo=@/repo')
    await twins.run(['static-delta', 'reindex', '--repo=@/repo', `--to=${parent}`])
    await expectSameLines('indexes', '--repo=@/repo')
    await twins.run(['static-delta', 'reindex', '--repo=@/repo'])
    await expectSameLines('indexes', '--repo=@/repo')
    twins.expectSame('repo/delta-indexes')
    twins.expectSame('repo/config')
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
    await twins.run(['static-delta', command, '--repo=@/repo', ...words])
  })

  test('a delta that is deleted is gone, and from its index when that is made anew', async () => {
    await twins.run(['static-delta', 'delete', '--repo=@/repo', main])
    twins.expectSame('repo/deltas')
    await twins.run(['static-delta', 'delete', '--repo=@/repo', main])
    await twins.run(['static-delta', 'delete', '--repo=@/repo', `${parent}-${main}`])
    twins.expectSame('repo/deltas')
    await twins.run(['static-delta', 'delete', '--repo=@/repo', parent])
    await twins.run(['static-delta', 'reindex', '--repo=@/repo'])
    twins.expectSame('repo/delta-indexes')
    await expectSameLines('list', '--repo=@/repo')
  })
})
