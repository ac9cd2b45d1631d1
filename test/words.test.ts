/**
 * Holds turns of phrase out of comments, titles of tests, and documents that a stranger cannot understand: subjects that
 * stand for nothing in the code, and negations that have to be unravelled.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'

const root = fileURLToPath(new URL('..', import.meta.url))

const WORDS: readonly { readonly phrase: RegExp; readonly instead: string }[] = [
  { phrase: /\b(?:nobody|somebody|anybody|whoever|no one)\b/i, instead: 'the caller, another process, the server' },
  { phrase: /\bcomes? to rest\b/i, instead: 'has finished' },
  { phrase: /\bto be had\b/i, instead: 'available' },
  { phrase: /\b(?:is|are) told (?:of|what|when|that)\b/i, instead: 'receives' },
  { phrase: /\bheld against\b/i, instead: 'compared with' },
  { phrase: /(?<!\bthere )\b(?:is|are) none\b(?! of)/i, instead: 'does not exist, is not a valid X' },
  { phrase: /(?<!\bthere )\bis no (?!longer\b|more\b|such\b)\w+/i, instead: 'is not a X' },
  { phrase: /\bwhat is no\b/i, instead: 'anything but X' },
]

/** The text of a source file that people read: its comments, and the titles of its tests. */
function readable(file: string): string[] {
  const lines = readFileSync(`${root}${file}`, 'utf8').split('\n')
  if (file.endsWith('.md')) return lines
  return lines.map((line) => {
    const title = /\b(?:test|describe|describeReference|inDirectory|it)(?:\.\w+)*\(.*?(['"`])(.*)\1/.exec(line)?.[2]
    const comment = /(?:^\s*(?:\/\*\*?|\*)|(?:^|\s)\/\/)\s(.*)$/.exec(line)?.[1]
    return title ?? comment ?? ''
  })
}

const files = ['src', 'test', 'bench', 'scripts', 'examples', 'docs']
  .flatMap((folder) =>
    readdirSync(`${root}${folder}`, { recursive: true, encoding: 'utf8' }).map((name) => `${folder}/${name}`),
  )
  .concat('README.md', 'CHANGELOG.md')
  .filter((name) => /\.(?:ts|mjs|cjs|md)$/.test(name))
  .filter((name) => !name.startsWith('docs/api/') && name !== 'test/words.test.ts')

describe('Comments, titles of tests and documents', () => {
  test('are read by this test.', () => {
    expect(files.length).toBeGreaterThan(600)
    expect(files.flatMap(readable).filter((line) => line !== '').length).toBeGreaterThan(8000)
  })

  test.each(WORDS)('do not say $phrase, but for example "$instead".', ({ phrase }) => {
    const found = files.flatMap((file) =>
      readable(file).flatMap((line, i) => (phrase.test(line) ? [`${file}:${i + 1}: ${line.trim()}`] : [])),
    )
    expect(found).toEqual([])
  })
})
