import { lstatSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { KeyFile } from '../../src/keyfile/index.ts'
import { openRepo } from '../../src/repo/local.ts'
import { deployCommit, readSysroot } from '../../src/sysroot/index.ts'
import { describeReference, run } from '../support/reference.ts'
import { temporaryFolder } from '../support/temporary.ts'
import { listing } from './listing.ts'

const TREE = `mkdir -p tree/usr/etc/sub tree/usr/bin tree/usr/lib/modules/5.10.18 tree/var tree/sysroot
  echo conf > tree/usr/etc/conf; echo s > tree/usr/etc/sub/s; chmod 600 tree/usr/etc/sub/s; ln -s conf tree/usr/etc/lnk
  echo gone > tree/usr/etc/gone; mkdir tree/usr/etc/folder; echo f > tree/usr/etc/folder/f; ln -s usr/bin tree/bin
  printf kernel > tree/usr/lib/modules/5.10.18/vmlinuz; printf initrd > tree/usr/lib/modules/5.10.18/initramfs.img
  printf 'ID=ex\\nPRETTY_NAME="Example OS 42"\\n' > tree/usr/lib/os-release`
const COMMIT = 'ostree --repo=sys/ostree/repo commit --owner-uid=0 --owner-gid=0 --no-xattrs -b os/x --tree=dir=tree'

describeReference(['root', 'ostree'], 'deployCommit and `ostree admin deploy`', () => {
  const root = temporaryFolder('disk')
  const places = { theirs: join(root, 'theirs'), ours: join(root, 'ours') }
  const shell = (script: string): void => {
    for (const cwd of Object.values(places)) run('sh', ['-e', '-c', script], { cwd })
  }

  beforeAll(() => {
    for (const place of Object.values(places)) mkdirSync(place)
    shell(`mkdir sys; ostree admin init-fs --modern sys
      for os in one two; do ostree admin os-init --sysroot=sys $os; done
      ${TREE}
      ${COMMIT} --timestamp=@1700000000 --add-metadata-string=version=42.1`)
  })

  /** Deploys the branch os/x with both. @param args kernel arguments in place of those of the previous deployment */
  async function deploy(stateroot: string, args?: readonly string[]): Promise<void> {
    const words = args === undefined ? [] : ['--karg-none', ...args.map((arg) => `--karg=${arg}`)]
    run('ostree', ['admin', 'deploy', '--sysroot=sys', `--os=${stateroot}`, ...words, 'os/x'], { cwd: places.theirs })
    const sysroot = join(places.ours, 'sys')
    await using repo = await openRepo(join(sysroot, 'ostree/repo'))
    const origin = KeyFile.parse('', 'origin')
    origin.set('origin', 'refspec', 'os/x')
    await deployCommit(sysroot, repo, { stateroot, commit: await repo.resolve('os/x'), origin, kernelArgs: args })
  }

  function expectSame(): void {
    expect(listing(join(places.ours, 'sys'))).toEqual(listing(join(places.theirs, 'sys')))
    expect(run('ostree', ['admin', 'status', '--sysroot=sys'], { cwd: places.ours })).toBe(
      run('ostree', ['admin', 'status', '--sysroot=sys'], { cwd: places.theirs }),
    )
    run('ostree', ['fsck', '--repo=sys/ostree/repo'], { cwd: places.ours })
  }

  test('a sysroot has the same files after each of several deployments', async () => {
    await deploy('one', ['root=UUID=x', 'quiet'])
    expectSame()

    // Local changes in /etc are merged into the next deployment.
    shell(`cd sys/ostree/deploy/one/deploy/*.0/etc; echo local >> conf; echo new > mine; chmod 640 mine; chown 7:8 mine
      mkdir -m 711 dir; echo x > dir/f; ln -s nowhere dir/l; rm gone; rm -r folder; chmod 604 sub/s; mkdir -p made/deep
      cd ../../../../../../..; echo changed > tree/usr/etc/conf; echo added > tree/usr/etc/added; rm tree/usr/etc/lnk
      ${COMMIT} --timestamp=@1700000001 --add-metadata-string=version=42.2`)
    await deploy('one')
    expectSame()
    const [first] = readSysroot(join(places.ours, 'sys')).deployments
    expect(first?.entry.get('title')).toBe('Example OS 42 42.2 (ostree:0)')

    // A second deployment of the same commit keeps the entries and swaps the links.
    await deploy('one')
    expectSame()

    await deploy('one', ['root=UUID=x', 'debug'])
    expectSame()

    shell(`printf kernel2 > tree/usr/lib/modules/5.10.18/vmlinuz; printf dt > tree/usr/lib/modules/5.10.18/devicetree
      echo h > tree/usr/lib/modules/5.10.18/.vmlinuz.hmac
      ${COMMIT} --timestamp=@1700000002`)
    await deploy('one')
    expectSame()

    await deploy('two', ['a=1'])
    expectSame()

    shell('ostree admin pin --sysroot=sys 1')
    await deploy('one')
    await deploy('one')
    expectSame()
  })

  test('a deployment after one of ostree has the same files', async () => {
    run('ostree', ['admin', 'deploy', '--sysroot=sys', '--os=two', 'os/x'], { cwd: places.ours })
    run('ostree', ['admin', 'deploy', '--sysroot=sys', '--os=two', 'os/x'], { cwd: places.theirs })
    expectSame()
    await deploy('two')
    expectSame()
  })

  test.each([
    ['nosuch', 'No stateroot "nosuch"'],
    ['../one', 'No stateroot "../one"'],
    ['.', 'No stateroot "."'],
  ])('a stateroot that does not exist is refused: %s', async (stateroot, message) => {
    const sysroot = join(places.ours, 'sys')
    await using repo = await openRepo(join(sysroot, 'ostree/repo'))
    const commit = await repo.resolve('os/x')
    const refused = deployCommit(sysroot, repo, { stateroot, commit, origin: KeyFile.parse('', 'origin') })
    await expect(refused).rejects.toThrow(message)
    await expect(deployCommit('/', repo, { stateroot: 'one', commit, origin: KeyFile.parse('', 'o') })).rejects.toThrow(
      'Deploying on the running system is not supported',
    )
  })

  test.each([
    ['rm -r tree/usr/lib/modules', 'Failed to find kernel in /usr/lib/modules'],
    ['cp -r tree/usr/lib/modules/5.10.18 tree/usr/lib/modules/6.0', 'Multiple kernels found in /usr/lib/modules'],
    ['mv tree/usr/lib/modules/5.10.18 "tree/usr/lib/modules/5.1 linux"', 'Invalid kernel version'],
    ['mkdir tree/etc', 'Tree contains both /etc and /usr/etc'],
    ['rm tree/usr/lib/os-release', 'No PRETTY_NAME or ID in /etc/os-release'],
  ])('a commit that cannot be booted is refused, and the sysroot is not changed: %s', async (change, message) => {
    const sysroot = join(places.ours, 'sys')
    run('sh', ['-e', '-c', `rm -rf tree; ${TREE}; ${change}; ${COMMIT.replace('os/x', 'broken')} --timestamp=@3`], {
      cwd: places.ours,
    })
    const before = listing(sysroot)
    await using repo = await openRepo(join(sysroot, 'ostree/repo'))
    const commit = await repo.resolve('broken')
    const refused = deployCommit(sysroot, repo, { stateroot: 'one', commit, origin: KeyFile.parse('', 'origin') })
    await expect(refused).rejects.toThrow(message)
    expect(listing(sysroot)).toEqual(before)
  })

  test('a locally changed file that is a directory in the new commit is refused', async () => {
    const sysroot = join(places.ours, 'sys')
    const [first] = readSysroot(sysroot).deployments.filter(({ stateroot }) => stateroot === 'two')
    const etc = join(sysroot, `ostree/deploy/two/deploy/${first?.commit}.${first?.serial}/etc`)
    writeFileSync(join(etc, 'conf'), 'mine')
    run('sh', ['-e', '-c', `rm -rf tree; ${TREE}; rm tree/usr/etc/conf; mkdir tree/usr/etc/conf; ${COMMIT}`], {
      cwd: places.ours,
    })
    await using repo = await openRepo(join(sysroot, 'ostree/repo'))
    const commit = await repo.resolve('os/x')
    const refused = deployCommit(sysroot, repo, { stateroot: 'two', commit, origin: KeyFile.parse('', 'origin') })
    await expect(refused).rejects.toThrow("Modified config file newly defaults to directory 'conf', cannot merge")
  })

  test.each([
    [
      'in which the directory of a changed file is a link to the outside',
      'rm -r tree/usr/etc/sub; ln -s @OUT@ tree/usr/etc/sub',
      /below 'sub', cannot merge$/,
    ],
    [
      'in which the directory of a changed file is a file',
      'rm -r tree/usr/etc/sub; echo > tree/usr/etc/sub',
      /below 'sub', cannot merge$/,
    ],
    [
      'whose kernel is outside',
      'rm -r tree/usr/lib/modules; ln -s @OUT@ tree/usr/lib/modules',
      /^Failed to find kernel/,
    ],
    ['whose os-release is outside', 'ln -sf @OUT@/os-release tree/usr/lib/os-release', /^No PRETTY_NAME or ID/],
  ])('files outside of the sysroot are neither read nor written for a tree %s', async (_, script, message) => {
    const out = join(root, 'out')
    run(
      'sh',
      [
        '-e',
        '-c',
        `rm -rf out; mkdir -p out/5.10.18; echo k > out/5.10.18/vmlinuz; echo ID=out > out/os-release; echo s > out/s`,
      ],
      { cwd: root },
    )
    const outside = listing(out)
    const sysroot = join(places.ours, 'sys')
    const [first] = readSysroot(sysroot).deployments.filter(({ stateroot }) => stateroot === 'two')
    const etc = join(sysroot, `ostree/deploy/two/deploy/${first?.commit}.${first?.serial}/etc`)
    writeFileSync(join(etc, 'conf'), 'conf\n')
    writeFileSync(join(etc, 'sub/s'), 'mine')
    run('sh', ['-e', '-c', `rm -rf tree; ${TREE}; ${script.replaceAll('@OUT@', out)}; ${COMMIT}`], { cwd: places.ours })
    await using repo = await openRepo(join(sysroot, 'ostree/repo'))
    const commit = await repo.resolve('os/x')
    const refused = deployCommit(sysroot, repo, { stateroot: 'two', commit, origin: KeyFile.parse('', 'origin') })
    await expect(refused).rejects.toThrow(message)
    expect(listing(out)).toEqual(outside)
  })
})

const NEEDS = ['root', 'ostree', 'matchpathcon', 'getfattr', '/etc/selinux/default'] as const
describeReference(NEEDS, 'deployCommit with an SELinux policy', () => {
  const root = temporaryFolder('disk')

  // This is not compared with ostree, which does not label directories and links if the kernel does not use SELinux.
  test('files in /etc have the labels of /etc, not those of /usr/etc', async () => {
    const sh = (script: string) => run('sh', ['-e', '-c', script], { cwd: root })
    sh(`mkdir sys; ostree admin init-fs --modern sys; ostree admin os-init --sysroot=sys one
      ${TREE}; mkdir tree/usr/etc/selinux; cp -r /etc/selinux/default tree/usr/etc/selinux
      find tree -name '*.bin' -delete; echo x > tree/usr/etc/shadow
      printf 'SELINUX=enforcing\\nSELINUXTYPE=default\\n' > tree/usr/etc/selinux/config
      ostree --repo=sys/ostree/repo commit -b os/x --owner-uid=0 --owner-gid=0 --selinux-policy=tree --tree=dir=tree`)
    const sysroot = join(root, 'sys')
    await using repo = await openRepo(join(sysroot, 'ostree/repo'))
    const commit = await repo.resolve('os/x')
    await deployCommit(sysroot, repo, { stateroot: 'one', commit, origin: KeyFile.parse('', 'origin') })
    const deployment = `sys/ostree/deploy/one/deploy/${commit}.0`
    const found = ['', '/conf', '/lnk', '/sub', '/shadow', '/selinux'].map((path) => {
      const label = sh(`getfattr -h -n security.selinux --only-values ${deployment}/etc${path}`)
      const expected =
        sh(`matchpathcon -n -m ${path === '/lnk' ? 'symlink' : /^(|.sub|.selinux)$/.test(path) ? 'dir' : 'file'} \\
        -f tree/usr/etc/selinux/default/contexts/files/file_contexts /etc${path}`)
      return [path, label.replace('\0', ''), expected.trim()]
    })
    for (const [path, label, expected] of found) expect({ path, label }).toEqual({ path, label: expected })
    expect(found.map(([, label]) => label)).toContain('system_u:object_r:shadow_t:s0')
    expect(
      lstatSync(join(root, 'sys/ostree/deploy/one/var/.ostree-selabeled'), { throwIfNoEntry: false }),
    ).toBeUndefined()
    run('ostree', ['fsck', '--repo=sys/ostree/repo'], { cwd: root })
  })
})
