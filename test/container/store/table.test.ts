import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'
import { describe, expect, test } from 'vitest'

const root = fileURLToPath(new URL('../../..', import.meta.url))
const text = readFileSync(`${root}docs/container-store.md`, 'utf8')

/** Rows of the tables, cells without the bars. */
const rows = text
  .split('\n')
  .filter((line) => /^\| `/.test(line))
  .map((line) => line.split('|').map((cell) => cell.trim()))
  .map(([, there = '', here = '', test = '', status = '']) => ({ there, here, test: test.replaceAll('`', ''), status }))

const quoted = (cell: string) => Array.from(cell.matchAll(/`([^`]+)`/g), ([, name = '']) => name)

/** What a module exports, types and values. */
function exportsOf(file: string): Map<string, { comment: readonly object[]; fields: string[] }> {
  const { config } = ts.readConfigFile(`${root}tsconfig.json`, ts.sys.readFile)
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, root)
  const program = ts.createProgram([file], { ...options, noEmit: true })
  const checker = program.getTypeChecker()
  const source = program.getSourceFile(file)
  const module = source && checker.getSymbolAtLocation(source)
  const symbols = module === undefined ? [] : checker.getExportsOfModule(module)
  const resolved = (symbol: ts.Symbol) =>
    (symbol.flags & ts.SymbolFlags.Alias) === 0 ? symbol : checker.getAliasedSymbol(symbol)
  const described = (symbol: ts.Symbol) => ({
    comment: [...symbol.getDocumentationComment(checker), ...symbol.getJsDocTags(checker)],
    fields: checker.getPropertiesOfType(checker.getDeclaredTypeOfSymbol(symbol)).map(({ name }) => name),
  })
  return new Map(symbols.map((symbol) => [symbol.name, described(resolved(symbol))]))
}

describe('the table of the container store', () => {
  const known = exportsOf(`${root}src/node.ts`)

  test('has each item once', () => {
    expect(rows.length).toBeGreaterThan(55)
    expect(new Set(rows.map(({ there }) => there)).size).toBe(rows.length)
  })

  test('names what is exported, and nothing else', () => {
    const names = rows.flatMap(({ here, status }) => (status.startsWith('not yet') ? [] : quoted(here)))
    const fields = new Set(known.get('ImportOptions')?.fields)
    expect(names.filter((name) => !known.has(name) && !fields.has(name))).toEqual([])
    const early = rows.filter(
      ({ here, status }) => status.startsWith('not yet') && quoted(here).some((n) => known.has(n)),
    )
    expect(early).toEqual([])
  })

  test('names tests that are there and speak of the item', () => {
    for (const { here, test: file, status } of rows) {
      if (status.startsWith('not yet')) continue
      const path = `${root}test/${file}`
      expect(existsSync(path), path).toBe(true)
      const words = readFileSync(path, 'utf8')
      const name = quoted(here).at(-1) ?? ''
      expect(words.includes(name) || quoted(here).some((n) => words.includes(n)), `${name} in ${path}`).toBe(true)
    }
  })

  test('every export of the store says what it is', () => {
    const silent = rows
      .flatMap(({ here }) => quoted(here))
      .filter((name) => known.has(name))
      .filter((name) => known.get(name)?.comment.length === 0)
    expect(new Set(silent)).toEqual(new Set())
  })
})
