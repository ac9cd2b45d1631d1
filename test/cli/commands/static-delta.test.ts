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

  test('both show the same of every delta, and apply it', async () => {
    for (const name of [main, parent, `${parent}-${main}`]) {
      await pair.run(['static-delta', 'show', '--repo=@/repo', name])
    }
    pair.shell(`ostree --repo=target init --mode=bare-user-only
      ostree --repo=target pull-local --depth=-1 repo ${parent}
      mkdir empty no-part
      cp "$(ls -d repo/deltas/*/*-* | head -1)"/superblock no-part
      echo garbage > garbage
      : > nothing
      ln -s "$(ls -d $PWD/repo/deltas/*/*-* | head -1)" delta`)
    for (const words of [
      ['apply-offline'],
      ['apply-offline', '@/nope'],
      ['apply-offline', '@/empty'],
      ['apply-offline', '@/garbage'],
      ['apply-offline', '@/nothing'],
      ['apply-offline', '@/no-part'],
      ['apply-offline', '@/no-part/superblock'],
      ['show'],
      ['show', 'nope'],
      ['show', '@/nope'],
      ['show', '@/empty'],
      ['show', 'a'.repeat(64)],
      ['verify'],
      ['verify', '--sign-type=nope', main],
      ['verify', '--sign-type=dummy', '@/garbage', 'key'],
      ['verify', '--sign-type=dummy', '@/empty', 'key'],
      ['verify', '--sign-type=dummy', 'a'.repeat(64), 'key'],
    ]) {
      await pair.run(
        ['static-delta', words[0] as string, '--repo=@/target', ...words.slice(1)],
        {},
        { OSTREE_DUMMY_SIGN_ENABLED: '1' },
      )
    }
    await pair.run(['fsck', '--repo=@/target'])
    await pair.run(['static-delta', 'apply-offline', '--repo=@/target', '@/delta/superblock'])
    await pair.run(['ls', '-R', '--repo=@/target', main])
    await pair.run(['fsck', '--repo=@/target'])
    // Nothing is done once more.
    await pair.run(['static-delta', 'apply-offline', '--repo=@/target', '@/delta'])
    await pair.run(['static-delta', 'apply-offline', '--repo=@/none', '@/delta'])
    // ostree applies a delta without signatures even if a key is given.
    const [, unsigned] = await pair.runBoth(
      ['static-delta', 'apply-offline', '--repo=@/target', '--sign-type=dummy', '@/delta', 'key'],
      { OSTREE_DUMMY_SIGN_ENABLED: '1' },
    )
    expect(unsigned).toMatchObject({ status: 1, stderr: 'error: no signatures in static-delta\n' })
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
