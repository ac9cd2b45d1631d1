import { beforeAll, describe, test } from 'vitest'
import { isRoot } from '../../support/machine.ts'
import { describeReference } from '../../support/reference.ts'
import { SideBySide } from '../../support/side-by-side.ts'

/** Objects of each type, in the root and below it. The directory `b` has another mode, so it has its own dirmeta. */
const MISSING = ['file /a', 'file /b/f', 'file /b/l', 'dirtree /', 'dirmeta /', 'dirtree /b', 'dirmeta /b', 'commit']

const COMMANDS = [
  ['ls', 'main'],
  ['ls', '-R', 'main'],
  ['ls', '-RC', 'main', '/e', '/b'],
  ['ls', 'main', '/'],
  ['ls', 'main', '/b'],
  ['ls', '-d', 'main', '/b'],
  ['ls', 'main', '/b/f'],
  ['ls', '--nul-filenames-only', '-R', 'main'],
  ['cat', 'main', '/a'],
  ['cat', 'main', '/e/z', '/b/f'],
  ['cat', 'main', '/b/l'],
  ['cat', 'main', '/b'],
  ['diff', 'main', 'next'],
  ['diff', 'next', 'main'],
  ['commit', '-b', 'again', '--timestamp=@1', '--tree=ref=main'],
  ['commit', '-b', 'again', '--timestamp=@1', '--tree=ref=main', '--owner-uid=0'],
  ['commit', '-b', 'again', '--timestamp=@1', '--base=main', '@/other'],
  ['fsck'],
]

describeReference('ostree', 'commands of both programs on a repository with a missing object', () => {
  const modes = ['archive', 'bare-user', 'bare-user-only', ...(isRoot ? ['bare'] : [])]

  describe.each(modes)('in mode %s', (mode) => {
    const pair = new SideBySide()
    beforeAll(() =>
      pair.shell(`umask 022; mkdir -p tree/b/c tree/e other; echo 1 > tree/a; echo 2 > tree/b/f; ln -s f tree/b/l
        echo 3 > tree/e/z; echo 4 > tree/b/c/y; echo 5 > other/u; chmod 711 tree/b other
        ostree --repo=whole init --mode=${mode}
        for branch in main next; do
          ostree --repo=whole commit -b $branch --timestamp=@1 --owner-uid=0 --owner-gid=0 --no-xattrs tree
          echo $branch > tree/q
        done`),
    )

    test.each(MISSING)('both print the same without the object %s', async (what) => {
      pair.shell(`rm -rf r; cp -a whole r; set -- ${what}
        list() { ostree --repo=whole ls -C -d main "$2"; }
        case $1 in
          commit) name=$(ostree --repo=whole rev-parse main).commit ;;
          dirmeta) name=$(list "$@" | awk '{print $6}').dirmeta ;;
          *) name=$(list "$@" | awk '{print $5}').$1 ;;
        esac
        test ${mode} != archive || test $1 != file || name=\${name}z
        rm r/objects/$(echo $name | cut -c1-2)/$(echo $name | cut -c3-)`)
      for (const [command = '', ...words] of COMMANDS) await pair.run([command, '--repo=@/r', ...words])
    })
  })
})

describeReference('ostree', 'commands of both programs on a repository with a wrong file among the objects', () => {
  const pair = new SideBySide()

  /** Scripts that change a directory that exists, or one that is missing, of the 256 directories of objects. */
  const PLACES = {
    'a file': 'touch $missing',
    'a dangling symbolic link': 'ln -s /nowhere $missing',
    'a symbolic link to a directory': 'mv $there moved; ln -s ../../moved $there',
  }

  test.each(Object.entries(PLACES))('both print the same with %s in place of a directory', async (_, script) => {
    pair.shell(`rm -rf r moved tree; mkdir tree; echo 1 > tree/a; ostree --repo=r init --mode=archive
      for branch in main old; do ostree --repo=r commit -b $branch --timestamp=@1 -s $branch --owner-uid=0 --owner-gid=0 tree; done
      ostree --repo=r refs --delete old
      there=$(ls -d r/objects/* | head -1); missing=r/objects/00; ${script}`)
    for (const words of [
      ['prune', '--no-prune', '--refs-only'],
      ['prune', '--commit-only'],
      ['fsck'],
      ['prune', '--refs-only'],
    ]) {
      await pair.run([words[0] as string, '--repo=@/r', ...words.slice(1)])
    }
    pair.expectSame('.', (name) => name === 'r/.lock' || name === 'r/tmp/cache')
  })
})
