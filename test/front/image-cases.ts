/** Images that say everything that layers can say, made by umoci, skopeo and tar from small sets of files. */
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { concatBytes, encodeUtf8 } from '../../src/bytes.ts'
import { packTar, type TarEntry } from '../../src/tar/index.ts'
import { collect } from '../container/tar-kit.ts'
import { run } from '../support/reference.ts'

const MTIME = 1_600_000_000

export const folder = (path: string, more: Partial<TarEntry> = {}): TarEntry => ({
  path: `${path}/`,
  type: 'directory',
  mtime: MTIME + 1,
  ...more,
})
export const file = (path: string | Uint8Array, more: Partial<TarEntry> = {}): TarEntry => ({
  path,
  body: encodeUtf8(`content of ${path}`),
  mtime: MTIME + 2,
  ...more,
})
export const symlink = (path: string, linkPath: string, more: Partial<TarEntry> = {}): TarEntry => ({
  path,
  type: 'symlink',
  linkPath,
  mtime: MTIME + 3,
  ...more,
})
export const hardlink = (path: string, linkPath: string): TarEntry => ({ path, type: 'hardlink', linkPath })
export const whiteout = (path: string): TarEntry => ({ path, body: new Uint8Array(0), mtime: MTIME })
const device = (path: string, type: 'char' | 'block' | 'fifo', devMajor = 0, devMinor = 0): TarEntry => ({
  path,
  type,
  devMajor,
  devMinor,
  mode: 0o620,
  uid: 0,
  gid: 5,
  mtime: MTIME,
})

const root = folder('.', { mode: 0o755 })
/** The directories of most images. Every directory has an entry, since umoci gives others the current time. */
const base = [
  root,
  ...['etc', 'etc/default', 'usr', 'usr/bin', 'usr/lib', 'usr/share', 'var', 'var/lib', 'opt', 'srv', 'run'].map(
    (path) => folder(path),
  ),
  folder('tmp', { mode: 0o1777 }),
  file('etc/os-release'),
  file('etc/shadow', { mode: 0o640, gid: 42 }),
  file('usr/bin/sudo', { mode: 0o4755 }),
  file('usr/lib/libc.so.6', { mode: 0o755 }),
  symlink('usr/lib/libc.so', 'libc.so.6'),
  symlink('bin', 'usr/bin'),
  symlink('lib', '/usr/lib'),
  symlink('var/run', '/run'),
]

const capability = Uint8Array.of(1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
const value = (text: string) => encodeUtf8(text)

/** The layers of images that are given by their archives. */
const LAYERS: Readonly<Record<string, readonly (readonly TarEntry[])[]>> = {
  base: [
    [
      ...base,
      file('srv/data', { uid: 33, gid: 33 }),
      file('opt/empty', { body: new Uint8Array(0) }),
      hardlink('usr/bin/sudoedit', 'usr/bin/sudo'),
      folder('var/lib/user', { mode: 0o2750, uid: 1000, gid: 1000 }),
      file('var/lib/large', { body: new Uint8Array(3_000_000).map((_, i) => i * 7) }),
    ],
  ],
  whiteouts: [
    [
      ...base,
      ...['a', 'b', 'c', 'd'].flatMap((name) => [folder(`srv/${name}`), file(`srv/${name}/1`), file(`srv/${name}/2`)]),
      folder('srv/c/deep'),
    ],
    [
      whiteout('etc/.wh.shadow'),
      whiteout('srv/.wh.a'),
      // An opaque directory: its marker before, between or behind what the layer puts there.
      whiteout('srv/b/.wh..wh..opq'),
      file('srv/b/new'),
      file('srv/c/new'),
      folder('srv/c/deep', { mode: 0o700 }),
      file('srv/c/deep/new'),
      whiteout('srv/c/.wh..wh..opq'),
      file('srv/d/1', { body: encodeUtf8('of the second layer') }),
      whiteout('srv/d/.wh.1'),
      whiteout('srv/d/.wh.2'),
      whiteout('srv/.wh.never-was'),
    ],
    [folder('srv/a'), file('srv/a/again'), whiteout('.wh.opt')],
  ],
  'type changes': [
    [
      ...base,
      folder('srv/x'),
      file('srv/x/in'),
      file('srv/y'),
      symlink('srv/z', 'x'),
      folder('srv/w'),
      file('srv/w/kept'),
    ],
    [
      file('srv/x'),
      folder('srv/y'),
      file('srv/y/in'),
      folder('srv/z'),
      file('srv/z/in'),
      folder('srv/w', { mode: 0o711, uid: 7, gid: 8 }),
    ],
    [symlink('srv/x', 'y'), symlink('srv/y', '/etc'), file('srv/z', { mode: 0o600 })],
  ],
  'links across layers': [
    base,
    [
      hardlink('srv/os-release', 'etc/os-release'),
      hardlink('srv/link-itself', 'usr/lib/libc.so'),
      file('lib/through-absolute-link'),
      file('bin/through-relative-link'),
      file('var/run/through-link-of-var'),
      symlink('srv/up', '../../../../etc'),
      file('srv/up/through-dots'),
      symlink('srv/hop', 'up/default'),
      file('srv/hop/far'),
    ],
    [
      file('etc/os-release', { body: encodeUtf8('newer') }),
      hardlink('srv/second', './srv/os-release'),
      file('srv/third'),
    ],
  ],
  'odd names': [
    [
      ...base,
      file('srv/two words'),
      file('srv/line\nbreak'),
      file('srv/-rf'),
      file('srv/..hidden'),
      file('srv/grüße-日本語-🙂'),
      file('srv/back\\slash%41"quote\''),
      file(concatBytes([encodeUtf8('srv/latin-'), Uint8Array.of(0xe4, 0xff, 0x80)])),
      file(`srv/${'n'.repeat(255)}`),
      folder(`srv/${'d'.repeat(120)}`),
      folder(`srv/${'d'.repeat(120)}/${'e'.repeat(120)}`),
      file(`srv/${'d'.repeat(120)}/${'e'.repeat(120)}/${'f'.repeat(120)}`),
      symlink('srv/long link', `/${'l/'.repeat(400)}end`),
      file('./srv//doubled/../'.replace('doubled/../', 'slashes')),
    ],
  ],
  xattrs: [
    [
      ...base,
      file('srv/capable', { mode: 0o755, xattrs: [['security.capability', capability]] }),
      file('srv/noted', {
        xattrs: [
          ['user.note', value('one')],
          ['user.two', value('two')],
        ],
      }),
      folder('srv/folder', { xattrs: [['user.folder', value('yes')]] }),
      file('srv/trusted', { xattrs: [['trusted.secret', value('x')]] }),
      file('srv/labelled', { xattrs: [['security.selinux', value('system_u:object_r:etc_t:s0')]] }),
      file('srv/owned', { uid: 70000, gid: 300, xattrs: [['user.note', value('three')]] }),
    ],
    [folder('srv/folder', { mode: 0o700 }), file('srv/noted', { mode: 0o600 })],
  ],
  devices: [
    [
      ...base,
      folder('dev'),
      device('dev/null', 'char', 1, 3),
      device('dev/sda', 'block', 8, 0),
      device('dev/big', 'char', 4095, 0xfffff),
      device('dev/pipe', 'fifo'),
      hardlink('dev/null2', 'dev/null'),
    ],
  ],
  'times and rights': [
    [
      ...base,
      file('srv/fraction', { mtime: 1_600_000_000.25 }),
      file('srv/epoch', { mtime: 0 }),
      file('srv/future', { mtime: 4_000_000_000 }),
      file('srv/before-1970', { mtime: -1000 }),
      file('srv/fraction-before-1970', { mtime: -1_234_567.25 }),
      symlink('srv/link-before-1970', 'epoch', { mtime: -1 }),
      folder('srv/folder-before-1970', { mtime: -2_000_000_000 }),
      symlink('srv/link', 'epoch', { mtime: 1_500_000_000.5, uid: 9, gid: 9 }),
      folder('srv/closed', { mode: 0o500, mtime: 1_234_567_890 }),
      file('srv/closed/in', { mode: 0o400 }),
      folder('srv/closed/shut', { mode: 0o555 }),
      file('srv/closed/shut/in', { mode: 0o111 }),
      folder('srv/none', { mode: 0o700 }),
    ],
    [file('srv/closed/late'), file('srv/closed/shut/in', { mode: 0o444, body: encodeUtf8('replaced') })],
  ],
}

/** An image, and the reference by which programs that read layouts find it. */
export interface ImageCase {
  readonly name: string
  /** `PATH:TAG` of the layout. */
  readonly layout: string
  /** The reference that is unpacked here, which may be a copy in another form. */
  readonly reference: string
}

/** Makes all images below a directory. */
export async function makeImages(parent: string): Promise<ImageCase[]> {
  const path = join(parent, 'layout')
  run('umoci', ['init', '--layout', path])
  const cases: ImageCase[] = []
  const add = (name: string, reference?: string): void => {
    const layout = `${path}:${tagOf(name)}`
    cases.push({ name, layout, reference: reference ?? `oci:${layout}` })
  }
  for (const [name, layers] of Object.entries(LAYERS)) {
    await makeImage(`${path}:${tagOf(name)}`, layers, parent)
    add(name)
  }
  changeWithUmoci(path, parent)
  const archive = join(parent, 'repacked.tar')
  run('skopeo', ['copy', '-q', `oci:${path}:${tagOf('repacked')}`, `docker-archive:${archive}:x:y`])
  add('repacked', `docker-archive:${archive}`)
  const compressed = join(parent, 'zstd')
  const zstd = ['copy', '-q', '--dest-compress', '--dest-compress-format', 'zstd']
  run('skopeo', [...zstd, `oci:${path}:${tagOf('whiteouts')}`, `oci:${compressed}:x`])
  cases.push({ name: 'zstd', layout: `${path}:${tagOf('whiteouts')}`, reference: `oci:${compressed}:x` })
  const plain = join(parent, 'dir')
  run('skopeo', ['copy', '-q', '--dest-decompress', `oci:${path}:${tagOf('links across layers')}`, `dir:${plain}`])
  // For users who are not root.
  run('chmod', ['-R', 'a+rX', path, archive, compressed, plain])
  cases.push({ name: 'plain dir', layout: `${path}:${tagOf('links across layers')}`, reference: `dir:${plain}` })
  return cases
}

function tagOf(name: string): string {
  return name.replaceAll(' ', '-')
}

/** Makes an image of layers. @param layout `PATH:TAG` in an existing layout */
export async function makeImage(
  layout: string,
  layers: readonly (readonly TarEntry[])[],
  scratch: string,
): Promise<void> {
  run('umoci', ['new', '--image', layout])
  for (const layer of layers) {
    const archive = join(scratch, 'layer.tar')
    writeFileSync(archive, await collect(packTar(layer)))
    run('umoci', ['raw', 'add-layer', '--image', layout, archive])
  }
}

/** Makes an image whose upper layer umoci computes from changes on disk: deletions, replacements, times. */
function changeWithUmoci(path: string, parent: string): void {
  const bundle = join(parent, 'bundle')
  run('umoci', ['unpack', ...(process.geteuid?.() === 0 ? [] : ['--rootless']), '--image', `${path}:base`, bundle])
  const rootfs = join(bundle, 'rootfs')
  rmSync(join(rootfs, 'etc/shadow'))
  rmSync(join(rootfs, 'var/lib/user'), { recursive: true })
  rmSync(join(rootfs, 'opt'), { recursive: true })
  mkdirSync(join(rootfs, 'etc/shadow'))
  writeFileSync(join(rootfs, 'etc/shadow/file'), 'x')
  symlinkSync('../etc', join(rootfs, 'opt'))
  writeFileSync(join(rootfs, 'usr/bin/sudo'), 'a hard link that was changed in place')
  run('umoci', ['repack', '--image', `${path}:repacked`, bundle])
}
