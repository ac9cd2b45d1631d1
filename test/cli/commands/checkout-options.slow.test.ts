import { beforeAll, describe, test } from 'vitest'
import { describeReference } from '../../support/reference.ts'
import { SideBySide } from '../../support/side-by-side.ts'

const TREE = `
umask 022
mkdir -p one/a/b one/empty one/sgid two/a two/new
echo 1 > one/f; echo 2 > one/a/g; echo 3 > one/a/b/h; : > one/nothing; chmod 2775 one/sgid
echo su > one/su; chmod 4755 one/su; echo x > one/x; chmod 700 one/x; echo r > one/r; chmod 244 one/r
ln -s a/g one/link; ln -s /nowhere one/dangling
echo changed > two/f; echo 2 > two/a/g; echo n > two/new/n; ln -s elsewhere two/link; : > two/.wh.x
mkdir over; : > over/.wh.a; : > over/.wh.f; mkdir -p over/empty; : > over/empty/.wh..wh..opq; echo o > over/o
mkdir passthrough; : > passthrough/.ostree-wh.gone
printf '%s\\n' /f /a/ > skip; echo /nope > skip-nope; printf '%s\\n' /a > skip-a
printf 'one\\0/a\\0two\\0/\\0' > list; printf 'one\\0/nope\\0' > list-nope; printf 'nope\\0/\\0' > list-rev
`

/** Arguments of checkout. Each destination `@/NAME` is new, or that of the command before. */
const COMMANDS: readonly (readonly string[])[] = [
  ['one', '@/plain'],
  ['one', '@/plain'],
  ['-U', 'one', '@/user'],
  ['-U', 'one', '@/user'],
  ['-U', '--union', 'two', '@/user'],
  ['-U', '--union', '--fsync=no', 'one', '@/user'],
  ['-U', '--disable-cache', 'one', '@/nocache'],
  ['-UH', 'one', '@/hard'],
  ['-H', 'one', '@/hard2'],
  ['-UH', '--union-identical', 'one', '@/identical'],
  ['-UH', '--union-identical', 'one', '@/identical'],
  ['-UH', '--union-identical', 'two', '@/identical'],
  ['-UC', 'one', '@/copy'],
  ['-UCz', '--union', 'two', '@/copy'],
  ['-UM', 'one', '@/dirs'],
  ['-U', '--union-add', 'one', '@/add'],
  ['-U', '--union-add', 'two', '@/add'],
  ['-U', '--union', '--whiteouts', 'one', '@/wh'],
  ['-U', '--union', '--whiteouts', 'over', '@/wh'],
  ['-U', '--whiteouts', 'over', '@/wh2'],
  ['-U', 'over', '@/wh3'],
  ['-U', '--subpath=/a', 'one', '@/sub'],
  ['-U', '--subpath=a/b', 'one', '@/sub2'],
  ['-U', '--subpath=/f', 'one', '@/sub3'],
  ['-U', '--subpath=/link', 'one', '@/sub4'],
  ['-U', '--subpath=/nope', 'one', '@/sub5'],
  ['-U', '--subpath=/nope', '--allow-noent', 'one', '@/sub5'],
  ['-U', '--subpath=/nope', '--allow-noent', '-C', 'one', '@/sub5'],
  ['-U', '--subpath=/f/x', 'one', '@/sub5'],
  ['-U', '--subpath=/', 'one', '@/sub6'],
  ['-U', '--skip-list=@/skip', 'one', '@/skipped'],
  ['-U', '--skip-list=@/skip-a', 'one', '@/skipped2'],
  ['-U', '--skip-list=@/skip-nope', 'one', '@/skipped3'],
  ['-U', '--skip-list=@/absent', 'one', '@/skipped4'],
  ['-U', '--union', '--from-file=@/list', '@/many'],
  ['-U', '--from-file=@/list', '@/many2'],
  ['-U', '--union', '--from-file=@/list-nope', '@/many3'],
  ['-U', '--union', '--from-file=@/list-rev', '@/many4'],
  ['-U', '--union', '--from-file=@/absent', '@/many5'],
  ['-U', '--union', '--union-add', 'one', '@/bad'],
  ['-U', '--union', '--union-identical', 'one', '@/bad'],
  ['-U', '--union-add', '--union-identical', 'one', '@/bad'],
  ['-U', '--union-identical', 'one', '@/bad'],
  ['-UHC', 'one', '@/bad'],
  ['-U', '--selinux-prefix=/x', 'one', '@/bad'],
  ['-U', 'nope', '@/bad'],
  ['-U', 'one', '@/absent/below'],
  ['-U', 'one', '@/skip'],
  ['-U', '--union', 'one', '@/skip'],
  ['-U', '--fsync=perhaps', 'one', '@/bad'],
  ['-U', '--fsync=yes', 'one', '@/synced'],
]

describeReference('ostree', 'options of `ostree-ts checkout` and of `ostree checkout`', () => {
  describe.each(['archive', 'bare-user', 'bare-user-only', 'bare'])('in mode %s', (mode) => {
    let pair: SideBySide
    beforeAll(async () => {
      pair = new SideBySide()
      pair.shell(TREE)
      await pair.run(['init', '--repo=@/r', `--mode=${mode}`])
      for (const tree of ['one', 'two', 'over', 'passthrough']) {
        await pair.run(['commit', '--repo=@/r', '--timestamp=@5', '-b', tree, `@/${tree}`])
      }
    })

    test.each(COMMANDS.map((words) => [words]))(
      'both print the same and create the same files with %j',
      async (words) => {
        await pair.run(['checkout', '--repo=@/r', ...words])
        const name = words.at(-1)?.slice('@/'.length) ?? 'one'
        // The list has the number of links, which tells whether a file was linked or copied.
        pair.shell(`find ./${name} -printf '%P %M %n %U %G %s %l\\n' 2>/dev/null | sort > listed || :`)
        pair.expectSame('listed')
        pair.shell(`find ./${name} -type f -exec sha256sum {} + 2>/dev/null | sort > listed || :`)
        pair.expectSame('listed')
      },
    )

    test('both leave the same repository after all checkouts', () => {
      pair.expectSame('r', (name) => /^(tmp|\.lock$)/.test(name))
    })
  })
})
