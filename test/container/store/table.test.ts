import { existsSync, readFileSync } from 'node:fs'
import type ts from 'typescript'
import { describe, expect, test } from 'vitest'
import { entryPoints, exportsOf, loadProgram, root } from '../../support/public-api.ts'

const text = readFileSync(`${root}docs/container-store.md`, 'utf8')

/** Rows of the tables as trimmed cells. */
const rows = text
  .split('\n')
  .filter((line) => /^\| `/.test(line))
  .map((line) => line.split('|').map((cell) => cell.trim()))
  .map(([, there = '', here = '', test = '', status = '']) => ({ there, here, test: test.replaceAll('`', ''), status }))

/** Returns the names in a cell, each with the subpath that exports it: `NAME`, or `NAME` of `/SUBPATH`. */
function named(cell: string): { name: string; entry: string }[] {
  return Array.from(cell.matchAll(/`(\w+)`(?: of `(\/\w+)`)?/g), ([, name = '', subpath = '/container']) => ({
    name,
    entry: `.${subpath}`,
  }))
}

const program = loadProgram()
const exported = new Map(
  [...entryPoints()].map(([entry, file]) => [
    entry,
    new Map(exportsOf(program, file).map((item) => [item.name, item] as const)),
  ]),
)
const importOptions = exported.get('./container')?.get('ImportOptions')?.symbol
const fields = new Set(
  program
    .getTypeChecker()
    .getPropertiesOfType(program.getTypeChecker().getDeclaredTypeOfSymbol(importOptions as ts.Symbol))
    .map(({ name }) => name),
)
const isExported = ({ name, entry }: { name: string; entry: string }) => exported.get(entry)?.has(name) ?? false

describe('the table of the container store', () => {
  test('the table lists each item once', () => {
    expect(rows.length).toBeGreaterThan(55)
    expect(new Set(rows.map(({ there }) => there)).size).toBe(rows.length)
  })

  test('the table names only exported items, and lists none of them as missing', () => {
    const names = rows.flatMap(({ here, status }) => (status.startsWith('not yet') ? [] : named(here)))
    expect(names.length).toBeGreaterThan(55)
    expect(names.filter((item) => !isExported(item) && !fields.has(item.name))).toEqual([])
    const early = rows.filter(({ here, status }) => status.startsWith('not yet') && named(here).some(isExported))
    expect(early).toEqual([])
  })

  test('the test files of the table exist and mention their items', () => {
    for (const { here, test: file, status } of rows) {
      if (/^(?:not yet|left out)/.test(status)) continue
      const path = `${root}test/${file}`
      expect(existsSync(path), path).toBe(true)
      const words = readFileSync(path, 'utf8')
      expect(
        named(here).some(({ name }) => words.includes(name)),
        `${here} in ${path}`,
      ).toBe(true)
    }
  })
})
