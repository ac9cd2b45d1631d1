/** Checks the table of the vectors: every file is listed, every listed file exists and is read by a test. */
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { goldenJson } from '../support/golden.ts'

const here = fileURLToPath(new URL('../golden/', import.meta.url))
const tests = fileURLToPath(new URL('../', import.meta.url))

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => `${parentPath.replace(/\/$/, '')}/${name}`.slice(folder.length))
    .sort()
}

const files = filesBelow(here).filter((name) => name !== 'README.md')
const rows = readFileSync(`${here}README.md`, 'utf8')
  .split('\n')
  .filter((line) => line.startsWith('| `'))
  .map((line) => {
    const [, names = '', what = '', origin = ''] = line
      .split(' | ')
      .flatMap((cell, i) => (i === 0 ? ['', cell] : [cell]))
    return { names: [...names.matchAll(/`([^`]+)`/g)].map(([, name]) => name as string), what, origin }
  })

/** Returns a matcher of names. @param pattern a name, in which `*` stands for any text without a slash */
function matches(pattern: string): (name: string) => boolean {
  const source = pattern
    .split('*')
    .map((part) => part.replace(/[.\\+?^${}()|[\]]/g, '\\$&'))
    .join('[^/]*')
  const whole = new RegExp(`^${source}$`)
  return (name) => whole.test(name)
}

describe('the table of the vectors', () => {
  const patterns = rows.flatMap(({ names }) => names)

  test('the table lists every file once', () => {
    const listed = files.map((name) => [name, patterns.filter((pattern) => matches(pattern)(name)).length] as const)
    expect(listed.filter(([, count]) => count !== 1)).toEqual([])
  })

  test('the table lists only existing files', () => {
    expect(patterns.filter((pattern) => !files.some(matches(pattern)))).toEqual([])
  })

  test('the table has content and origin of every file', () => {
    expect(rows.length).toBeGreaterThan(30)
    for (const { what, origin } of rows)
      expect([what.length > 10, origin.replace(/\W/g, '').length > 3]).toEqual([true, true])
  })
})

test('every file of vectors is named in a test', () => {
  const sources = filesBelow(tests)
    .filter((name) => /\.ts$/.test(name) && name !== 'testing/vectors.test.ts')
    .map((name) => readFileSync(`${tests}${name}`, 'utf8'))
    .join('\n')
  const nameOf = (file: string) =>
    /layers2?\//.test(file)
      ? 'container/derived-layers'
      : (file.split('/').at(-1) as string).replace(/\.(json|tar|tar\.gz)$/, '')
  expect(files.filter((file) => !sources.includes(nameOf(file)))).toEqual([])
})

/** Numbers of vectors per file: a truncated file would pass every test that iterates over it. */
const COUNTS: Readonly<Record<string, number | Readonly<Record<string, number>>>> = {
  'gvariant-glib.json': { bytes: 544, texts: 445, deepTexts: 110, nestedVariants: 42, wide: 60 },
  'core/gvariant-text.json': 162,
  'core/gvariant-nonnormal.json': 60,
  'core/hash-order.json': 34,
  'core/metadata-text.json': 35,
  'core/file-checksums.json': 27,
  'core/objects-archive.json': 39,
  'core/filez-levels.json': { inputs: 3, objects: 27 },
  'core/repo-modes.json': { archive: 6, bare: 6, 'bare-user': 6, 'bare-user-only': 6 },
  'core/commits.json': { inputs: 2, commits: 22 },
  'core/commits-objects.json': 45,
  'core/checkouts.json': 55,
  'core/cli-transcripts.json': 307,
  'core/deltas.json': { deltas: 8 },
  'newest/deltas.json': { deltas: 6 },
  'container/derived-layers.json': { cases: 22 },
  'container/derived-layers-2.json': { cases: 11 },
  'container/exampleos-export.json': { entries: 77 },
  'container/config-normalisation.json': { cases: 2 },
  'container-real/commands.json': 32,
  'container-real/encapsulate.json': { commits: 5, cases: 40 },
  'container-real/import.json': 102,
  'container/format-size.json': { cases: 17 },
  'container/refescape.json': { escape: 29, errors: 2, unescape: 6, prefix: 3 },
  'container/paths.json': { normalize: 34, remap_link_target: 12 },
  'container/imgrefs.json': {
    image_reference: 10,
    image_reference_errors: 7,
    ostree_image_reference: 6,
    ostree_image_reference_errors: 5,
  },
}

test.each(Object.entries(COUNTS))('the file %s has the expected number of vectors', (name, expected) => {
  const found = goldenJson<readonly unknown[] | Record<string, object>>(name)
  if (typeof expected === 'number') expect(found).toHaveLength(expected)
  else {
    const counts = Object.keys(expected).map((key) => [
      key,
      Object.keys((found as Record<string, object>)[key] ?? {}).length,
    ])
    expect(Object.fromEntries(counts)).toEqual(expected)
  }
})
