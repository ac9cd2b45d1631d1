/** The code in doc comments and on the pages: it compiles against what the package exports. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import ts from 'typescript'
import { expect, test } from 'vitest'
import { entryPoints, exportsOf, loadProgram, root } from './support/public-api.ts'

interface Sample {
  /** Where it is from, for messages. */
  readonly from: string
  readonly code: string
}

/** What samples use without saying where they have it from. */
const SURROUNDINGS = `
import type { HostPlatform, ImportOptions, RegistryOptions, Repo, TarSink, WritableFiles } from './every-name.ts'
declare global {
  const fc: typeof import('fast-check').default
  const repo: Repo
  const from: Repo
  const into: Repo
  const host: HostPlatform
  const files: WritableFiles
  const registry: RegistryOptions
  const options: ImportOptions
  const sink: TarSink & { drained(): Promise<void> | undefined }
  const source: AsyncIterable<Uint8Array>
  const stream: AsyncIterable<Uint8Array>
  const body: Uint8Array
  function send(bytes: Uint8Array): void
}
`

const program = loadProgram()
const checker = program.getTypeChecker()
const exported = new Map([...entryPoints()].map(([entry, file]) => [entry, exportsOf(program, file)]))

/** Each exported name, with an entry point that exports it. */
const places = new Map<string, string>()
for (const [entry, items] of exported) {
  for (const { name } of items) if (!places.has(name)) places.set(name, entry)
}
const packageName = (entry: string): string => `ostree-ts${entry.slice(1)}`

const GIVEN = [
  'repo',
  'from',
  'into',
  'host',
  'files',
  'registry',
  'options',
  'sink',
  'source',
  'stream',
  'body',
  'send',
]

/** An entry point that exports a name, and a symbol of that name under it: `pullImage` is another one on Node. */
function entryOf(word: string, symbol: ts.Symbol): string {
  const own = [...exported].find(([, items]) => items.some((item) => item.name === word && item.symbol === symbol))
  return own?.[0] ?? places.get(word) ?? ''
}

/** The examples of the doc comments, as modules. */
function commentSamples(): Sample[] {
  const symbols = new Map([...exported.values()].flat().map(({ symbol, place }) => [symbol, place]))
  return [...symbols].flatMap(([symbol, place]) =>
    symbol
      .getJsDocTags(checker)
      .filter(({ name }) => name === 'example')
      .map(({ text }) => {
        const code = ts.displayPartsToString(text)
        const words = new Set(code.match(/\b[A-Za-z_]\w*\b/g))
        const imports = [...words]
          .filter((word) => places.has(word) && !GIVEN.includes(word))
          .map((word) => `import { ${word} } from '${packageName(entryOf(word, symbol))}'`)
        return { from: place, code: `${imports.join('\n')}\nexport async function example() {\n${code}\n}\n` }
      }),
  )
}

/** The TypeScript code blocks of the pages. Names that a block does not import are taken from the surroundings. */
function pageSamples(): Sample[] {
  const pages = ['README.md', ...readdirSync(join(root, 'docs')).map((name) => `docs/${name}`)]
  return pages
    .filter((page) => page.endsWith('.md'))
    .flatMap((page) =>
      Array.from(readFileSync(join(root, page), 'utf8').matchAll(/^```ts\n(.*?)^```$/gms), ([, code = '']) => {
        const words = new Set(code.match(/\b[A-Za-z_]\w*\b/g))
        const imports = code.includes('import ')
          ? []
          : [...words].filter((word) => places.has(word) && !GIVEN.includes(word) && !code.includes(`const ${word}`))
        const lines = imports.map((word) => `import { ${word} } from '${packageName(places.get(word) ?? '')}'`)
        return { from: page, code: `${lines.join('\n')}\n${code}\nexport {}\n` }
      }),
    )
}

/** The errors of the compiler, each with the sample it is in. */
function compile(samples: readonly Sample[]): string[] {
  const { config } = ts.readConfigFile(`${root}tsconfig.json`, ts.sys.readFile)
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, root)
  const every = [...entryPoints()].map(([, file]) => `export * from './${file}'`).join('\n')
  const virtual = new Map([
    [`${root}every-name.ts`, every],
    [`${root}surroundings.ts`, SURROUNDINGS],
    ...samples.map(({ code }, at) => [`${root}sample-${at}.ts`, code] as const),
  ])
  const settings: ts.CompilerOptions = {
    ...options,
    noEmit: true,
    incremental: false,
    noUnusedLocals: false,
    noUnusedParameters: false,
    paths: Object.fromEntries([...entryPoints()].map(([entry, file]) => [packageName(entry), [`${root}${file}`]])),
  }
  const host = ts.createCompilerHost(settings)
  const { fileExists, getSourceFile, readFile } = host
  host.fileExists = (file) => virtual.has(file) || fileExists(file)
  host.readFile = (file) => virtual.get(file) ?? readFile(file)
  host.getSourceFile = (file, version, ...rest) => {
    const text = virtual.get(file)
    return text === undefined ? getSourceFile(file, version, ...rest) : ts.createSourceFile(file, text, version)
  }
  const compiled = ts.createProgram([...virtual.keys()], settings, host)
  return samples.flatMap(({ from }, at) => {
    const file = compiled.getSourceFile(`${root}sample-${at}.ts`)
    const errors = [...compiled.getSyntacticDiagnostics(file), ...compiled.getSemanticDiagnostics(file)]
    return errors.map(({ messageText }) => `${from}: ${ts.flattenDiagnosticMessageText(messageText, ' ')}`)
  })
}

test('examples in doc comments and on the pages compile', () => {
  const samples = [...commentSamples(), ...pageSamples()]
  expect(samples.length).toBeGreaterThan(20)
  expect(compile(samples)).toEqual([])
})

test('a wrong example is noticed', () => {
  const wrong = { from: 'here', code: "import { openRepo } from 'ostree-ts/node'\nexport const open = openRepo(1)\n" }
  expect(compile([wrong])).toEqual([expect.stringMatching(/^here: Argument of type 'number'/)])
})
