import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeUtf8, encodeUtf8 } from '../../../src/bytes.ts'
import {
  normalisePath,
  normaliseSymlinkTarget,
  type PathRules,
  pathInObjectStore,
  remapLinkTarget,
} from '../../../src/container/layers/path-rules.ts'
import { InvalidNameError } from '../../../src/errors.ts'
import { goldenJson } from '../../support/golden.ts'

type Outcome = { readonly path: string } | { readonly filtered: string } | { readonly error: string }
type RuleName = 'default' | 'allow_nonusr' | 'retain_var' | 'allow_nonusr_retain_var'
interface Vectors {
  readonly normalize: readonly ({ readonly path: string } & Readonly<Record<RuleName, Outcome>>)[]
  readonly remap_link_target: readonly (readonly [string, string])[]
}

const RULES: Record<RuleName, PathRules> = {
  default: {},
  allow_nonusr: { allowNonusr: true },
  retain_var: { retainVar: true },
  allow_nonusr_retain_var: { allowNonusr: true, retainVar: true },
}

/** Splits a path into names: a form that does not depend on its spelling. */
const names = (path: string) => path.split('/').filter((name) => name !== '' && name !== '.')

function outcome(path: Uint8Array, rules: PathRules): { path: string[] } | { filtered: string } | { error: string } {
  try {
    const placed = normalisePath(path, rules)
    return typeof placed === 'string' ? { filtered: placed } : { path: names(decodeUtf8(placed) as string) }
  } catch (error) {
    expect(error).toBeInstanceOf(InvalidNameError)
    return { error: (error as Error).message }
  }
}

const vectors = goldenJson<Vectors>('container/paths.json')

/** Generates paths with all kinds of redundant components. */
const anyPath = fc
  .array(
    fc.oneof(
      fc.constantFrom('usr', 'etc', 'var', 'run', 'tmp', 'proc', 'sys', 'dev', 'boot', 'sysroot', 'ostree', 'repo'),
      fc.constantFrom('', '.', '..', '...', '.a', '..a', 'a.', 'usrx', 'us', 'ä', '𝄞'),
    ),
    { maxLength: 6 },
  )
  .map((parts) => parts.join('/'))

describe('the path of an entry', () => {
  const cases = vectors.normalize.flatMap((vector) =>
    (Object.keys(RULES) as RuleName[]).map((rule) => [vector.path, rule, vector[rule]] as const),
  )
  test.each(cases)('the path %j becomes, by the rules %s, %o (cases D2, D7)', (path, rule, expected) => {
    const place = outcome(encodeUtf8(path), RULES[rule])
    expect(place).toEqual('path' in expected ? { path: names(expected.path) } : expected)
  })

  test('a random path becomes what a simple model of the rules gives', () => {
    // The same rules on strings, without optimisation.
    const model = (path: string, { allowNonusr, retainVar }: PathRules) => {
      const parts = names(path)
      const [first, second] = parts
      if (parts.includes('..')) return { error: `Invalid path: ${path.replace(/^\/+/, '')}` }
      if (first === undefined || first === 'usr') return { path: parts }
      if (first === 'etc') return { path: ['usr', ...parts] }
      if (first === 'var') return { path: retainVar ? parts : ['usr', 'share', 'factory', ...parts] }
      if (['run', 'tmp', 'proc', 'sys', 'dev'].includes(first)) {
        return second === undefined ? { path: parts } : { filtered: second }
      }
      return allowNonusr ? { path: parts } : { filtered: first }
    }
    fc.assert(
      fc.property(anyPath, fc.boolean(), fc.boolean(), (path, allowNonusr, retainVar) => {
        const rules = { allowNonusr, retainVar }
        expect(outcome(encodeUtf8(path), rules)).toEqual(model(path, rules))
      }),
      { numRuns: 1000 },
    )
  })

  test('a path that does not change is returned as the same array', () => {
    for (const path of ['usr/bin/bash', './usr/bin/', 'usr', './', 'run', 'usr/.wh.x', 'usr/a..b']) {
      const bytes = encodeUtf8(path)
      expect(normalisePath(bytes, {})).toBe(bytes)
    }
  })

  test('a path of random bytes gives a path, a filtered name or a typed error', () => {
    const bytes = fc.array(fc.oneof(fc.constantFrom(0x2f, 0x2e, 0x65, 0x74, 0x63), fc.nat(255)), { maxLength: 24 })
    fc.assert(
      fc.property(bytes, fc.boolean(), (codes, allowNonusr) => {
        const path = Uint8Array.from(codes)
        try {
          const placed = normalisePath(path, { allowNonusr })
          if (typeof placed !== 'string') expect(names(latin1(placed))).not.toContain('..')
        } catch (error) {
          expect(error).toBeInstanceOf(InvalidNameError)
        }
        expect(remapLinkTarget(path)).toBeInstanceOf(Uint8Array)
        expect(normaliseSymlinkTarget(path)).toBeInstanceOf(Uint8Array)
        pathInObjectStore(path)
      }),
      { numRuns: 500 },
    )
  })

  test('a path that is not UTF-8 is an error even if it would be filtered', () => {
    const path = Uint8Array.of(0x62, 0x2f, 0xff)
    expect(() => normalisePath(path, {})).toThrow('Archive entry pathname is not valid UTF-8')
  })
})

const latin1 = (bytes: Uint8Array) => Array.from(bytes, (code) => String.fromCharCode(code)).join('')

describe('the target of a hard link', () => {
  test.each(vectors.remap_link_target)('the target %j of a hard link becomes %j (cases D1, D7)', (target, expected) => {
    expect(decodeUtf8(remapLinkTarget(encodeUtf8(target)))).toBe(expected)
  })

  test('the target of a hard link in etc becomes the path of a file there', () => {
    fc.assert(
      fc.property(anyPath, (path) => {
        const parts = names(path)
        if (parts[0] !== 'etc' || parts.includes('..')) return
        const target = decodeUtf8(remapLinkTarget(encodeUtf8(path))) as string
        expect({ path: names(target) }).toEqual(outcome(encodeUtf8(path), {}))
      }),
      { numRuns: 500 },
    )
  })
})

describe('the target of a symbolic link', () => {
  test.each([
    ['../lib', '../lib'],
    ['a//b', 'a/b'],
    ['a/./b', 'a/b'],
    ['./a', './a'],
    ['././a', './a'],
    ['/a', '/a'],
    ['//a', '/a'],
    ['/./a', '/a'],
    ['a/../../b', 'a/../../b'],
    ['a/', 'a/'],
    ['a//', 'a/'],
    ['a/.', 'a'],
    ['a/./', 'a/'],
    ['/', '//'],
    ['//', '//'],
    ['.', '.'],
    ['./', './'],
    ['..', '..'],
    ['...', '...'],
    ['.a/b', '.a/b'],
    ['', ''],
    ['ä//ö', 'ä/ö'],
    // Normalised only if the result fits into a header; with one more byte it is not.
    [`${'x'.repeat(98)}//y`, `${'x'.repeat(98)}/y`],
    [`${'x'.repeat(99)}//y`, `${'x'.repeat(99)}//y`],
  ])('the target %j of a symbolic link becomes %j (case D8)', (target, expected) => {
    expect(decodeUtf8(normaliseSymlinkTarget(encodeUtf8(target)))).toBe(expected)
  })

  test('normalising the target of a symbolic link is idempotent', () => {
    fc.assert(
      fc.property(anyPath, (path) => {
        const once = normaliseSymlinkTarget(encodeUtf8(path))
        // The only exception: `/.` becomes `/`, which becomes `//`.
        fc.pre(decodeUtf8(once) !== '/')
        expect(normaliseSymlinkTarget(once)).toEqual(once)
      }),
      { numRuns: 500 },
    )
  })
})

test.each([
  ['sysroot/ostree/repo/objects/aa/x.file', 'objects/aa/x.file'],
  ['/sysroot//ostree/./repo/x', 'x'],
  ['sysroot/ostree/repo', ''],
  ['./sysroot/ostree/repo/x', undefined],
  ['sysroot/ostree/repository', undefined],
  ['sysroot/ostree', undefined],
  ['sysrootx/ostree/repo/x', undefined],
  ['usr/sysroot/ostree/repo/x', undefined],
])('the path %j is %j in the object store', (path, expected) => {
  expect(pathInObjectStore(encodeUtf8(path))).toBe(expected)
})
