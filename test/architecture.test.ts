import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'

const src = fileURLToPath(new URL('../src', import.meta.url))

/** A folder imports only from folders on lower floors. Folders on the same floor do not import each other. */
const FLOORS: Readonly<Record<string, number>> = {
  '': 0, // bytes.ts, concurrent.ts, errors.ts, progress.ts
  platform: 1,
  gvariant: 2,
  tar: 2,
  keyfile: 2,
  selinux: 2,
  composefs: 2,
  sign: 2,
  system: 3,
  objects: 3,
  repo: 4,
  container: 5,
  sysroot: 5,
  front: 6,
  serve: 6,
  cli: 7,
  testing: 7,
}

/** The entry points of the library. They may import from every floor. */
const ENTRY_POINTS = ['index.ts', 'node.ts']
/**
 * Modules that are imported by name. Everything else of another folder goes through that folder's index.ts, which is its
 * public face, or its internal.ts, which no entry point of the package exports. The modules of `system/` have no common
 * face, because each of them loads other modules of Node.
 */
const NAMED_PROVIDERS = [/^platform\/(?:node|portable)\.ts$/, /^(?:repo|container|serve)\/local\.ts$/, /^system\//]
/** The files that may import modules of Node. */
const NODE_PLACES = [
  /^platform\/node[^/]*\.ts$/,
  /^system\//,
  /^repo\/stores\/(?:fs|sqlite)\//,
  /^(?:repo|container)\/(?:open-)?local\.ts$/,
  /^repo\/[^/]+\/local(?:\/|-[^/]+\.ts$)/,
  /^container\/import\/lanes\/local-[^/]+\.ts$/,
  /^sysroot\//,
  /^serve\/local/,
  /^front\//,
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

/** The text of a file without its comments. */
function codeOf(file: string): string {
  return readFileSync(join(src, file), 'utf8').replaceAll(/\/\*[\s\S]*?\*\/|\/\/[^\n]*/g, '')
}

function folderOf(file: string): string {
  return file.includes('/') ? file.slice(0, file.indexOf('/')) : ''
}

function relativeImportsOf(file: string): string[] {
  return imports.filter(({ from, bare }) => from === file && !bare).map(({ to }) => to)
}

/**
 * Returns the two folders that hold two files and that have the same parent, or `undefined` if one of the files is
 * directly in that parent.
 */
function siblings(from: string, to: string): [string, string] | [undefined, undefined] {
  const [a, b] = [from.split('/'), to.split('/')]
  const same = a.findIndex((name, i) => name !== b[i])
  if (same < 0 || a.length === same + 1 || b.length === same + 1) return [undefined, undefined]
  return [a.slice(0, same + 1).join('/'), b.slice(0, same + 1).join('/')]
}

/** Finds the strongly connected components of more than one file, with Tarjan's algorithm. */
function circles(graph: ReadonlyMap<string, readonly string[]>): string[][] {
  const order = new Map<string, number>()
  const lowest = new Map<string, number>()
  const stack: string[] = []
  const found: string[][] = []
  const visit = (file: string): void => {
    order.set(file, order.size)
    lowest.set(file, order.get(file) as number)
    stack.push(file)
    for (const next of graph.get(file) ?? []) {
      if (!order.has(next)) visit(next)
      if (stack.includes(next)) lowest.set(file, Math.min(lowest.get(file) as number, lowest.get(next) as number))
    }
    if (lowest.get(file) !== order.get(file)) return
    const circle = stack.splice(stack.indexOf(file))
    if (circle.length > 1) found.push(circle)
  }
  for (const file of graph.keys()) if (!order.has(file)) visit(file)
  return found
}

describe('the architecture', () => {
  test('the sources and their imports are found', () => {
    expect(files.length).toBeGreaterThan(20)
    expect(imports.length).toBeGreaterThan(40)
  })

  test('every folder has a floor', () => {
    const unknown = files.filter((file) => FLOORS[folderOf(file)] === undefined)
    expect(unknown).toEqual([])
  })

  test('every folder stands on its floor in the table of docs/architecture.md', () => {
    const page = readFileSync(fileURLToPath(new URL('../docs/architecture.md', import.meta.url)), 'utf8')
    const rows = Array.from(page.matchAll(/^\| (\d) \| ([^|]*) \|/gm), ([, floor, folders = '']) =>
      Array.from(folders.matchAll(/`(\w+)\/`/g), ([, folder = '']) => [folder, Number(floor)] as const),
    ).flat()
    const { '': ground, ...folders } = FLOORS
    expect(ground).toBe(0)
    expect(Object.fromEntries(rows)).toEqual(folders)
  })

  test('an import leads to a lower floor or stays in its folder', () => {
    const wrong = imports
      .filter(({ from, bare }) => !bare && !ENTRY_POINTS.includes(from))
      .filter(({ from, to }) => folderOf(from) !== folderOf(to))
      .filter(({ from, to }) => (FLOORS[folderOf(to)] ?? 99) >= (FLOORS[folderOf(from)] ?? -1))
    expect(wrong).toEqual([])
  })

  test('an import from another folder goes through the index.ts or internal.ts of that folder', () => {
    const wrong = imports
      .filter(({ from, to, bare }) => !bare && folderOf(to) !== '' && folderOf(from) !== folderOf(to))
      .filter(({ to }) => !/^[^/]+\/(?:index|internal)\.ts$/.test(to) && !NAMED_PROVIDERS.some((name) => name.test(to)))
    expect(wrong).toEqual([])
  })

  test('an internal.ts is imported from other folders, and not by an entry point', () => {
    const users = imports.filter(({ to, bare }) => !bare && /^[^/]+\/internal\.ts$/.test(to))
    expect(users.length).toBeGreaterThan(10)
    const wrong = users.filter(({ from, to }) => folderOf(from) === folderOf(to) || ENTRY_POINTS.includes(from))
    expect(wrong).toEqual([])
  })

  test('no file imports an entry point, except that node.ts exports all of index.ts', () => {
    const users = imports.filter(({ to, bare }) => !bare && ENTRY_POINTS.includes(to))
    expect(users).toEqual([{ from: 'node.ts', to: 'index.ts', bare: false }])
  })

  test('only the files at the edge import modules of Node', () => {
    const wrong = imports
      .filter(({ to }) => to.startsWith('node:') || ['better-sqlite3', 'koffi'].includes(to))
      .filter(({ from }) => !NODE_PLACES.some((place) => place.test(from)))
    expect(wrong).toEqual([])
  })

  test('the core does not use globals of Node, the clock or random numbers', () => {
    const wrong = files
      .filter((file) => !NODE_PLACES.some((place) => place.test(file)))
      .filter((file) => /\b(?:Buffer|process)\s*[.(]|Date\.now\(|new Date\(\)|Math\.random\(/.test(codeOf(file)))
    // The places of checksums and names in hash tables are random, so that an archive cannot be made whose names all have
    // one place; results do not depend on them.
    expect(wrong.sort()).toEqual([
      'container/layers/object-table.ts',
      'objects/checksum-set.ts',
      'repo/core/tables/text-pages.ts',
    ])
  })

  test('only the command and the front door read the environment', () => {
    const wrong = files
      .filter((file) => !/^(?:cli|front)\//.test(file))
      .filter((file) => /\bprocess\s*\.\s*env\b/.test(codeOf(file)))
    expect(wrong).toEqual([])
  })

  test('operations of a repository do not import a backend', () => {
    const backend = (file: string): boolean => /^repo\/stores\/(?:fs|sqlite|memory)/.test(file)
    const faces = ['repo/index.ts', 'repo/local.ts', 'repo/open-local.ts']
    const operations = files.filter((file) => file.startsWith('repo/') && !backend(file) && !faces.includes(file))
    expect(operations.length).toBeGreaterThan(60)
    const wrong = imports.filter(({ from, to }) => operations.includes(from) && backend(to))
    // Threads of a checkout read the objects of a repository directory themselves.
    expect(wrong.filter(({ from }) => !from.startsWith('repo/checkout/local/'))).toEqual([])
  })

  test('portable modules do not import modules that import Node', () => {
    const atTheEdge = (file: string): boolean => NODE_PLACES.some((place) => place.test(file))
    const wrong = imports.filter(({ from, to, bare }) => !bare && !atTheEdge(from) && atTheEdge(to))
    expect(wrong).toEqual([])
  })

  test('a command does not import another command', () => {
    const wrong = imports
      .filter(({ from, to }) => from.startsWith('cli/commands/') && to.startsWith('cli/commands/'))
      .filter(({ from, to }) => folderOf(from.slice(13)) !== folderOf(to.slice(13)) || folderOf(from.slice(13)) === '')
    expect(wrong).toEqual([])
  })

  describe('packages', () => {
    const { dependencies, optionalDependencies, peerDependencies } = JSON.parse(
      readFileSync(join(src, '../package.json'), 'utf8'),
    ) as Record<string, Record<string, string>>
    const packages = imports
      .filter(({ to, bare }) => bare && !to.startsWith('node:'))
      .map(({ from, to }) => ({ from, name: /^(?:@[^/]+\/)?[^/]+/.exec(to)?.[0] ?? to }))

    test('that are imported are declared', () => {
      const declared = Object.keys({ ...dependencies, ...optionalDependencies, ...peerDependencies })
      expect(packages.filter(({ name }) => !declared.includes(name))).toEqual([])
    })

    test('that are always installed are used by more than the test kit', () => {
      const used = packages.filter(({ from }) => !from.startsWith('testing/')).map(({ name }) => name)
      expect(Object.keys(dependencies ?? {}).filter((name) => !used.includes(name))).toEqual([])
    })
  })

  test('files do not import each other in a circle', () => {
    const found = circles(new Map(files.map((file) => [file, relativeImportsOf(file)])))
    expect(found).toEqual([])
  })

  test('folders with the same parent do not import each other', () => {
    const pairs = new Set<string>()
    for (const { from, to, bare } of imports) {
      if (bare) continue
      const [one, other] = siblings(from, to)
      if (one !== undefined && other !== undefined) pairs.add(`${one} ${other}`)
    }
    expect(pairs.size).toBeGreaterThan(100)
    const mutual = [...pairs].filter((pair) => pairs.has(pair.split(' ').reverse().join(' ')))
    expect(mutual).toEqual([])
  })

  test('a folder has at most 20 files, except for the commands', () => {
    const folders = [...new Set(files.map(dirname))].filter((folder) => folder !== 'cli/commands')
    const full = folders.filter((folder) => files.filter((file) => dirname(file) === folder).length > 20)
    expect(full).toEqual([])
  })

  test('a file has at most 400 lines', () => {
    const long = files
      .map((file) => [file, readFileSync(join(src, file), 'utf8').split('\n').length] as const)
      .filter(([, lines]) => lines > 400)
    expect(long).toEqual([])
  })
})
