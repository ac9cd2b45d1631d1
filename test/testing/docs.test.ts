/** Checks docs/testing.md: its example and the names in its table. */
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import * as kit from '../../src/testing/index.ts'

const read = (path: string) => readFileSync(fileURLToPath(new URL(path, import.meta.url)), 'utf8')
const page = read('../../docs/testing.md')

test('the example of docs/testing.md equals example.test.ts, except for import paths', () => {
  const example = read('./example.test.ts').replaceAll(/'\.\.\/\.\.\/src\/(.*?)\/?index\.ts'/g, (_, folder) =>
    folder === '' ? "'ostree-ts'" : `'ostree-ts/${folder}'`,
  )
  expect(page).toContain(`\`\`\`ts\n${example}\`\`\`\n`)
})

test('every other example of docs/testing.md is part of a test', () => {
  const folder = fileURLToPath(new URL('.', import.meta.url))
  const tests = readdirSync(folder).filter((name) => /^example-.*\.test\.ts$/.test(name))
  const lines = (text: string) =>
    text
      .split('\n')
      .map((line) => line.trim())
      .join('\n')
  const known = tests.map((name) => lines(read(`./${name}`)))
  const blocks = [...page.matchAll(/```(?:ts|typescript)\n([\s\S]*?)```/g)]
    .slice(1)
    .map(([, block = '']) => lines(block))
  expect(blocks.length).toBe(tests.length)
  expect(blocks.filter((block) => !known.some((text) => text.includes(block)))).toEqual([])
})

test('every name in the table of docs/testing.md is exported by the kit', () => {
  const rows = page.split('\n').filter((line) => line.startsWith('| ') && line.includes('`'))
  const names = rows.flatMap((row) => [...(row.split(' | ')[1] ?? '').matchAll(/`(\w+)`/g)].map(([, name]) => name))
  expect(names.length).toBeGreaterThan(20)
  expect(names.filter((name) => !((name as string) in kit))).toEqual([])
})
