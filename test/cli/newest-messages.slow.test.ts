/** Messages of ostree 2026.4 for arguments and repositories that few have. */
import { beforeAll, test } from 'vitest'
import { BesideNewest } from '../support/beside-newest.ts'
import { describeReference, NEWEST_OSTREE } from '../support/reference.ts'

/** Runs a command with a repository that is mounted read-only. */
const readOnly = (words: string): string =>
  `mount --bind r r && mount -o remount,ro,bind r && $O --repo=r ${words}; R=$?; umount r; (exit $R)`

describeReference(['ostree', NEWEST_OSTREE], 'messages of ostree 2026.4', () => {
  let both: BesideNewest
  beforeAll(async () => {
    const setup = `
      mkdir -p t/sub; echo a > t/a; echo b > t/sub/b; echo plain > plain
      ostree init --repo=r --mode=archive; ostree commit --repo=r -b main --timestamp=@1 t
      ostree remote add --repo=r o http://127.0.0.1/x`
    both = await BesideNewest.create(setup, `A=$(printf 'a%.0s' $(seq 100)); U=$(printf 'ä%.0s' $(seq 40))`)
  })

  test.each([
    'commit -b x --tree=dir=plain/x',
    'commit -b x plain/x',
    'commit -b x plain/',
    'commit -b x plain',
    'commit -b x nosuch',
    'commit -b x --selinux-policy=plain/x t',
    'commit -b x --selinux-policy=plain t',
    'checkout -U --selinux-policy=plain/x main d',
    "checkout -U main ''",
    "checkout -U -C main ''",
    'commit -b x --tree=tar= < /dev/null',
    'prune --delete-commit=',
    'prune --delete-commit=abc',
    "pull-local ''",
    'create-usb --destination-repo= t org.x main',
    'remote list-cookies plain/x',
    'remote gpg-import nosuch',
    'remote gpg-import -k nosuch nosuch',
    'commit -b x --parent=$A t',
    'commit -b x --parent=a$U t',
    'static-delta delete $A',
    'static-delta delete $U',
  ])('both say the same for `%s`', (words) => both.compare(`$O --repo=r ${words}`))

  test.each(['echo > r/tmp', 'ln -s nowhere r/tmp'])(
    'both say the same when the repository was changed by `%s`',
    (change) => {
      both.compare(`rm -r r/tmp; ${change}; $O --repo=r refs`)
    },
  )

  test('the empty path is not the current directory for checksum', () => {
    both.compare("$O checksum ''")
    both.compare("$O checksum --ignore-xattrs ''")
  })

  test.each(['$A', '$A$A$A', '$U', '0', "''"])('both say the same when a ref contains %s', (content) => {
    both.compare(
      `printf %s ${content} > r/refs/heads/x; for c in 'rev-parse x' 'refs' 'refs -r' 'log x'; do $O --repo=r $c; done`,
    )
  })
})

describeReference(['ostree', NEWEST_OSTREE, 'mount'], 'read-only repositories', () => {
  let both: BesideNewest
  beforeAll(async () => {
    const setup = `mkdir t; echo a > t/a; ostree init --repo=r --mode=archive; ostree commit --repo=r -b main --timestamp=@1 t`
    both = await BesideNewest.create(setup)
  })

  test.each([
    'summary -u',
    'reset',
    'reset main main',
    'reset main nosuch',
    'static-delta generate',
    'static-delta generate --empty main',
    'static-delta generate --empty --filename=d main',
    'refs --delete main',
    'refs --create=x main',
    'prune',
    'config set a.b c',
  ])('both say the same for `%s`', (words) => both.compare(readOnly(words)))

  test.each([
    'true',
    'rm -r s',
    'rm -r s; echo > s',
    'rm -r s/ostree/repo',
    'rm -r s/ostree/repo/objects',
    'rm -r s/ostree/deploy',
    'echo junk > s/ostree/repo/config',
  ])('both say the same of a sysroot after `%s`', (change) => {
    both.compare(`mkdir -p s/ostree/deploy; cp -a r s/ostree/repo; ${change}; $O remote add --sysroot=s a http://b`)
    both.compare('$O remote delete --sysroot= a')
  })

  test.each([
    ['x', 'true'],
    ['link', 'ln -s ../../../link.txt s/etc/ostree/remotes.d/link.conf'],
    ['added', 'O=ostree; ostree config --repo=s/ostree/repo set core.add-remotes-config-dir true'],
    [
      'added',
      'mkdir s/etc/ostree/remotes.d/d.conf; mkfifo s/etc/ostree/remotes.d/f.conf; ln -s none s/etc/ostree/remotes.d/n.conf',
    ],
    ['added', 'echo zork > s/etc/ostree/remotes.d/broken.conf'],
    ['added', 'cp link.txt s/etc/ostree/remotes.d/y.conf; cp link.txt s/etc/ostree/remotes.d/z.conf'],
    ['added', 'rm -r s/etc/ostree/remotes.d; echo > s/etc/ostree/remotes.d'],
    ['added', 'rm -r s/etc'],
  ])('both read the remotes of a sysroot beside its repository: remote %s after `%s`', (name, change) => {
    const setup = `rm -rf s; mkdir -p s/ostree/deploy s/etc/ostree/remotes.d; cp -a r s/ostree/repo; rm -f s/ostree/repo/.lock
      printf '[remote "x"]\\nurl=http://x\\n' > s/etc/ostree/remotes.d/x.conf
      printf '[remote "link"]\\nurl=http://link\\n' > link.txt; ${change}`
    const state = 'ls s/etc/ostree/remotes.d; cat s/etc/ostree/remotes.d/x.conf s/ostree/repo/config | grep .'
    both.compare(`${setup}; $O remote add --sysroot=s ${name} http://b; ${state}`)
    both.compare(`${setup}; $O remote add --sysroot=s --force ${name} http://b; ${state}`)
    both.compare(`${setup}; $O remote delete --sysroot=s ${name}; ${state}`)
  })

  test.each(['ls -R main', 'cat main /a', 'fsck --quiet', 'checkout main x'])(
    'both name an object that cannot be read in the same words for `%s`',
    (words) => {
      const setup = 'rm -rf b; ostree init --repo=b --mode=bare; ostree commit --repo=b -b main --timestamp=@1 t'
      const remains = 'find b/objects -type d -o -type l | sort'
      both.compare(`${setup}; cd b/objects; for f in */*.dirtree; do ln -sfn \${f#*/} $f; done; cd ../..
        $O --repo=b ${words}; rm -rf x; ${remains}`)
      both.compare(`${setup}; for f in b/objects/*/*.file; do rm $f; mkdir $f; done
        $O --repo=b ${words}; rm -rf x; ${remains}`)
    },
  )

  test('--consume names the entry that it cannot remove, as libostree does', () => {
    both.compare(
      'mkdir -p c/d; echo x > c/d/f; mount --bind c c && mount -o remount,ro,bind c && $O --repo=r commit --orphan --timestamp=@0 --consume c; umount c; rm -r c',
    )
  })
})
