/** The regular expressions of --tar-pathname-filter: those of PCRE that mean the same in JavaScript, beside ostree. */
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { pathnameFilter } from '../../../src/cli/commit/pathname-filter.ts'
import { UnsupportedError, UsageError } from '../../../src/errors.ts'
import { describeReference, run } from '../../support/reference.ts'
import { tarBytes } from '../../support/tar-bytes.ts'
import { temporaryFolder } from '../../support/temporary.ts'

describe('a filter of pathnames', () => {
  test.each([
    '[[:alpha:]]+,x',
    '\\Qa.b\\E,x',
    '\\Aetc,x',
    'etc\\z,x',
    '\\h,x',
    'a\\Kb,x',
    '(a)\\1,x',
    '(?i)ETC,x',
    'a++b,x',
    'a{2}+,x',
    '(?>a|ab)c,x',
    '(?P<n>a),x',
    '(?<=a)b,x',
    '(?<!a)b,x',
    '(?R),x',
    '(?(1)a|b),x',
    '(*UCP)a,x',
    '(a)*,x',
    '(?:(a)|b)+,x',
    '\\x41,x',
    '\\cA,x',
    '\\p{L},x',
  ])('%s is refused, because it has another meaning in PCRE', (filter) => {
    expect(() => pathnameFilter(filter)).toThrow(UnsupportedError)
  })

  test.each(['(', 'a)', '[a', '*a', 'a\\', '(?:a', 'a{2}{3}x('])(
    'the malformed expression %s is refused',
    (pattern) => {
      expect(() => pathnameFilter(`${pattern},x`)).toThrow(/--tar-pathname-filter: /)
      expect(() => pathnameFilter(`${pattern},x`)).toThrow(pattern.includes('{2}{3}') ? UnsupportedError : UsageError)
    },
  )

  test.each([
    ['a,<\\0>', 'ba', 'b<a>'],
    ['(a)(b)?,\\2\\1', 'ab', 'ba'],
    ['(?<n>a),\\g<n>\\g<1>\\g<9>', 'a', 'aa'],
    ['a,\\x41\\x{42}\\\\', 'a', 'AB\\'],
    ['[a[b]x]*,-', 'ax]', '-'],
  ])('%s turns %s into %s', (filter, path, expected) => {
    expect(pathnameFilter(filter)(path)).toBe(expected)
  })

  test.each(['\\q', '\\', '\\g<n', '\\.', '\\e'])('the replacement %s is malformed, as in GLib', (text) => {
    expect(() => pathnameFilter(`a,x${text}`)).toThrow(UsageError)
  })

  test.each(['\\u\\0', '\\L', '\\012', '\\10'])('the replacement %s is refused', (text) => {
    expect(() => pathnameFilter(`a,x${text}`)).toThrow(UnsupportedError)
  })

  test('a path is refused that the two engines may match differently', () => {
    const words = pathnameFilter('\\w+,x')
    expect(words('usr/bin')).toBe('x/x')
    expect(() => words('usr/été')).toThrow(UnsupportedError)
    const end = pathnameFilter('n$,x')
    expect(end('bin')).toBe('bix')
    expect(() => end('bin\n')).toThrow(UnsupportedError)
    expect(pathnameFilter('^usr/([^/]+),etc/\\1')('usr/été/\n')).toBe('etc/été/\n')
  })
})

/** Parts of expressions, all of which mean the same in both. */
const part = fc.constantFrom(
  ...[
    'a',
    'b',
    '/',
    'us',
    '\\.',
    '\\-',
    '.',
    '^',
    '$',
    '|',
    '[ab]',
    '[^/]',
    '[a-c/]',
    '[]a]',
    '[\\w.]',
    '\\d',
    '\\w',
    '\\b',
  ],
  ...['\\s', '(a|b)', '(?:us|etc)', '(?=a)', '(?!b)', '(?<n>bin)', '\\B', '\\W', '{', 'a{2}', '[/\\-]', '-', '}'],
)
const quantifier = fc.constantFrom('', '', '', '*', '+', '?', '*?', '+?', '??', '{2}', '{1}?')
const expression = fc
  .array(fc.tuple(part, quantifier), { minLength: 1, maxLength: 4 })
  .map((parts) => parts.map(([text, times]) => text + times).join(''))
const replacement = fc.constantFrom('x', '', '<\\0>', 'z/\\1', 'y')

describeReference('ostree', 'random filters of both programs', () => {
  const folder = temporaryFolder()
  const paths = ['usr/bin/ab', 'usr/a.b', 'etc/abba', 'b-a/usr', 'aab', 'x y/1']
  const archive = join(folder, 'tree.tar')

  test('the filters that are accepted rename files as in ostree', () => {
    writeFileSync(archive, tarBytes(paths.map((name) => ({ name, type: '0', body: name }))))
    run('ostree', ['init', `--repo=${folder}/r`, '--mode=archive'])
    let compared = 0
    fc.assert(
      fc.property(expression, replacement, (pattern, text) => {
        let renamed: string[]
        try {
          const filter = pathnameFilter(`${pattern},${text}`)
          renamed = paths.map(filter)
        } catch (error) {
          expect([UnsupportedError, UsageError]).toContain((error as Error).constructor)
          return
        }
        // Names that a tree cannot have would fail for other reasons.
        const usable = renamed.every((path) => /^[^/.<>\\][^<>]*[^/]$/.test(path) && !/\/[/.]/.test(path))
        const parents = renamed.some((path) => renamed.some((other) => other.startsWith(`${path}/`)))
        if (!usable || parents || new Set(renamed).size < renamed.length) return
        const args = ['commit', `--repo=${folder}/r`, '-b', 'm', `--tree=tar=${archive}`, '--tar-autocreate-parents']
        const made = spawnSync('ostree', [...args, `--tar-pathname-filter=${pattern},${text}`], { encoding: 'utf8' })
        expect([pattern, made.stderr]).toEqual([pattern, ''])
        const listed = run('ostree', ['ls', '-R', '--nul-filenames-only', `--repo=${folder}/r`, 'm', '/'])
        const files = renamed.map((path) => `/${path}`)
        expect([pattern, text, listed.split('\0')]).toEqual([pattern, text, expect.arrayContaining(files)])
        compared++
      }),
      { numRuns: 600 },
    )
    expect(compared).toBeGreaterThan(40)
  })
})
