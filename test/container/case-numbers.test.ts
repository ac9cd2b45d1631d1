/** The behaviours of the container layer that have a number, and the tests that carry it in their titles. */
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { CASES } from './case-list.ts'

const root = fileURLToPath(new URL('..', import.meta.url))

const titles = readdirSync(root, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.test.ts'))
  .flatMap((name) => {
    const text = readFileSync(`${root}${name}`, 'utf8')
    return Array.from(text.matchAll(/['`"]((?:[A-K]\d{1,2}(?:, )?)+): /g), ([, numbers = '']) =>
      numbers.split(', '),
    ).flat()
  })

test('every numbered behaviour has a test, and every number a behaviour', () => {
  const tested = new Set(titles)
  expect(Object.keys(CASES).filter((number) => !tested.has(number))).toEqual([])
  expect([...tested].filter((number) => CASES[number] === undefined)).toEqual([])
})
