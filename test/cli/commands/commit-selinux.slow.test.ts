import { beforeAll, describe, expect, test } from 'vitest'
import { isRoot } from '../../support/machine.ts'
import { describeReference, testReference } from '../../support/reference.ts'
import { SideBySide } from '../../support/side-by-side.ts'

/** A small policy. It labels `/tmp`, and not what is in it. */
const CONTEXTS = `
/.*	system_u:object_r:default_t:s0
/	-d	system_u:object_r:root_t:s0
/etc(/.*)?	system_u:object_r:etc_t:s0
/usr/bin(/.*)?	system_u:object_r:bin_t:s0
/usr/bin/sh	-l	system_u:object_r:link_t:s0
/usr/bin/bash	--	system_u:object_r:shell_t:s0
/mnt	-d	system_u:object_r:mnt_t:s0
/tmp/.*	<<none>>
`

const TREES = `
umask 022
policy() {
  mkdir -p $1/strict/contexts/files $1/strict/policy
  printf 'SELINUX=enforcing\\nSELINUXTYPE=strict\\n' > $1/config
  cat > $1/strict/contexts/files/file_contexts <<'END'${CONTEXTS}END
  echo binary > $1/strict/policy/policy.33
}
mkdir -p in-etc/etc in-usr/usr/etc in-usr/usr/bin both/etc/selinux both/usr/etc off/etc none/etc linked/etc
mkdir -p empty/etc bare/etc file/etc
policy in-etc/etc/selinux
policy in-usr/usr/etc/selinux
policy both/usr/etc/selinux
policy off/etc/selinux; echo SELINUX=disabled > off/etc/selinux/config
policy bare/etc/selinux; rm -r bare/etc/selinux/strict/policy/*
policy empty/etc/selinux; echo '/usr x:y:z:s0' > empty/etc/selinux/strict/contexts/files/file_contexts
echo x > file/etc/selinux
ln -s ../../in-etc/etc/selinux linked/etc/selinux
echo b > in-usr/usr/bin/bash
mkdir -p t/usr/bin t/usr/etc t/etc t/tmp/deep t/proc t/var
echo a > t/usr/bin/bash; ln -s bash t/usr/bin/sh; echo p > t/etc/passwd; echo q > t/usr/etc/passwd; echo r > t/tmp/deep/f
find . -exec touch -d @1 {} +
tar --owner=0 --group=0 -cf t.tar -C t .
tar --owner=0 --group=0 -cf part.tar -C t ./usr/bin/bash ./tmp/deep/f
`

const POLICY = '--selinux-policy=@/in-etc'

describeReference(['ostree', 'tar'], '`ostree-ts commit` and `ostree commit` with an SELinux policy', () => {
  let pair: SideBySide
  const commit = (mode: string, ...words: string[]) =>
    pair.run(['commit', `--repo=@/${mode}`, '-b', 'main', '--timestamp=@1', ...words])
  beforeAll(async () => {
    pair = new SideBySide()
    pair.shell(TREES)
    for (const mode of ['archive', 'bare-user']) await pair.run(['init', `--repo=@/${mode}`, `--mode=${mode}`])
    for (const tree of ['in-usr', 'in-etc', 't']) {
      const words = ['commit', '-b', tree, '--canonical-permissions', '--timestamp=@1', `@/${tree}`]
      for (const mode of ['archive', 'bare-user']) await pair.run([...words, `--repo=@/${mode}`])
    }
  })

  test.each([
    ['a directory', [POLICY, '@/t']],
    ['a directory with other owners', [POLICY, '--owner-uid=5', '--owner-gid=6', '@/t']],
    ['a directory without other xattrs', [POLICY, '--no-xattrs', '@/t']],
    ['a directory with canonical permissions', [POLICY, '--canonical-permissions', '@/t']],
    ['a stored tree', [POLICY, '--tree=ref=t']],
    ['an archive', [POLICY, '--tree=tar=@/t.tar']],
    ['an archive without parent directories', [POLICY, '--tar-autocreate-parents', '--tree=tar=@/part.tar']],
    ['a policy below /usr', ['--selinux-policy=@/in-usr', '@/t']],
    ['a policy in /etc and in /usr/etc', ['--selinux-policy=@/both', '@/t']],
    ['a policy behind a symbolic link', ['--selinux-policy=@/linked', '@/t']],
    ['a policy that is disabled', ['--selinux-policy=@/off', '@/t']],
    ['a directory without policy', ['--selinux-policy=@/t', '@/t']],
    ['a file in place of the policy', ['--selinux-policy=@/file', '@/t']],
    ['the policy of the only tree', ['-P', '--tree=dir=@/in-usr']],
    ['the policy of the first tree', ['-P', '--tree=dir=@/in-etc', '--tree=dir=@/t']],
    ['a first tree without policy', ['-P', '--tree=dir=@/t', '--tree=dir=@/in-etc']],
    ['the policy of a commit', ['-P', '--tree=ref=in-usr', '--tree=dir=@/t']],
    ['a commit with its policy in /etc', ['-P', '--tree=ref=in-etc', '--tree=dir=@/t']],
    ['the policy of the base', ['-P', '--base=in-usr', '--tree=ref=t', '--tree=tar=@/t.tar']],
    ['the policy of a tree, for an archive', ['-P', '--tree=dir=@/in-usr', '--tree=tar=@/t.tar']],
  ])('both label the same: %s', async (_, words) => {
    for (const mode of ['archive', 'bare-user']) {
      expect(await commit(mode, ...words)).toMatchObject({ status: 0 })
      await pair.run(['ls', `--repo=@/${mode}`, '-RXC', 'main'])
    }
  })

  test('both label a tree that is given as an argument by its own policy', async () => {
    expect(await commit('archive', '-P', '@/in-usr')).toMatchObject({ status: 0 })
    await pair.run(['ls', '--repo=@/archive', '-RXC', 'main'])
  })

  test('both replace existing labels', async () => {
    pair.shell(
      'setfattr -n security.selinux -v old_u:old_r:old_t:s0 t/usr/bin/bash t/tmp/deep/f t/usr 2> /dev/null || :',
    )
    expect(await commit('archive', POLICY, '@/t')).toMatchObject({ status: 0 })
    await pair.run(['ls', '--repo=@/archive', '-RXC', 'main'])
    pair.shell('setfattr -x security.selinux t/usr/bin/bash t/tmp/deep/f t/usr 2> /dev/null || :')
  })

  test('both reuse the objects of linked files if their labels do not change', async () => {
    expect(await commit('bare-user', POLICY, '@/t')).toMatchObject({ status: 0 })
    await pair.run(['checkout', '--repo=@/bare-user', '-UH', 'main', '@/out'])
    expect((await commit('bare-user', POLICY, '--link-checkout-speedup', '--table-output', '@/out')).stdout).toContain(
      'Content Cache Hits: 4\n',
    )
    await commit('bare-user', '--selinux-policy=@/t', '--link-checkout-speedup', '--table-output', '@/out')
    await commit('bare-user', '--selinux-policy=@/linked', '-I', '--table-output', '@/out')
  })

  test.each([
    ['a directory that does not exist', ['--selinux-policy=/nope', '@/t']],
    ['a file', ['--selinux-policy=@/t/etc/passwd', '@/t']],
    ['two policies', [POLICY, '-P', '@/t']],
    ['a tree that does not exist', ['-P', '--tree=dir=@/nope']],
    ['a commit that does not exist', ['-P', '--tree=ref=nope']],
    ['a base that does not exist', ['-P', '--base=nope', '@/t']],
    ['an archive as the first tree', ['-P', '--tree=tar=@/t.tar']],
    ['a tree without a type', ['-P', '--tree=nope']],
    ['a tree of an unknown type', ['-P', '--tree=nope=x']],
  ])('both refuse with the same message: %s', async (_, words) => {
    expect(await commit('archive', ...words)).toMatchObject({ status: 1 })
  })

  test('both refuse an invalid policy, and only ostree-ts names the directory', async () => {
    const named = { stderr: (text: string) => text.replace(/\/proc\/self\/fd\/\d+/, '@/empty') }
    const words = ['commit', '--repo=@/archive', '-b', 'main', '@/t']
    expect(await pair.run([...words, '--selinux-policy=@/empty'], named)).toMatchObject({
      status: 1,
      stderr:
        "error: With policy root '@/empty/etc/selinux/strict': Failed to look up context of /: No such file or directory\n",
    })
    expect(await pair.run([...words, '--selinux-policy=@/bare'])).toMatchObject({
      status: 1,
      stderr: 'error: While calculating SELinux checksum: Could not find binary policy file\n',
    })
  })

  testReference('/etc/selinux/config', 'both label the same with the policy of the system', async () => {
    expect(await commit('archive', '--selinux-policy=/', '@/t')).toMatchObject({ status: 0 })
    await pair.run(['ls', '--repo=@/archive', '-RXC', 'main'])
  })

  describe('differences of ostree', () => {
    const [, run] = [0, (words: string[]) => pair.runBoth(words)]

    test('`--selinux-labeling-epoch=1` labels files in /usr/etc like those in /etc', async () => {
      const words = ['commit', '--repo=@/archive', '-b', 'epoch', POLICY, '--timestamp=@1', '@/t']
      expect((await run([...words, '--selinux-labeling-epoch=1']))[1]).toMatchObject({ status: 0, stderr: '' })
      const listed = (await run(['ls', '--repo=@/archive', '-X', 'epoch', '/usr/etc']))[1].stdout
      expect(listed.match(/object_r:(\w+)/g)).toEqual(['object_r:etc_t', 'object_r:etc_t'])
      // Not those in a tar archive: the commit is the one that ostree 2026.4 makes with either epoch.
      pair.shell('tar cf t.tar -C t --owner=0 --group=0 --mtime=@0 --sort=name --format=gnu .')
      const tar = ['commit', '--repo=@/archive', POLICY, '--timestamp=@1', '--no-bindings', '--tree=tar=@/t.tar']
      await run([...tar, '-b', 'tar-0'])
      await run([...tar, '-b', 'tar-1', '--selinux-labeling-epoch=1'])
      const [, { stdout: both }] = await run(['rev-parse', '--repo=@/archive', 'tar-0', 'tar-1'])
      const [first, second] = both.split('\n')
      expect(second).toBe(first)
      expect((await run([...words, '--selinux-labeling-epoch=2']))[1]).toEqual({
        status: 1,
        stdout: '',
        stderr: 'error: Unknown SELinux labeling epoch: 2\n',
      })
    })

    test('labels are refused in mode bare-user-only, in which ostree writes invalid objects', async () => {
      await pair.run(['init', '--repo=@/only', '--mode=bare-user-only'])
      const words = ['commit', '--repo=@/only', '-b', 'main', '--timestamp=@1', '@/t']
      const [theirs, ours] = await run([...words, POLICY])
      expect(theirs.status).toBe(0)
      expect(ours).toMatchObject({
        status: 1,
        stderr: 'error: SELinux labels cannot be kept in a repository without extended attributes\n',
      })
      expect((await run(['fsck', '--repo=@/only']))[0]).toMatchObject({ status: 1 })
      expect((await run([...words, '--selinux-policy=@/off']))[1]).toMatchObject({ status: 0 })
    })
  })
})

describeReference(
  ['ostree', 'tar', 'getfattr'],
  '`ostree-ts checkout` and `ostree checkout` with an SELinux policy',
  () => {
    const pair = new SideBySide()
    beforeAll(() => {
      // A file without a label kills ostree.
      pair.shell(`${TREES}rm -r t/tmp`)
      for (const mode of ['archive', 'bare-user', 'bare-user-only']) {
        pair.shell(`ostree --repo=${mode} init --mode=${mode}
        ostree --repo=${mode} commit -b main --timestamp=@1 --owner-uid=$(id -u) --owner-gid=$(id -g) --no-xattrs t`)
      }
    })

    describe.each(['archive', 'bare-user', 'bare-user-only'])('from mode %s', (mode) => {
      // Only root may set labels.
      test.runIf(isRoot).each([
        ['a commit', [POLICY]],
        ['a commit over existing files', [POLICY, '--union']],
        ['a commit as the user, which does not set labels', [POLICY, '-U']],
        ['a directory of a commit', [POLICY, '--subpath=/usr']],
        ['a file of a commit', [POLICY, '--subpath=/usr/bin/bash']],
        ['a file of a commit with a prefix', [POLICY, '--subpath=/etc/passwd', '--selinux-prefix=/usr/bin/bash']],
        ['a commit with a prefix', [POLICY, '--selinux-prefix=/usr/bin/']],
        ['a directory of a commit with a prefix', [POLICY, '--subpath=/etc', '--selinux-prefix=/usr/bin']],
      ])('both label the same: %s', async (_, words) => {
        pair.shell('rm -rf out')
        await pair.run(['checkout', `--repo=@/${mode}`, 'main', '@/out', ...words])
        pair.shell('getfattr -R -h -d -m- -e hex out > labels; find out -type f -links +1 >> labels')
        pair.expectSame('out')
        pair.expectSame('labels')
      })

      test.each([
        ['a directory that does not exist', ['--selinux-policy=/nope']],
        ['an empty path', ['--selinux-policy=']],
        ['a file', ['--selinux-policy=@/t/etc/passwd']],
        ['hard links', ['--selinux-policy=/nope', '-H']],
        ['a prefix without a policy', ['--selinux-prefix=/x']],
      ])('both refuse with the same message: %s', async (_, words) => {
        const { status } = await pair.run(['checkout', `--repo=@/${mode}`, 'main', '@/refused', ...words])
        expect(status).toBe(1)
      })
    })

    test('an invalid prefix is refused, and a tree without a policy is ignored, both of which kill ostree', async () => {
      const checkout = (...words: string[]) =>
        pair.runBoth(['checkout', '--repo=@/archive', 'main', '@/died', ...words])
      for (const prefix of ['', 'usr']) {
        const [, ours] = await checkout(POLICY, `--selinux-prefix=${prefix}`)
        expect(ours).toMatchObject({ status: 1, stderr: `error: Invalid SELinux prefix '${prefix}'\n` })
      }
      const [, ours] = await checkout('-U', '--selinux-policy=@/t')
      expect(ours.status).toBe(0)
    })
  },
)
