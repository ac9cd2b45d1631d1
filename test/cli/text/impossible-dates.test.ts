import { beforeAll, expect, test } from 'vitest'
import { describeReference } from '../../support/reference.ts'
import { SideBySide } from '../../support/side-by-side.ts'

/** The last second of the year 9999, which is the last that GLib can represent, the next one, and much later ones. */
const SECONDS = ['253402300799', '253402300800', '67768036191676800', '9223372036854775807']

describeReference('ostree', 'dates after the year 9999 in `ostree-ts` and in `ostree`', () => {
  const pair = new SideBySide()
  beforeAll(() =>
    pair.shell(`mkdir tree; ostree --repo=r init --mode=archive
      for seconds in ${SECONDS.join(' ')}; do
        export SOURCE_DATE_EPOCH=$seconds
        ostree --repo=r commit --canonical-permissions --no-xattrs -b at/$seconds -s 'at that time' tree
      done
      ostree --repo=r commit --canonical-permissions --no-xattrs -b after --timestamp=@5 -s later tree \\
        --parent=$(ostree --repo=r rev-parse at/253402300800)`),
  )

  test.each([...SECONDS.map((seconds) => `at/${seconds}`), 'after'])('%s is shown as far as it goes', async (ref) => {
    for (const how of [[], ['-B'], ['--raw']]) await pair.run(['show', '--repo=@/r', ref, ...how])
    await pair.run(['log', '--repo=@/r', ref])
  })

  test('a summary leaves them out, and calls those invalid that it has', async () => {
    await pair.run(['summary', '--repo=@/r', '-u'])
    pair.shell('ostree --repo=r summary -v | grep -v Last-Modified > view')
    pair.expectSame('view')
    pair.shell(`ostree --repo=r summary -u --add-metadata='ostree.summary.expires=uint64 18446744073709551614'
      cp ../theirs/r/summary r/summary 2> /dev/null || true`)
    const unsigned = { stdout: (theirs: string) => `${theirs}Summary is unsigned\n` }
    const { stdout } = await pair.run(['summary', '--repo=@/r', '-v'], unsigned)
    expect(stdout).toContain('Expires (ostree.summary.expires): invalid\n')
  })
})
