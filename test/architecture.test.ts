import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'

const src = fileURLToPath(new URL('../src', import.meta.url))

/** Lower floors know nothing of higher ones. Folders of one floor do not know each other. */
const FLOORS: Readonly<Record<string, number>> = {
  '': 0, // bytes.ts, errors.ts, progress.ts
  platform: 1,
  gvariant: 2,
  tar: 2,
  keyfile: 2,
  selinux: 2,
  sign: 2,
  objects: 3,
  repo: 4,
  container: 5,
  sysroot: 5,
  cli: 6,
  testing: 6,
}

/** The faces of the library: they may see every floor. */
const ENTRY_POINTS = ['index.ts', 'node.ts']
/** Providers an edge picks by name; everything else goes through a folder's index.ts. */
const NAMED_PROVIDERS = [
  'platform/node.ts',
  'platform/node-files.ts',
  'platform/node-host.ts',
  'platform/node-network.ts',
  'platform/portable.ts',
  'repo/node/index.ts',
]
/** Where Node itself may be named. */
const NODE_PLACES = [
  /^platform\/node[^/]*\.ts$/,
  /^repo\/stores\/fs\//,
  /^repo\/stores\/sqlite[^/]*\.ts$/,
  /^repo\/node\//,
  /^sysroot\//,
  /^cli\//,
  /^testing\//,
  /^node\.ts$/,
]

interface Import {
  from: string
  to: string
  bare: boolean
}

function sources(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => name.replaceAll('\\', '/'))
}

const files = sources(src)

const imports: Import[] = files.flatMap((from) => {
  const text = readFileSync(join(src, from), 'utf8')
  return [
    ...text.matchAll(
      /(?:^|\n)\s*(?:import|export)\s[^'"]*?from\s+'([^']+)'|import\('([^']+)'\)|(?:^|\n)import\s+'([^']+)'/g,
    ),
  ].map((match) => {
    const specifier = match[1] ?? match[2] ?? match[3] ?? ''
    const bare = !specifier.startsWith('.')
    const to = bare ? specifier : normalize(relative(src, join(src, dirname(from), specifier))).replaceAll('\\', '/')
    return { from, to, bare }
  })
})

function folderOf(file: string): string {
  return file.includes('/') ? file.slice(0, file.indexOf('/')) : ''
}

describe('the floors', () => {
  test('there is something to read', () => {
    expect(files.length).toBeGreaterThan(20)
    expect(imports.length).toBeGreaterThan(40)
  })

  test('every folder stands on a floor', () => {
    const unknown = files.filter((file) => FLOORS[folderOf(file)] === undefined)
    expect(unknown).toEqual([])
  })

  test('imports point down, or stay in the folder', () => {
    const wrong = imports
      .filter(({ from, bare }) => !bare && !ENTRY_POINTS.includes(from))
      .filter(({ from, to }) => folderOf(from) !== folderOf(to))
      .filter(({ from, to }) => (FLOORS[folderOf(to)] ?? 99) >= (FLOORS[folderOf(from)] ?? -1))
    expect(wrong).toEqual([])
  })

  test('a folder is entered through its index.ts', () => {
    const wrong = imports
      .filter(({ from, to, bare }) => !bare && folderOf(to) !== '' && folderOf(from) !== folderOf(to))
      .filter(({ to }) => to !== `${folderOf(to)}/index.ts` && !NAMED_PROVIDERS.includes(to))
    expect(wrong).toEqual([])
  })

  test('nothing imports an entry point', () => {
    expect(imports.filter(({ to, bare }) => !bare && ENTRY_POINTS.includes(to))).toEqual([])
  })

  test('Node is named only at the edge', () => {
    const wrong = imports
      .filter(({ to }) => to.startsWith('node:') || ['better-sqlite3', 'koffi'].includes(to))
      .filter(({ from }) => !NODE_PLACES.some((place) => place.test(from)))
    expect(wrong).toEqual([])
  })

  test('the core uses no global of Node', () => {
    const code = (file: string): string =>
      readFileSync(join(src, file), 'utf8').replaceAll(/\/\*[\s\S]*?\*\/|\/\/[^\n]*/g, '')
    const wrong = files
      .filter((file) => !NODE_PLACES.some((place) => place.test(file)))
      .filter((file) => /\b(?:Buffer|process)\s*[.(]|Date\.now\(|new Date\(\)|Math\.random\(/.test(code(file)))
    // Where in memory a checksum lies may be left to chance: nothing that is seen depends on it.
    expect(wrong).toEqual(['objects/checksum-set.ts'])
  })

  test('operations of a repository name no backend, but the faces that offer them', () => {
    const wrong = imports
      .filter(({ from }) => /^repo\/[^/]+\.ts$/.test(from) && from !== 'repo/index.ts')
      .filter(({ to }) => to.startsWith('repo/stores/') || to.startsWith('repo/node/'))
    expect(wrong).toEqual([])
  })

  test('one command knows no other', () => {
    const wrong = imports
      .filter(({ from, to }) => from.startsWith('cli/commands/') && to.startsWith('cli/commands/'))
      .filter(({ from, to }) => folderOf(from.slice(13)) !== folderOf(to.slice(13)) || folderOf(from.slice(13)) === '')
    expect(wrong).toEqual([])
  })

  test('a file can be held in the head: at most 400 lines', () => {
    const long = files
      .map((file) => [file, readFileSync(join(src, file), 'utf8').split('\n').length] as const)
      .filter(([, lines]) => lines > 400)
    expect(long).toEqual([])
  })
})
