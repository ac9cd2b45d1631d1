import { beforeAll, expect, test } from 'vitest'
import { describeReference, run } from '../../support/reference.ts'
import { SideBySide } from '../../support/side-by-side.ts'

describeReference('ostree', '`ostree-ts static-delta` and `ostree static-delta`', () => {
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
    // Both use the same deltas, because a delta has the time at which it was generated.
    for (const words of [['main'], ['--empty', 'main'], ['--empty', 'main^'], ['--from=main^^', 'main']]) {
      theirs('static-delta', 'generate', ...words)
    }
    run('cp', ['-a', `${pair.theirs}/repo/deltas`, `${pair.ours}/repo/deltas`])
    main = theirs('rev-parse', 'main')
    parent = theirs('rev-parse', 'main^')
  })

  /** Sorts the lines, because their order is that of a directory, which is not defined. */
  const sorted = (text: string) => text.split('\n').sort()
  const expectSameLines = async (...words: string[]) => {
    const [theirs, ours] = await pair.runBoth(['static-delta', ...words])
    expect({ ...ours, stdout: sorted(ours.stdout) }).toEqual({ ...theirs, stdout: sorted(theirs.stdout) })
  }

  test('both list deltas and indexes, and write the same indexes', async () => {
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
  ])('both refuse %j with the same message', async ([command = '', ...words]) => {
    await pair.run(['static-delta', command, '--repo=@/repo', ...words])
  })

  test('both delete a delta, and `reindex` removes it from its index', async () => {
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
