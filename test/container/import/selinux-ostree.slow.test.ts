import { cpSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { commitRoot, findSePolicy, labelTree, MutableTree, writeTree } from '../../../src/repo/index.ts'
import { openRepo } from '../../../src/repo/local.ts'
import { describeReference, run } from '../../support/reference.ts'
import { temporaryFolder } from '../../support/temporary.ts'

const folder = temporaryFolder('disk')

const FILES = [
  'usr/bin/bash',
  'usr/sbin/sshd',
  'usr/lib/systemd/systemd',
  'usr/lib/modules/6.1/vmlinuz',
  'usr/lib/x86_64-linux-gnu/libc.so.6',
  'usr/lib64/ld.so',
  'usr/local/lib/y/z.so',
  'usr/etc/ssh/sshd_config',
  'usr/etc/shadow',
  'usr/share/factory/var/lib/x',
  'etc/passwd',
  'etc/init.d/thing',
  'var/lib/private/a/b',
  'var/log/private/c',
  'var/run/lock/d',
  'run/e',
  'tmp/f',
  'proc/g',
  'home/u/.ssh/id',
  'home/u/public_html/index.html',
  'opt/app/lib/thing.so',
  'boot/vmlinuz',
  'srv/web/cgi-bin/x.cgi',
  'dev/null-ish',
  'a name with spaces',
  'usr/share/doc/ümläut',
]

describeReference(['ostree', 'matchpathcon'], 'labels of a whole tree', () => {
  test.each(['etc/selinux', 'usr/etc/selinux'])(
    'labels by the policy in /%s equal those of ostree commit',
    async (place) => {
      const root = join(folder, place)
      for (const path of FILES) {
        mkdirSync(dirname(join(root, path)), { recursive: true })
        writeFileSync(join(root, path), path)
      }
      symlinkSync('usr/bin', join(root, 'bin'))
      symlinkSync('bash', join(root, 'usr/bin/sh'))
      cpSync('/etc/selinux/default', join(root, place, 'default'), {
        recursive: true,
        filter: (path) => !path.endsWith('.bin'),
      })
      writeFileSync(join(root, place, 'config'), 'SELINUX=enforcing\nSELINUXTYPE=default\n')

      const repo = join(folder, `${place.replaceAll('/', '-')}-repo`)
      run('ostree', ['init', `--repo=${repo}`, '--mode=archive'])
      const commit = (...args: string[]) =>
        run('ostree', ['commit', `--repo=${repo}`, '--timestamp=@0', `--tree=dir=${root}`, ...args]).trim()
      const plain = commit('-b', 'plain')
      const labelled = commit('-b', 'labelled', `--selinux-policy=${root}`)

      await using opened = await openRepo(repo)
      const from = await commitRoot(opened.objects, await opened.resolve(plain))
      const policy = await findSePolicy(opened.objects, from)
      expect(policy?.name).toBe('default')
      const ours = await opened.transaction(async (tx) => {
        const tree = MutableTree.from(tx, from)
        if (policy !== undefined) await labelTree(tx, tree, policy)
        return writeTree(tx, tree)
      })
      const { tree, meta } = await commitRoot(opened.objects, await opened.resolve(labelled))
      expect(ours).toEqual({ tree, meta })
    },
  )
})
