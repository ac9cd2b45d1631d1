/** The images that `bench` makes: their layers as entries of tars. Paths begin with `usr`, which all stores accept. */
import type { TarEntry } from '../../../tar/index.ts'
import type { Contents } from './contents.ts'

/** Makes the layers of an image. */
export interface Scenario {
  readonly name: string
  readonly summary: string
  /**
   * Returns the layers, lowest first. Each is read once, in order.
   * @param count scales a number of files (or of layers' sizes), to at least 1
   */
  layers(contents: Contents, count: (full: number) => number): readonly Iterable<TarEntry>[]
}

const MEBIBYTE = 1 << 20
/** Seconds since the epoch: 2024-01-01. */
const MTIME = 1_704_067_200

function directory(path: string): TarEntry {
  return { path: `${path}/`, type: 'directory', mtime: MTIME }
}

function file(path: string, body: Uint8Array, mode = 0o644): TarEntry {
  return { path, body, mode, mtime: MTIME }
}

/** A tree of directories with the same number of files in each. */
function* tree(
  root: string,
  files: number,
  perDirectory: number,
  body: (index: number) => Uint8Array,
): Iterable<TarEntry> {
  yield directory('usr')
  yield directory(root)
  for (let i = 0; i < files; i++) {
    const parent = `${root}/d${Math.floor(i / perDirectory)}`
    if (i % perDirectory === 0) yield directory(parent)
    yield file(`${parent}/file-${i}`, body(i), i % 10 === 0 ? 0o755 : 0o644)
  }
}

/** Files of one layer of an image, with sizes as in a distribution: most are small, and few have most of the bytes. */
function* system(contents: Contents, root: string, files: number, bytes: number): Iterable<TarEntry> {
  const small = Math.floor(files * 0.97)
  const average = Math.max(1, Math.floor((bytes * 0.5) / Math.max(1, files - small)))
  yield* tree(root, small, 25, (i) => contents.bytes(contents.size(2600, 1.4), i % 3 === 0 ? 0.7 : 0.2))
  yield directory(`${root}/lib`)
  for (let i = small; i < files; i++) {
    const size = contents.size(average, 0.5, 64 * MEBIBYTE)
    yield { path: `${root}/lib/lib${i}.so.1`, body: contents.large(size), size, mode: 0o755, mtime: MTIME }
    yield { path: `${root}/lib/lib${i}.so`, type: 'symlink', linkPath: `lib${i}.so.1`, mtime: MTIME }
  }
}

function* fat(contents: Contents, files: number, size: number): Iterable<TarEntry> {
  yield directory('usr')
  for (let i = 0; i < files; i++) yield { path: `usr/fat-${i}`, body: contents.large(size), size, mtime: MTIME }
}

function* links(contents: Contents, files: number): Iterable<TarEntry> {
  yield* tree('usr/share', files, 50, () => contents.bytes(contents.size(2000, 1)))
  for (let i = 0; i < files * 3; i++) {
    const target = `usr/share/d${Math.floor((i % files) / 50)}/file-${i % files}`
    if (i % 100 === 0) yield directory(`usr/l${Math.floor(i / 100)}`)
    yield { path: `usr/l${Math.floor(i / 100)}/hard-${i}`, type: 'hardlink', linkPath: target, mtime: MTIME }
    if (i % 3 > 0) continue
    yield { path: `usr/l${Math.floor(i / 100)}/soft-${i}`, type: 'symlink', linkPath: `/${target}`, mtime: MTIME }
  }
}

function* nodeModules(contents: Contents, packages: number): Iterable<TarEntry> {
  const licence = contents.bytes(1080, 0)
  const root = 'usr/app/node_modules'
  for (const path of ['usr', 'usr/app', root]) yield directory(path)
  for (let i = 0; i < packages; i++) {
    // Every fifth package is installed inside another one, which wanted another version.
    const path = i % 5 === 4 ? `${root}/package-${i - 1}/node_modules/package-${i}` : `${root}/package-${i}`
    if (i % 5 === 4) yield directory(`${root}/package-${i - 1}/node_modules`)
    yield directory(path)
    yield file(`${path}/LICENSE`, licence)
    yield file(`${path}/package.json`, contents.bytes(contents.size(1300, 0.5), 0))
    yield file(`${path}/README.md`, contents.bytes(contents.size(3500, 1), 0.05))
    for (const folder of ['dist', 'dist/esm', 'dist/types']) {
      yield directory(`${path}/${folder}`)
      for (let j = 0; j < 7; j++) {
        yield file(`${path}/${folder}/module-${j}.js`, contents.bytes(contents.size(1100, 1.3), 0.05))
      }
    }
  }
}

function* deep(contents: Contents, chains: number): Iterable<TarEntry> {
  yield directory('usr')
  for (let i = 0; i < chains; i++) {
    let path = `usr/c${i}`
    for (let level = 0; level < 200; level++) {
      yield directory(path)
      yield file(`${path}/f`, contents.bytes(200))
      path += '/d'
    }
  }
}

function* duplicates(contents: Contents, files: number): Iterable<TarEntry> {
  const bodies = Array.from({ length: 500 }, () => contents.bytes(contents.size(3000, 1)))
  yield* tree('usr/share', files, 100, (i) => bodies[(i * 7919) % bodies.length] as Uint8Array)
}

/** The layers of a realistic image, from the distribution to the program: files and bytes of each. */
const REALISTIC: readonly (readonly [root: string, files: number, bytes: number])[] = [
  ['usr/base', 9000, 118e6],
  ['usr/runtime', 14000, 190e6],
  ['usr/libraries', 11000, 160e6],
  ['usr/tools', 4000, 90e6],
  ['usr/app', 1500, 30e6],
  ['usr/config', 40, 3e6],
]

export const SCENARIOS: readonly Scenario[] = [
  {
    name: 'fat-files',
    summary: '24 files of 16 MiB, which do not compress',
    layers: (contents, count) => [fat(contents, 24, count(16 * MEBIBYTE))],
  },
  {
    name: 'thin-layers',
    summary: '31 layers of 250 small files',
    layers: (contents, count) =>
      Array.from({ length: 31 }, (_, i) =>
        tree(`usr/l${i}`, count(250), 50, () => contents.bytes(contents.size(3000, 1.1))),
      ),
  },
  {
    name: 'small-files',
    summary: '52,000 files in 60 MB, one layer',
    layers: (contents, count) => [tree('usr', count(52_000), 40, () => contents.bytes(contents.size(680, 1.03)))],
  },
  {
    name: 'links',
    summary: '20,000 files with 60,000 hard and 20,000 symbolic links',
    layers: (contents, count) => [links(contents, count(20_000))],
  },
  {
    name: 'image',
    summary: 'an image of 591 MB with 40,000 files in 6 layers',
    layers: (contents, count) =>
      REALISTIC.map(([root, files, bytes]) => system(contents, root, count(files), count(bytes))),
  },
  {
    name: 'node-modules',
    summary: '2,500 packages of 24 files each, most in plain text',
    layers: (contents, count) => [nodeModules(contents, count(2500))],
  },
  {
    name: 'distro-root',
    summary: 'a root file system of 90,000 files in 1.3 GB, one layer',
    layers: (contents, count) => [system(contents, 'usr', count(90_000), count(1.4e9))],
  },
  {
    name: 'ml-model',
    summary: '4 files of 512 MiB, which do not compress, each in a layer',
    layers: (contents, count) =>
      Array.from({ length: 4 }, (_, i) => [
        directory('usr'),
        {
          path: `usr/model-${i}.safetensors`,
          body: contents.large(count(512 * MEBIBYTE)),
          size: count(512 * MEBIBYTE),
          mtime: MTIME,
        },
      ]),
  },
  {
    name: 'empty-files',
    summary: '1,000,000 empty files',
    layers: (_, count) => [tree('usr', count(1_000_000), 1000, () => new Uint8Array())],
  },
  {
    name: 'deep-trees',
    summary: '100 chains of 200 directories inside each other, with a file in each',
    layers: (contents, count) => [deep(contents, count(100))],
  },
  {
    name: 'duplicates',
    summary: '60,000 files with 500 different contents',
    layers: (contents, count) => [duplicates(contents, count(60_000))],
  },
]
