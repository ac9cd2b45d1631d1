/**
 * The public names of the package: which there are, that each can be understood by its doc comment, and that every type
 * that one of them mentions can be imported as well.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import type ts from 'typescript'
import { describe, expect, test } from 'vitest'
import {
  entryPoints,
  exportsOf,
  faultsOfComments,
  loadProgram,
  mentioned,
  resolved,
  root,
} from './support/public-api.ts'

const entries = [...entryPoints()]
const program = loadProgram()
const checker = program.getTypeChecker()
const faces = new Map(entries.map(([entry, file]) => [entry, exportsOf(program, file)]))

/** `test/faces/root.txt`, `test/faces/repo.txt` */
const listOf = (entry: string): string => `test/faces/${entry === '.' ? 'root' : entry.slice(2)}.txt`

describe('exported names', () => {
  test.each(entries)('the names that %s exports are those of its list', (entry) => {
    const names = `${(faces.get(entry) ?? []).map(({ name, kind }) => `${kind} ${name}`).join('\n')}\n`
    const file = listOf(entry)
    if (process.env['UPDATE_FACES'] !== undefined) writeFileSync(`${root}${file}`, names)
    const listed = readFileSync(`${root}${file}`, 'utf8')
    const hint = `${file} does not list what ${entry} exports.
If the change is intended, describe it in CHANGELOG.md and update the list:
    UPDATE_FACES=1 npx vitest run test/faces.test.ts
`
    expect(names, hint).toBe(listed)
  })

  test('the package itself exports fewer than 100 names', () => {
    expect(faces.get('.')?.length).toBeLessThan(100)
  })

  test('./node exports all names of the package itself', () => {
    const node = new Set(faces.get('./node')?.map(({ name }) => name))
    expect(faces.get('.')?.filter(({ name }) => !node.has(name))).toEqual([])
  })

  test('a name has the same meaning in all entry points', () => {
    const meanings = new Map<string, Set<ts.Symbol>>()
    for (const { name, symbol } of [...faces.values()].flat()) {
      meanings.set(name, (meanings.get(name) ?? new Set()).add(symbol))
    }
    // On Node its options have defaults.
    expect([...meanings].filter(([, symbols]) => symbols.size > 1).map(([name]) => name)).toEqual(['pullImage'])
  })

  test('every type that an exported name mentions is exported', () => {
    const all = [...faces.values()].flat()
    const known = new Set(all.map(({ symbol }) => symbol))
    const hidden = new Set<string>()
    for (const { name, symbol } of all) {
      for (const [type, place] of mentioned(checker, symbol)) {
        if (!known.has(resolved(checker, type))) hidden.add(`${type.name} of ${name} (${place})`)
      }
    }
    expect([...hidden]).toEqual([])
  })

  test('have comments that stand alone, and say when they throw what', () => {
    const all = new Map([...faces.values()].flat().map((item) => [item.symbol, item]))
    const names = new Set(Array.from(all.values(), ({ name }) => name))
    const faults = [...all.values()].flatMap((item) =>
      faultsOfComments(checker, item, names).map((fault) => `${item.place} ${fault}`),
    )
    expect(faults).toEqual([])
  })
})
