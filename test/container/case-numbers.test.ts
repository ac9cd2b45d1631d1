/** Checks that every numbered behaviour in case-list.ts is covered by a test, and that titles use the numbers correctly. */
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { CASES } from './case-list.ts'

const root = fileURLToPath(new URL('..', import.meta.url))

/** Text of all tests, without this one. */
const sources = readdirSync(root, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.test.ts') && !name.endsWith('case-numbers.test.ts'))
  .map((name) => ({ name, text: readFileSync(`${root}${name}`, 'utf8') }))

/** Any mention of numbers in parentheses and the character after it, well-formed or not. */
const MENTION = /\(cases?[: ]+[a-z]?\d[^()]*\).?/gi
/** `(case A1)` or `(cases A1, B2)`; the title ends after it. */
const NUMBERS = /^\((?:case ([A-K]\d{1,2})|cases ([A-K]\d{1,2}(?:, [A-K]\d{1,2})+))\)['`"]$/

const mentions = sources.flatMap(({ name, text }) =>
  Array.from(text.matchAll(MENTION), ([mention]) => ({ name, mention, numbers: NUMBERS.exec(mention) })),
)
const tested = new Set(mentions.flatMap(({ numbers }) => (numbers?.[1] ?? numbers?.[2] ?? '').split(', ')))

test('every numbered behaviour has a test, and every number in a title has a behaviour', () => {
  tested.delete('')
  expect(Object.keys(CASES).filter((number) => !tested.has(number))).toEqual([])
  expect([...tested].filter((number) => CASES[number] === undefined)).toEqual([])
})

test('numbers of behaviours are at the end of titles, with the word case', () => {
  expect(mentions.filter(({ numbers }) => numbers === null).map(({ name, mention }) => `${name}: ${mention}`)).toEqual(
    [],
  )
  const bare = /['`"](?:[A-K]\d{1,2}(?:, )?)+: /g
  expect(
    sources.flatMap(({ name, text }) => Array.from(text.matchAll(bare), ([title]) => `${name}: ${title}`)),
  ).toEqual([])
})
