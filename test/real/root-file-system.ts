/**
 * A real root file system, which debootstrap makes from the Debian mirror of this machine, and an image of three layers
 * that umoci makes of it.
 */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statfsSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { freemem } from 'node:os'
import { inject } from 'vitest'
import { temporaryFolder } from '../support/temporary.ts'
import { start } from './start-program.ts'

function mirror(): { url: string; suite: string } {
  const folder = '/etc/apt/sources.list.d'
  const files = ['/etc/apt/sources.list']
  if (existsSync(folder)) files.push(...readdirSync(folder).map((name) => `${folder}/${name}`))
  const text = files
    .filter((file) => /\.(?:list|sources)$/.test(file) && existsSync(file))
    .map((file) => readFileSync(file, 'utf8'))
    .join('\n')
  const urls = Array.from(text.matchAll(/^(?:URIs:\s*|deb\s+(?:\[[^\]]*\]\s*)?)(\S+)/gm), ([, url]) => url ?? '')
  const url = urls.find((url) => /\/debian\/?$/.test(url)) ?? urls[0]
  if (url === undefined) throw new Error('no Debian mirror is configured')
  const suite = /^VERSION_CODENAME=(\S+)/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? 'stable'
  return { url, suite }
}

/** Space in bytes for everything that the tests keep at the same time, and some more. */
const SPACE = 6 * 2 ** 30

/** Creates a directory for the tests: in memory if that has the space, because they write a hundred thousand files. */
export function workDirectory(): string {
  const { bavail, bsize } = statfsSync(inject('runFolders').memory)
  return temporaryFolder(Math.min(bavail * bsize, freemem()) > SPACE ? 'memory' : 'disk')
}

/** Whether debootstrap can use a directory. It needs devices, which many tmpfs do not allow. */
async function takesDevices(directory: string): Promise<boolean> {
  const device = `${directory}/null`
  try {
    await start('sh', ['-c', `mknod '${device}' c 1 3 && echo > '${device}'`])
    return true
  } catch {
    return false
  } finally {
    rmSync(device, { force: true })
  }
}

export interface RealImage {
  /** Path of an OCI layout. The image has the tag `real` and three layers. */
  readonly layout: string
  /** Path of the directory into which umoci unpacked the image. */
  readonly unpacked: string
}

/** Packages with many small files. */
const PACKAGES = 'perl,python3,tzdata,git,linux-libc-dev,manpages-dev'

/** A capability set, as `setcap cap_net_bind_service=p` writes it. A later change of the owner removes it. */
const CAPABILITY = '0x0100000200040000000000000000000000000000'

/** Makes an image. @param work an empty directory for it */
export async function makeRealImage(work: string): Promise<RealImage> {
  const { url, suite } = mirror()
  const root = (await takesDevices(work)) ? `${work}/root` : temporaryFolder('disk')
  await start('debootstrap', ['--variant=minbase', `--include=${PACKAGES}`, suite, root, url])
  // Images do not have devices, nor files that can be downloaded again.
  for (const folder of ['dev', 'var/cache/apt/archives', 'var/lib/apt/lists']) {
    for (const name of readdirSync(`${root}/${folder}`)) rmSync(`${root}/${folder}/${name}`, { recursive: true })
  }

  const layout = `${work}/layout`
  const bundle = `${work}/bundle`
  const image = `${layout}:real`
  const repack = () => start('umoci', ['repack', '--refresh-bundle', '--image', image, bundle])
  await start('umoci', ['init', '--layout', layout])
  await start('umoci', ['new', '--image', image])
  await start('umoci', ['unpack', '--image', image, bundle])
  const rootfs = `${bundle}/rootfs`
  const setfattr = (name: string, value: string, ...paths: string[]) =>
    start('setfattr', ['-n', name, '-v', value, ...paths.map((path) => `${rootfs}/${path}`)])
  rmSync(rootfs, { recursive: true })
  await start('mv', [root, rootfs])
  // Each path has one attribute, because libostree reads several of a path from a tar in another order.
  await setfattr('user.origin', 'debian', 'usr/bin/bash', 'usr/bin/env', 'usr/lib', 'etc/passwd')
  await setfattr('security.capability', CAPABILITY, 'usr/bin/perl')
  await repack()

  // The second layer removes files and directories, replaces some by other types, and changes owners and modes.
  rmSync(`${rootfs}/usr/share/doc`, { recursive: true })
  rmSync(`${rootfs}/etc/issue`)
  const zones = `${rootfs}/usr/share/zoneinfo`
  for (const name of ['Africa', 'America', 'Asia', 'UTC']) rmSync(`${zones}/${name}`, { recursive: true })
  writeFileSync(`${zones}/Africa`, 'a file\n')
  await start('ln', [`${zones}/Africa`, `${zones}/America`])
  symlinkSync('Africa', `${zones}/Asia`)
  mkdirSync(`${zones}/UTC`)
  writeFileSync(`${zones}/UTC/inside`, 'of a directory\n')
  await start('chmod', ['4711', `${rootfs}/usr/bin/git`])
  await start('chmod', ['0700', `${rootfs}/usr/lib/git-core`])
  await repack()

  // The third layer adds files, some of them hard links, with other owners.
  const app = `${rootfs}/opt/app`
  mkdirSync(app)
  writeFileSync(`${app}/one`, 'one\n')
  await start('ln', [`${app}/one`, `${app}/two`])
  await start('chown', ['1000:1000', `${app}/one`])
  await start('chmod', ['4755', `${app}/one`])
  writeFileSync(`${app}/empty`, '')
  writeFileSync(`${app}/unreadable`, 'unreadable\n', { mode: 0o200 })
  writeFileSync(`${app}/large`, Buffer.alloc(5 << 20, 'large '))
  await start('chown', ['1000:1000', `${app}/empty`, app])
  await start('chmod', ['4750', `${app}/empty`])
  await start('chmod', ['2775', app])
  await repack()
  rmSync(bundle, { recursive: true })

  const check = `${work}/check`
  await start('umoci', ['unpack', '--image', image, check])
  return { layout, unpacked: `${check}/rootfs` }
}
