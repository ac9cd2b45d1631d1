import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { runInProcess } from '../support/in-process.ts'
import { describeReference, run } from '../support/reference.ts'
import { temporaryFolder } from '../support/temporary.ts'
import { listing } from './listing.ts'

describeReference(['root', 'ostree'], '`container image deploy` and `ostree admin deploy`', () => {
  const root = temporaryFolder('disk')
  const image = `oci:${root}/image:1`
  const origin = `ostree-unverified-image:${image}`

  const ours = (...words: string[]) => runInProcess(words, root)
  const deploy = (...words: string[]) =>
    ours('container', 'image', 'deploy', `--sysroot=${root}/sys`, '--quiet', ...words)
  const shell = (script: string) => run('sh', ['-e', '-c', script], { cwd: root })

  async function build(): Promise<void> {
    shell('ostree --repo=src commit --owner-uid=0 --owner-gid=0 --no-xattrs -b os --bootable --tree=dir=tree')
    const made = await ours('container', 'encapsulate', `--repo=${root}/src`, 'os', image)
    expect(made.stderr).toBe('')
  }

  beforeAll(async () => {
    shell(`mkdir -p sys tree/usr/etc tree/usr/lib/modules/5.1; ostree admin init-fs --modern sys
      ostree admin os-init --sysroot=sys default; ostree --repo=src init --mode=bare; cp -a sys theirs
      echo conf > tree/usr/etc/conf; printf kernel > tree/usr/lib/modules/5.1/vmlinuz
      printf ramdisk > tree/usr/lib/modules/5.1/initramfs.img; echo 'ID=ex' > tree/usr/lib/os-release`)
    await build()
  })

  test('a deployment has the files of one by ostree, and an origin that names the image', async () => {
    const outcome = await deploy(
      `--imgref=${origin}`,
      '--karg=root=X',
      '--karg=quiet',
      `--write-commitid-to=${root}/id`,
    )
    expect(outcome).toEqual({ status: 0, stdout: '', stderr: '' })
    const commit = readFileSync(join(root, 'id'), 'utf8')
    shell(`ostree --repo=theirs/ostree/repo pull-local --disable-verify-bindings sys/ostree/repo ${commit}
      ostree admin deploy --sysroot=theirs --os=default --karg-none --karg=root=X --karg=quiet ${commit}`)
    const withoutOrigin = (path: string) =>
      listing(path).filter((line) => !/^.*\.origin |^\/ostree\/repo\/\.?refs/.test(line))
    expect(withoutOrigin(join(root, 'sys'))).toEqual(withoutOrigin(join(root, 'theirs')))
    const file = join(root, `sys/ostree/deploy/default/deploy/${commit}.0.origin`)
    expect(readFileSync(file, 'utf8')).toBe(`[origin]\ncontainer-image-reference=${origin}\n`)
    shell('ostree fsck --repo=sys/ostree/repo; ostree admin status --sysroot=sys')
  })

  test('an update keeps changes in /etc and kernel arguments, and --target-imgref sets the name of its image', async () => {
    shell('cd sys/ostree/deploy/default/deploy/*.0/etc; echo mine >> conf')
    shell('echo new > tree/usr/etc/new')
    await build()
    const target = '--target-imgref=ostree-unverified-registry:quay.io/ex/os:1'
    const { stdout } = await deploy(`--image=${root}/image:1`, '--transport=oci', target, '--json')
    const { path, etc, commit } = JSON.parse(stdout)
    expect(etc).toEqual({ modified: ['conf'], removed: [], added: [] })
    expect(readFileSync(join(path, 'etc/conf'), 'utf8')).toBe('conf\nmine\n')
    expect(readFileSync(join(path, 'etc/new'), 'utf8')).toBe('new\n')
    expect(readFileSync(`${path}.origin`, 'utf8')).toContain('=ostree-unverified-registry:quay.io/ex/os:1\n')
    expect(shell('cat sys/boot/loader/entries/ostree-2-default.conf')).toContain('options root=X quiet ostree=')
    const { stdout: images } = await ours('container', 'image', 'list', `--repo=${root}/sys/ostree/repo`)
    expect(images.split('\n').sort()).toEqual(['', 'docker://quay.io/ex/os:1', image].sort())
    expect(shell('ostree --repo=sys/ostree/repo rev-parse ostree/0/1/0').trim()).toBe(commit)
  })

  test.each([
    [[], 'One of --imgref and --image must be specified'],
    [[`--imgref=${origin}`, '--image=x'], 'One of --imgref and --image must be specified'],
    [['--image=x', '--no-signature-verification', '--enforce-container-sigpolicy'], 'cannot be used together'],
    [['--image=x', '--transport=foo:'], 'Invalid transport: foo'],
    [['--image=x', '--transport=oci', '--enforce-container-sigpolicy', '--ostree-remote=no'], 'Remote "no" not found'],
    [[`--imgref=${origin}`, '--stateroot=nosuch'], 'Performing deployment: No stateroot "nosuch"'],
    [[`--imgref=${origin}`, '--sysroot=/nowhere'], 'Performing deployment: opening repo'],
    [[`--imgref=${origin}`, '--karg=a\nlinux /evil'], 'Invalid kernel argument'],
  ])('the arguments %j are refused, and the sysroot is not changed', async (words, message) => {
    const before = listing(join(root, 'sys'))
    const { status, stderr } = await deploy(...words)
    expect(status).toBe(1)
    expect(stderr).toContain(message)
    const same = (lines: string[]) => lines.filter((line) => !line.startsWith('/ostree/repo/refs'))
    expect(same(listing(join(root, 'sys')))).toEqual(same(before))
  })
})
