/**
 * A real root file system, by debootstrap from the mirror this machine installs from, and an image of several layers
 * made of it by umoci. Made once a run.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { run } from '../reference.ts'

function mirror(): { url: string; suite: string } {
  const folder = '/etc/apt/sources.list.d'
  const files = [
    '/etc/apt/sources.list',
    ...(existsSync(folder) ? readdirSync(folder).map((name) => `${folder}/${name}`) : []),
  ]
  const text = files
    .filter((file) => existsSync(file))
    .map((file) => readFileSync(file, 'utf8'))
    .join('\n')
  const url = /^(?:URIs:\s*|deb\s+(?:\[[^\]]*\]\s*)?)(\S+)/m.exec(text)?.[1]
  if (url === undefined) throw new Error('no Debian mirror is configured')
  const suite = /^VERSION_CODENAME=(\S+)/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? 'stable'
  return { url, suite }
}

export interface RealImage {
  /** The root file system as debootstrap left it, without device nodes. */
  readonly root: string
  /** OCI layout with tag `real`, three layers. */
  readonly layout: string
  /** What umoci unpacks of it. */
  readonly unpacked: string
}

export function makeRealImage(work: string): RealImage {
  const { url, suite } = mirror()
  const root = `${work}/root`
  run('debootstrap', ['--variant=minbase', '--include=perl,python3-minimal,tzdata,git', suite, root, url])
  for (const name of readdirSync(`${root}/dev`)) rmSync(`${root}/dev/${name}`, { recursive: true, force: true })

  const layout = `${work}/layout`
  const bundle = `${work}/bundle`
  const image = `${layout}:real`
  run('umoci', ['init', '--layout', layout])
  run('umoci', ['new', '--image', image])
  run('umoci', ['unpack', '--image', image, bundle])
  const rootfs = `${bundle}/rootfs`
  run('sh', ['-c', `cp -a '${root}/.' '${rootfs}/'`])
  run('umoci', ['repack', '--refresh-bundle', '--image', image, bundle])

  // Second layer: files and whole directories go, one changes its mode.
  rmSync(`${rootfs}/usr/share/doc`, { recursive: true })
  rmSync(`${rootfs}/etc/issue`)
  run('chmod', ['0700', `${rootfs}/usr/bin/perl`])
  rmSync(`${rootfs}/usr/share/zoneinfo/Africa`, { recursive: true })
  run('umoci', ['repack', '--refresh-bundle', '--image', image, bundle])

  // Third: something new, some of it linked and owned by others.
  mkdirSync(`${rootfs}/opt/app`)
  writeFileSync(`${rootfs}/opt/app/one`, 'one\n')
  run('sh', [
    '-c',
    `ln '${rootfs}/opt/app/one' '${rootfs}/opt/app/two'; chown 1000:1000 '${rootfs}/opt/app/one'; chmod 4755 '${rootfs}/opt/app/one'`,
  ])
  writeFileSync(`${rootfs}/opt/app/large`, Buffer.alloc(5 << 20, 'large '))
  run('umoci', ['repack', '--refresh-bundle', '--image', image, bundle])
  rmSync(bundle, { recursive: true })

  const check = `${work}/check`
  run('umoci', ['unpack', '--image', image, check])
  return { root, layout, unpacked: `${check}/rootfs` }
}
