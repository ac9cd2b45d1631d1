import { beforeAll, test } from 'vitest'
import { describeReference } from '../../support/reference.ts'
import { SideBySide } from '../../support/side-by-side.ts'

describeReference('ostree', '`ostree-ts reset` and `ostree reset`', () => {
  const pair = new SideBySide()
  beforeAll(() =>
    pair.shell(`mkdir tree
    ostree --repo=repo init --mode=archive
    for i in 1 2 3; do
      echo $i > tree/f
      ostree --repo=repo commit -b main --timestamp=@$i tree
    done
    ostree --repo=repo commit -b x/y --timestamp=@4 tree
    ostree --repo=repo refs --create=origin:main main^
    ostree --repo=repo refs --alias --create=also main`),
  )

  test.each([
    [[]],
    [['main']],
    [['main', 'main^']],
    [['main', 'x/y']],
    [['x/y', 'main', 'and', 'more']],
    [['origin:main', 'main']],
    [['main', 'nope']],
    [['nope', 'main']],
    [['x', 'main']],
    [['main', 'main^^^^']],
    [['main', '00'.repeat(32)]],
    [['also', 'x/y']],
  ])('both print the same and leave the same refs with %j', async (words) => {
    await pair.run(['reset', '--repo=@/repo', ...words])
    pair.expectSame('repo/refs')
  })
})
