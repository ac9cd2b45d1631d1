import { execFileSync } from 'node:child_process'
import {
  closeSync,
  ftruncateSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { encodeUtf8 } from '../../src/bytes.ts'
import type { TarEntry } from '../../src/tar/index.ts'
import { packed, readTar, text } from '../support/read-tar.ts'
import { describeReference, run } from '../support/reference.ts'
import { temporaryFolder } from '../support/temporary.ts'

let folder = ''
beforeAll(() => {
  folder = temporaryFolder('disk')
})

function archive(program: string, args: string[], cwd: string): Uint8Array {
  return new Uint8Array(
    execFileSync(program, args, { cwd, maxBuffer: 1 << 28, env: { ...process.env, LC_ALL: 'C.UTF-8' } }),
  )
}

/** Creates a tree with an entry of each type. @param long also with names that are too long for v7 and ustar */
function makeTree(name: string, long: boolean): string {
  const root = join(folder, name)
  mkdirSync(join(root, 'dir/empty'), { recursive: true })
  writeFileSync(join(root, 'dir/file'), 'content\n', { mode: 0o640 })
  writeFileSync(join(root, 'dir/été'), Buffer.alloc(1500, 'é'), { mode: 0o755 })
  writeFileSync(join(root, 'dir/nothing'), '')
  symlinkSync('../dir//./file', join(root, 'dir/symlink'))
  linkSync(join(root, 'dir/file'), join(root, 'dir/hardlink'))
  if (long) {
    const deep = join(root, 'dir', 'p'.repeat(90), 'q'.repeat(90), 'r'.repeat(90))
    mkdirSync(deep, { recursive: true })
    writeFileSync(join(deep, 's'.repeat(120)), 'deep')
    symlinkSync('t'.repeat(150), join(deep, 'symlink'))
    linkSync(join(deep, 's'.repeat(120)), join(deep, 'hardlink'))
  }
  for (const path of readdirSync(root, { recursive: true, encoding: 'utf8' })) {
    const full = join(root, path)
    if (!lstatSync(full).isSymbolicLink()) utimesSync(full, 1_700_000_000, 1_700_000_000)
  }
  return root
}

interface Told {
  type: string
  mode?: number
  body?: string
  target?: string
}

/** Describes a directory by path. A hard link is described as the file it is. */
function onDisk(root: string): Map<string, Told> {
  const found = new Map<string, Told>()
  for (const path of readdirSync(root, { recursive: true, encoding: 'utf8' }).sort()) {
    const full = join(root, path)
    const stat = lstatSync(full)
    if (stat.isSymbolicLink()) found.set(path, { type: 'symlink', target: readlinkSync(full) })
    else if (stat.isDirectory()) found.set(path, { type: 'directory', mode: stat.mode & 0o7777 })
    else found.set(path, { type: 'file', mode: stat.mode & 0o7777, body: readFileSync(full, 'hex') })
  }
  return found
}

/** Describes an archive like `onDisk` describes a directory. */
function inArchive(bytes: Uint8Array): Map<string, Told> {
  const found = new Map<string, Told>()
  for (const { header, body } of readTar(bytes)) {
    const path = text(header.path).replace(/\/$/, '')
    if (header.type === 'hardlink') {
      const target = found.get(text(header.linkPath))
      if (target === undefined) throw new Error(`${path} links to nothing: ${text(header.linkPath)}`)
      found.set(path, target)
    } else if (header.type === 'symlink') found.set(path, { type: 'symlink', target: text(header.linkPath) })
    else if (header.type === 'directory') found.set(path, { type: 'directory', mode: header.mode })
    else found.set(path, { type: header.type, mode: header.mode, body: Buffer.from(body).toString('hex') })
    if (header.type !== 'symlink') expect(Math.floor(header.mtime)).toBe(1_700_000_000)
  }
  return new Map([...found].sort(([a], [b]) => (a < b ? -1 : 1)))
}

describeReference('tar', 'TarParser and GNU tar', () => {
  test.each([
    ['v7', false],
    ['ustar', false],
    ['oldgnu', true],
    ['gnu', true],
    ['posix', true],
  ] as const)('an archive of GNU tar in format %s is read as the tree it was made from', (format, long) => {
    const root = makeTree(`gnu-${format}`, long)
    expect(inArchive(archive('tar', [`--format=${format}`, '-c', 'dir'], root))).toEqual(onDisk(root))
  })

  test('owners and times that are too large for octal fields are read', () => {
    const root = join(folder, 'numbers')
    mkdirSync(root)
    writeFileSync(join(root, 'f'), '')
    for (const format of ['gnu', 'posix']) {
      for (const mtime of [-5, 0, 2 ** 33, 2 ** 33 + 7]) {
        const bytes = archive(
          'tar',
          [`--format=${format}`, '--owner=:3000000000', '--group=:2097152', `--mtime=@${mtime}`, '-c', 'f'],
          root,
        )
        const [entry] = readTar(bytes)
        expect(entry?.header).toMatchObject({ uid: 3_000_000_000, gid: 2_097_152, mtime })
      }
    }
  })

  test('an archive in which every field is a PAX record is read', () => {
    const root = makeTree('pax-everything', true)
    const bytes = archive('tar', ['--format=posix', '--pax-option=comment=hello,hdrcharset:=BINARY', '-c', 'dir'], root)
    expect(inArchive(bytes.length > 0 ? dropGlobals(bytes) : bytes)).toEqual(onDisk(root))
    expect(readTar(bytes).some(({ header }) => header.type === 'pax-global')).toBe(true)
  })
})

/** Removes the global PAX header at the start of an archive. */
function dropGlobals(bytes: Uint8Array): Uint8Array {
  return bytes[156] === 0x67 ? bytes.subarray(1024) : bytes
}

describeReference('tar', 'TarParser and sparse files of GNU tar', () => {
  const MiB = 1 << 20
  const files: Record<string, { pieces: [offset: number, text: string][]; size: number }> = {
    'hole-behind': { pieces: [[0, 'a'.repeat(4096)]], size: MiB },
    'hole-before': { pieces: [[MiB, 'b'.repeat(4096)]], size: MiB + 4096 },
    'only-a-hole': { pieces: [], size: MiB },
    'five-pieces': { pieces: Array.from({ length: 5 }, (_, i) => [i * 65536, `${i}`.repeat(4096)]), size: 5 * 65536 },
    'sixty-pieces': { pieces: Array.from({ length: 60 }, (_, i) => [i * 65536, 'c'.repeat(4096)]), size: 60 * 65536 },
    'no-hole': { pieces: [[0, 'd'.repeat(5000)]], size: 5000 },
    empty: { pieces: [], size: 0 },
  }
  let root = ''

  beforeAll(() => {
    root = join(folder, 'sparse')
    mkdirSync(root)
    for (const [name, { pieces, size }] of Object.entries(files)) {
      const fd = openSync(join(root, name), 'w')
      for (const [offset, piece] of pieces) writeSync(fd, piece, offset)
      ftruncateSync(fd, size)
      closeSync(fd)
    }
  })

  test.each([
    ['old GNU', ['--format=oldgnu']],
    ['GNU', ['--format=gnu']],
    ['PAX 0.0', ['--format=posix', '--sparse-version=0.0']],
    ['PAX 0.1', ['--format=posix', '--sparse-version=0.1']],
    ['PAX 1.0', ['--format=posix', '--sparse-version=1.0']],
  ])('a sparse file in format %s is read with its holes as zeros', (_, options) => {
    const names = Object.keys(files)
    const bytes = archive('tar', [...options, '--hole-detection=raw', '-S', '-c', ...names], root)
    expect(bytes.length).toBeLessThan(MiB)
    const entries = readTar(bytes)
    expect(entries.map(({ header }) => text(header.path))).toEqual(names)
    for (const { header, body } of entries) {
      const expected = new Uint8Array(readFileSync(join(root, text(header.path))))
      expect({ path: text(header.path), same: Buffer.compare(body, expected) }).toEqual({
        path: text(header.path),
        same: 0,
      })
    }
    // The pieces have a size that is not aligned to anything in the archive.
    const pieces = Array.from({ length: Math.ceil(bytes.length / 999) }, (_, i) =>
      bytes.subarray(i * 999, (i + 1) * 999),
    )
    expect(readTar(pieces).map(({ body }) => body.length)).toEqual(entries.map(({ body }) => body.length))
  })
})

describeReference('bsdtar', 'TarParser and `bsdtar`', () => {
  test.each([
    ['v7tar', false],
    ['ustar', false],
    ['gnutar', true],
    ['pax', true],
    ['posix', true],
  ] as const)('an archive of bsdtar in format %s is read as the tree it was made from', (format, long) => {
    const root = makeTree(`bsd-${format}`, long)
    expect(inArchive(archive('bsdtar', [`--format=${format}`, '-cf', '-', 'dir'], root))).toEqual(onDisk(root))
  })
})

const ENTRIES: TarEntry[] = [
  { path: 'd', type: 'directory', mode: 0o750, mtime: 1_600_000_000 },
  { path: 'd/file', mode: 0o640, mtime: 1_600_000_001, body: encodeUtf8('hello') },
  { path: 'd/été', mode: 0o4755, mtime: 1_600_000_002.5, body: new Uint8Array(600).fill(7) },
  { path: `d/${'n'.repeat(200)}`, mtime: 5, body: encodeUtf8('long') },
  { path: `d/${'p'.repeat(80)}`, type: 'directory' },
  { path: `d/${'p'.repeat(80)}/${'q'.repeat(80)}`, body: new Uint8Array(512) },
  { path: 'd/empty' },
  { path: 'd/symlink', type: 'symlink', linkPath: '../somewhere//else' },
  { path: 'd/long-symlink', type: 'symlink', linkPath: 'x/'.repeat(90) },
  { path: 'd/hardlink', type: 'hardlink', linkPath: 'd/file', mode: 0o640, mtime: 1_600_000_001 },
  { path: 'd/hardlink-to-long', type: 'hardlink', linkPath: `d/${'n'.repeat(200)}`, mtime: 5 },
  {
    path: 'd/attributes',
    body: encodeUtf8('x'),
    xattrs: [
      ['user.a', encodeUtf8('v')],
      ['user.bin', new Uint8Array([0, 255, 10])],
    ],
  },
]

for (const program of ['tar', 'bsdtar'] as const) {
  describeReference(program, `packTar and \`${program}\``, () => {
    test(`an archive of packTar is unpacked by ${program}`, async () => {
      const root = join(folder, `ours-${program}`)
      mkdirSync(root)
      const file = join(folder, `ours-${program}.tar`)
      writeFileSync(file, await packed(ENTRIES))
      run(program, ['-xpf', file, '--no-same-owner'], { cwd: root })
      const found = onDisk(root)
      for (const { path, type = 'file', mode, mtime, body, linkPath } of ENTRIES) {
        const name = path as string
        const stat = lstatSync(join(root, name))
        const told = found.get(name)
        if (type === 'symlink') expect(told).toEqual({ type, target: linkPath })
        else if (type === 'hardlink') expect(stat.ino).toBe(lstatSync(join(root, linkPath as string)).ino)
        else {
          expect({ name, ...told }).toMatchObject({ name, type })
          if (body instanceof Uint8Array) expect(told?.body).toBe(Buffer.from(body).toString('hex'))
          if (mode !== undefined) expect({ name, mode: told?.mode }).toEqual({ name, mode })
        }
        if (mtime !== undefined && type === 'file') expect(stat.mtimeMs).toBe(mtime * 1000)
      }
      expect(found.size).toBe(ENTRIES.length)
    })
  })
}

describeReference('tar', 'packTar and extended attributes', () => {
  test('GNU tar lists the extended attributes of an archive of packTar', async () => {
    const file = join(folder, 'xattrs.tar')
    writeFileSync(file, await packed(ENTRIES))
    const listed = run('tar', ['--xattrs', '--xattrs-include=*', '-tvvf', file]).split('\n')
    const at = listed.findIndex((line) => line.endsWith('d/attributes'))
    expect(listed.slice(at + 1, at + 3)).toEqual(['  x: 1 user.a', '  x: 3 user.bin'])
  })
})
