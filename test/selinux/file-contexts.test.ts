import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { LimitError, OstreeError, UnsupportedError } from '../../src/errors.ts'
import { FileContexts } from '../../src/selinux/index.ts'

const of = (...lines: string[]) => new FileContexts({ fileContexts: lines.join('\n') })

describe('FileContexts', () => {
  test('an exact line for a path and type applies before all patterns, and otherwise the last pattern that matches', () => {
    const contexts = of('/usr/.*\tusr', '/usr/bin/sh\texact', '/usr/bin/.*\t--\tbin', '/usr/tmp(/.*)?\t<<none>>')
    expect(contexts.lookup('/usr/bin/sh', 0o100755)).toBe('exact')
    expect(contexts.lookup('/usr/bin/bash', 0o100755)).toBe('bin')
    expect(contexts.lookup('/usr/bin/bash', 0o120777)).toBe('usr')
    expect(contexts.lookup('/usr/bin/bash', 0)).toBe('bin')
    expect(contexts.lookup('/usr/tmp/x', 0o100644)).toBeUndefined()
    expect(contexts.lookup('/var', 0o040755)).toBeUndefined()
  })

  test('a dot in a pattern matches a byte, not a character', () => {
    const contexts = of('/.\tone', '/..\ttwo', '/a[^/]+b\tmany')
    expect(contexts.lookup('/é', 0)).toBe('two')
    expect(contexts.lookup('/aéb', 0)).toBe('many')
  })

  test('patterns of plain paths match like a comparison of strings', () => {
    const path = fc
      .array(fc.stringMatching(/^[a-z]{1,3}$/), { minLength: 1, maxLength: 4 })
      .map((p) => `/${p.join('/')}`)
    fc.assert(
      fc.property(fc.array(path, { maxLength: 20 }), path, (lines, asked) => {
        const contexts = of(...lines.map((line, i) => `${line}(/.*)?\t${i}`))
        const last = lines.findLastIndex((line) => asked === line || asked.startsWith(`${line}/`))
        expect(contexts.lookup(asked, 0)).toBe(last < 0 ? undefined : String(last))
      }),
    )
  })

  test('patterns match the same paths as RegExp', () => {
    const atom = fc.constantFrom('a', 'b', '.', '[ab]', '[^a]', '\\.', '(a|b)', '(?:ab)', '(|a)', '(a*b)', '((a|b)*)')
    const piece = fc
      .tuple(atom, fc.constantFrom('', '*', '+', '?', '{2}', '{1,2}', '{2,}', '*?'))
      .map((p) => p.join(''))
    const pattern = fc.array(piece, { maxLength: 5 }).map((pieces) => pieces.join(''))
    fc.assert(
      fc.property(
        fc.array(pattern, { minLength: 1, maxLength: 2 }),
        fc.stringMatching(/^[ab.]{0,8}$/),
        (parts, word) => {
          const source = `/${parts.join('|')}`
          const expected = new RegExp(`^${source}$`, 's').test(`/${word}`)
          expect(of(`${source}\tyes`).lookup(`/${word}`, 0) === 'yes').toBe(expected)
        },
      ),
      { numRuns: 500 },
    )
  })
})

describe('FileContexts of a hostile policy', () => {
  test.each(['(a*)*b', '(a|a)*b', '(a|aa)+$', '(.*)*(.*)*(.*)*x', '((a{1,20}){1,20})b', '(a?){200}a{200}'])(
    'the pattern %s takes time that is linear in the length of the path',
    (pattern) => {
      const contexts = of(`/${pattern}\tx`)
      const started = performance.now()
      contexts.lookup(`/${'a'.repeat(4000)}c`, 0)
      expect(performance.now() - started).toBeLessThan(5000)
    },
  )

  test.each([
    ['counts that multiply', '((((a{99}){99}){99}){99})', LimitError],
    ['counts of nothing', '((((){9999}){9999}){9999})', LimitError],
    ['3000 nested groups', '('.repeat(3000), LimitError],
    ['a pattern of 10 kB', 'a'.repeat(10_000), LimitError],
    ['a back reference', '(a)\\1', UnsupportedError],
    ['look-ahead', '(?=a)b', UnsupportedError],
    ['a recursion', '(?R)', UnsupportedError],
    ['a possessive quantifier', 'a++', UnsupportedError],
  ])('%s is refused', (_, pattern, kind) => {
    expect(() => of(`/${pattern}\tx`).lookup('/aaaa', 0)).toThrow(kind)
  })

  test.each([
    '(a',
    'a)',
    '[a',
    '[z-a]',
    '|*a',
    '(+)',
    'a**',
    'a{2}{2}',
    'a{3,2}',
    'a{99999}',
    '\\y',
    '[[:nope:]]',
    '[[.a.]]',
  ])('the invalid pattern %s is refused with its file and line', (pattern) => {
    expect(() => of('/ok\tx', `/${pattern}\tx`)).toThrow(`file_contexts:  line 2 has invalid regex /${pattern}:  `)
  })

  test('lookups beyond the limit of work are refused', () => {
    const lines = Array.from({ length: 100 }, (_, i) => `/.*b${i}.?\tx`)
    const contexts = new FileContexts({ fileContexts: lines.join('\n') }, { maxWork: 100_000 })
    const lookups = () => {
      for (let i = 0; i < 1000; i++) contexts.lookup(`/${'a'.repeat(100)}`, 0)
    }
    expect(lookups).toThrow(LimitError)
  })

  test('any text is read, or refused with an OstreeError', () => {
    const char = fc.constantFrom(...'/ab()[]{}?*+|^$.\\-:,12 \t\n#<>é\0')
    fc.assert(
      fc.property(fc.array(char, { maxLength: 60 }), (chars) => {
        try {
          new FileContexts({ fileContexts: chars.join('') }).lookup('/ab', 0o100644)
        } catch (error) {
          if (!(error instanceof OstreeError)) throw error
        }
      }),
      { numRuns: 1000 },
    )
  })
})
