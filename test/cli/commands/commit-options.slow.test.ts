import { readdirSync } from 'node:fs'
import { beforeAll, describe, expect, test } from 'vitest'
import { describeReference } from '../../support/reference.ts'
import { SideBySide } from '../../support/side-by-side.ts'

/** Creates files of all kinds that do not need root, and files that a commit refuses. */
const TREE = `
umask 022
mkdir -p tree/usr/bin tree/usr/lib/modules/5.1 tree/etc/empty tree/deep/a/b/c tree/skipme/below
echo hello > tree/usr/bin/hello; chmod 775 tree/usr/bin/hello
echo su > tree/usr/bin/su; chmod 4755 tree/usr/bin/su
echo kernel > tree/usr/lib/modules/5.1/vmlinuz
echo conf > tree/etc/conf; chmod 600 tree/etc/conf
: > tree/etc/nothing
ln -s ../usr/bin/hello tree/etc/link; ln -s /nowhere tree/dangling
echo skip > tree/skipme/below/x; echo c > tree/deep/a/b/c/f; chmod 2775 tree/deep/a
echo 1 2 3 > tree/numbers; head -c 200000 /dev/zero > tree/zeros
mkdir over over/etc; echo other > over/etc/conf; mkdir over/new; echo n > over/new/n
mkdir fileover; echo f > fileover/etc
printf '%s\\n' '=384 /etc/conf' '2048 /usr/bin/hello' '' '=448 /usr' '1 /' > statoverride
printf '%s\\n' '4 /deep' > statoverride-dir; printf '%s\\n' '4 /nope' '8 /nope2' > statoverride-unmatched
printf '%s\\n' '=4 /nope' > statoverride-set; echo broken > statoverride-broken
printf '%s\\n' '0x800 /etc/conf' '=0700x /usr' > statoverride-hex
printf '%s\\n' /skipme /etc/conf > skip; echo /absent > skip-unmatched; : > empty
printf 'a body\\n\\nof lines\\n' > body; printf '\\377' > notutf8
tar --sort=name --mtime=@0 --owner=3 --group=4 --numeric-owner -C tree -cf tree.tar usr etc deep
tar --sort=name --mtime=@0 --owner=3 --group=4 --numeric-owner -C tree -cf nodirs.tar etc/conf deep/a/b/c/f
tar --sort=name --mtime=@0 --owner=3 --group=4 --numeric-owner -C tree -cf whole.tar .
gzip -n -k tree.tar
mkdir links; echo l > links/a; ln links/a links/b; ln links/a links/c; : > links/e; ln links/e links/f; ln -s a links/s; mkdir links/d
for format in newc odc; do bsdtar --format=$format -C links -cf $format.cpio .; done; bsdtar --format=newc -C tree -cf part.cpio etc/conf deep/a/b/c/f
head -c 300 newc.cpio > short.cpio; gzip -n -k newc.cpio
`

const commit = (...words: string[]): string[] => ['commit', '--timestamp=@1700000000', ...words]

/** Arguments of commit. The order matters, because later commits have a parent. */
const COMMANDS: readonly (readonly string[])[] = [
  commit('-b', 'main', '-s', 'subject', '-m', 'body', '@/tree'),
  commit('-b', 'main', '--tree=dir=@/tree'),
  commit('-b', 'main', '--tree=dir=@/tree', '--skip-if-unchanged'),
  commit('-b', 'main', '--tree=dir=@/tree', '--table-output'),
  commit('-b', 'over', '--tree=dir=@/tree', '--tree=dir=@/over'),
  commit('-b', 'over2', '--tree=ref=main', '--tree=dir=@/over', '--tree=ref=over'),
  commit('-b', 'refs', '--tree=ref=main'),
  commit('-b', 'refs', '--tree=ref=main', '--owner-uid=7', '--owner-gid=8'),
  commit('-b', 'base', '--base=main', '--tree=dir=@/over'),
  commit('-b', 'base', '--base=main', '--tree=dir=@/over', '--canonical-permissions'),
  commit('-b', 'conflict', '--tree=dir=@/tree', '--tree=dir=@/fileover'),
  commit('-b', 'conflict', '--tree=dir=@/fileover', '--tree=dir=@/tree'),
  commit('-b', 'owner', '--owner-uid=0', '--owner-gid=0', '@/tree'),
  commit('-b', 'owner', '--owner-uid=-1', '@/tree'),
  commit('-b', 'canonical', '--canonical-permissions', '@/tree'),
  commit('-b', 'canonical', '--canonical-permissions', '--owner-uid=0', '@/tree'),
  commit('-b', 'canonical', '--canonical-permissions', '--owner-uid=5', '@/tree'),
  commit('-b', 'canonical', '--canonical-permissions', '--owner-gid=5', '@/tree'),
  commit('-b', 'noxattrs', '--no-xattrs', '@/tree'),
  commit('-b', 'stat', '--owner-uid=0', '--owner-gid=0', '--statoverride=@/statoverride', '@/tree'),
  commit('-b', 'stat', '--statoverride=@/statoverride-dir', '@/tree'),
  commit('-b', 'stat', '--statoverride=@/statoverride-unmatched', '@/over'),
  commit('-b', 'stat', '--statoverride=@/statoverride-set', '@/tree'),
  commit('-b', 'stat', '--statoverride=@/statoverride-broken', '@/tree'),
  commit('-b', 'stat', '--statoverride=@/statoverride-hex', '@/tree'),
  commit('-b', 'stat', '--statoverride=@/empty', '@/tree'),
  commit('-b', 'stat', '--statoverride=@/absent', '@/tree'),
  commit('-b', 'skip', '--skip-list=@/skip', '@/tree'),
  commit('-b', 'skip', '--skip-list=@/skip-unmatched', '@/tree'),
  commit('-b', 'skip', '--skip-list=@/absent', '@/tree'),
  commit(
    '-b',
    'meta',
    '--add-metadata-string=version=1',
    '--add-metadata=n=uint32 5',
    '--add-metadata-string=a=b=c',
    '@/over',
  ),
  commit('-b', 'meta', '--keep-metadata=version', '--keep-metadata=n', '--add-metadata=x=@a{sv} {}', '@/over'),
  commit('-b', 'meta', '--keep-metadata=absent', '@/over'),
  commit('-b', 'fresh', '--keep-metadata=version', '@/over'),
  commit('-b', 'meta', '--add-metadata-string=nothing', '@/over'),
  commit('-b', 'meta', '--add-metadata=broken=@@', '@/over'),
  commit('-b', 'meta', '--add-metadata-string==x', '@/over'),
  commit('-b', 'detached', '--add-detached-metadata-string=k=v', '--add-detached-metadata-string=a=', '@/over'),
  commit('-b', 'bind', '--bind-ref=z', '--bind-ref=a', '@/over'),
  commit('-b', 'bind', '--no-bindings', '@/over'),
  commit('--orphan', '@/over'),
  commit('--orphan', '--bind-ref=x', '@/over'),
  commit('--orphan', '-b', 'orphan', '@/over'),
  commit('-b', 'parent', '--parent=none', '@/over'),
  commit('-b', 'parent', '--parent=0000000000000000000000000000000000000000000000000000000000000000', '@/over'),
  commit('-b', 'parent', '--parent=x', '@/over'),
  commit('-b', 'bad name', '@/over'),
  commit('-b', 'a/../b', '@/over'),
  commit('-b', 'remote:ref', '@/over'),
  commit('-b', 'main/below', '@/over'),
  commit('@/over'),
  commit('-b', 'body', '-s', 's', '--body-file=@/body', '@/over'),
  commit('-b', 'body', '-s', 's', '--body-file=@/notutf8', '@/over'),
  commit('-b', 'body', '-s', 's', '--body-file=@/absent', '@/over'),
  commit('-b', 'tar', '--tree=tar=@/whole.tar'),
  commit('-b', 'tar', '--tree=tar=@/tree.tar'),
  commit('-b', 'tar', '--tree=tar=@/tree.tar.gz', '--tar-autocreate-parents'),
  commit('-b', 'tar', '--tree=tar=@/nodirs.tar'),
  commit('-b', 'tar', '--tree=tar=@/nodirs.tar', '--tar-autocreate-parents', '--owner-uid=9'),
  commit('-b', 'tar', '--tree=tar=@/whole.tar', '--tar-pathname-filter=^etc,usr/etc'),
  commit(
    '-b',
    'tar',
    '--tree=tar=@/tree.tar',
    '--tar-autocreate-parents',
    '--tar-pathname-filter=^([a-z]+)/(.*),x/\\2/\\1',
  ),
  commit('-b', 'tar', '--tree=tar=@/tree.tar', '--tar-pathname-filter=nocomma'),
  commit('-b', 'tar', '--tree=dir=@/tree', '--tree=tar=@/nodirs.tar', '--canonical-permissions'),
  commit('-b', 'tar', '--tree=tar=@/whole.tar', '--statoverride=@/statoverride', '--skip-list=@/skip'),
  commit('-b', 'cpio', '--tree=tar=@/newc.cpio'),
  commit('-b', 'cpio', '--tree=tar=@/odc.cpio', '--owner-uid=3'),
  commit('-b', 'cpio', '--tree=tar=@/newc.cpio.gz', '--canonical-permissions'),
  commit('-b', 'cpio', '--tree=tar=@/part.cpio', '--tar-autocreate-parents'),
  commit('-b', 'x', '--tree=foo'),
  commit('-b', 'x', '--tree=foo=bar'),
  commit('-b', 'x', '--tree=dir=@/absent'),
  commit('-b', 'x', '--tree=dir=@/body'),
  commit('-b', 'x', '--tree=ref=absent'),
  commit('-b', 'x', '@/over', '--fsync=maybe'),
  commit('-b', 'x', '@/over', '--fsync=no'),
  commit('-b', 'x', '@/over', '--disable-fsync'),
  commit('-b', 'sizes', '--generate-sizes', '@/tree'),
  commit('-b', 'sizes', '--generate-sizes', '--tree=ref=main', '--tree=dir=@/over'),
  commit('-b', 'sizes', '--generate-sizes', '--tree=tar=@/whole.tar', '--tree=tar=@/nodirs.tar'),
  commit('-b', 'links', '--link-checkout-speedup', '--table-output', '--tree=ref=main'),
  commit('-b', 'links', '--devino-canonical', '--table-output', '--tree=ref=main'),
  commit('-b', 'x', '--tree=tar=@/over'),
  commit('-b', 'x', '--tree=tar=@/body'),
  commit('-b', 'x', '--tree=tar=@/notutf8'),
  commit('-b', 'x', '--tree=tar=@/tree/zeros'),
  commit('-b', 'early', '@/over', '--timestamp=@-5'),
  commit('-b', 'early', '@/over', '--timestamp=1969-12-31 23:59:59 UTC'),
  commit('-b', 'early', '@/over', '--timestamp=2020-01-01 10:00:60 UTC'),
  commit('-b', 'x', '@/over', '--selinux-policy=@/absent', '--selinux-policy-from-base'),
]

describeReference(['ostree', 'tar', 'bsdtar'], 'options of `ostree-ts commit` and of `ostree commit`', () => {
  describe.each(['archive', 'bare-user', 'bare-user-only', 'bare'])('in mode %s', (mode) => {
    let pair: SideBySide
    beforeAll(async () => {
      pair = new SideBySide()
      pair.shell(TREE)
      await pair.run(['init', '--repo=@/r', `--mode=${mode}`])
    })

    test.each(COMMANDS.map((words) => [words]))('both print the same with %j', async (words) => {
      const { status } = await pair.run([...words.slice(0, 1), '--repo=@/r', ...words.slice(1)])
      // The next commit would store the staged objects that ostree leaves after a failed one.
      if (status !== 0) pair.shell('rm -rf r/tmp/staging-*')
    })

    test('both leave the same repository after all commits', () => {
      pair.expectSame('r', (name) => /^(tmp|\.lock$)/.test(name))
    })

    test.each(['--link-checkout-speedup', '--devino-canonical'])(
      'both recognise the files of a checkout with %s',
      async (speedup) => {
        const words = ['commit', '--repo=@/r', '--timestamp=@5', '-b', 'known', '--table-output', speedup, '@/known']
        const checkouts = mode === 'bare' ? [[], ['-C']] : [['-U'], ['-UC'], ['-U', '--disable-cache']]
        for (const checkout of checkouts) {
          await pair.run(['checkout', '--repo=@/r', ...checkout, 'main', '@/known'])
          pair.shell('echo fresh > known/fresh')
          for (const rules of [[], ['--no-xattrs'], ['--canonical-permissions'], ['--owner-uid=4', '--owner-gid=4']]) {
            await pair.run([...words, ...rules])
          }
          pair.shell('rm -rf known')
        }
      },
    )

    test('both remove a directory with `--consume` if it is given twice or is in another', async () => {
      const dirs = ['eaten', 'eaten/etc', 'eaten/deep/a/b']
      for (const given of [...dirs.flatMap((a) => dirs.map((b) => [a, b])), ['eaten', 'over', 'eaten']]) {
        pair.shell('rm -rf eaten over2; cp -a tree eaten; cp -a over over2')
        const trees = given.map((dir) => `--tree=dir=@/${dir.replace('over', 'over2')}`)
        const { status } = await pair.run([
          'commit',
          '--repo=@/r',
          '--timestamp=@5',
          '-b',
          'twice',
          '--consume',
          ...trees,
        ])
        pair.expectSame('r/refs')
        // ostree-ts keeps the files of a failed commit, and ostree does not.
        if (status !== 0) continue
        pair.shell('find . -path "./eaten*" -o -path "./over2*" | sort > left')
        pair.expectSame('left')
      }
      pair.shell('rm -rf eaten over2 r/tmp/staging-*')
    })

    test('both remove a directory with `--consume`, and move its files into the repository where they can', async () => {
      pair.shell(
        'cp -a tree eaten; ln eaten/numbers numbers-link; echo /skipme > skip2; echo f > eaten/fresh; ln eaten/fresh fresh-link',
      )
      const words = ['commit', '--repo=@/r', '--timestamp=@5', '-b', 'eaten', '--consume', '--table-output']
      await pair.run([...words, '--skip-list=@/skip2', '@/eaten'])
      pair.shell('test ! -e eaten; find r/objects -samefile fresh-link | wc -l > adopted')
      pair.expectSame('adopted')
      pair.shell('cp -a over eaten; mkdir base; cp -a over base/x')
      await pair.run([...words, '--statoverride=@/statoverride-unmatched', '@/eaten'])
      pair.shell('rm -rf r/tmp/staging-*')
      // The commit failed, so ostree-ts keeps the files, which ostree has deleted.
      expect(readdirSync(`${pair.ours}/eaten`, { recursive: true }).sort()).toEqual(['etc', 'etc/conf', 'new', 'new/n'])
      pair.shell('rm -rf eaten; cp -a over eaten')
      await pair.run([...words, '--tree=ref=main', '--tree=dir=@/eaten', '--owner-uid=1'])
      pair.shell('test ! -e eaten')
      pair.expectSame('r', (name) => /^(tmp|\.lock$)/.test(name))
    })
  })
})
