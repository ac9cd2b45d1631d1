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

/** Names on the way: the form of a path that does not depend on how it is spelled. */
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

/** Paths with every detour a tar may take. */
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
  test.each(cases)('D2, D7: %j goes by the rules %s to %o', (path, rule, expected) => {
    const place = outcome(encodeUtf8(path), RULES[rule])
    expect(place).toEqual('path' in expected ? { path: names(expected.path) } : expected)
  })

  test('goes where a plain reading of the rules says', () => {
    // The rules once more, on strings and with no thought of speed.
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

  test('costs nothing when it is right as it is', () => {
    for (const path of ['usr/bin/bash', './usr/bin/', 'usr', './', 'run', 'usr/.wh.x', 'usr/a..b']) {
      const bytes = encodeUtf8(path)
      expect(normalisePath(bytes, {})).toBe(bytes)
    }
  })

  test('may be any bytes: it has a place, a count or an error', () => {
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

  test('is no UTF-8, and said to be so even where it would be left out', () => {
    const path = Uint8Array.of(0x62, 0x2f, 0xff)
    expect(() => normalisePath(path, {})).toThrow('Archive entry pathname is not valid UTF-8')
  })
})

const latin1 = (bytes: Uint8Array) => Array.from(bytes, (code) => String.fromCharCode(code)).join('')

describe('the target of a hard link', () => {
  test.each(vectors.remap_link_target)('D1, D7: %j becomes %j', (target, expected) => {
    expect(decodeUtf8(remapLinkTarget(encodeUtf8(target)))).toBe(expected)
  })

  test('in etc leads to where a file of that path goes', () => {
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
    // Tidied it fits into a header, and so is tidied; one more byte and nothing happens.
    [`${'x'.repeat(98)}//y`, `${'x'.repeat(98)}/y`],
    [`${'x'.repeat(99)}//y`, `${'x'.repeat(99)}//y`],
  ])('D8: %j becomes %j', (target, expected) => {
    expect(decodeUtf8(normaliseSymlinkTarget(encodeUtf8(target)))).toBe(expected)
  })

  test('does not change when it is tidied twice', () => {
    fc.assert(
      fc.property(anyPath, (path) => {
        const once = normaliseSymlinkTarget(encodeUtf8(path))
        // `/.` becomes `/`, and that alone `//`.
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
])('%j holds %j of the object store', (path, expected) => {
  expect(pathInObjectStore(encodeUtf8(path))).toBe(expected)
})
