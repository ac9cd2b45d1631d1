import { expect, test } from 'vitest'
import {
  decodeTarName,
  detached,
  relativeTarPath,
  splitTarPath,
  withoutTrailingSlashes,
} from '../../../../src/repo/commit/tar/path.ts'

const bytes = (text: string) => new TextEncoder().encode(text)

test('a name in an archive is UTF-8 without NUL', () => {
  expect(decodeTarName(bytes('ü'), 'pathname')).toBe('ü')
  expect(decodeTarName(bytes('\ufeffx'), 'pathname')).toBe('\ufeffx')
  expect(() => decodeTarName(bytes('a\0b'), 'pathname')).toThrow('Archive entry pathname contains a NUL byte')
  expect(() => decodeTarName(Uint8Array.of(0xc3), 'linkname')).toThrow('Archive entry linkname is not valid UTF-8')
})

test.each([
  ['./a/./b//c/', 'a/./b//c/'],
  ['.', ''],
  ['/', ''],
  ['', ''],
  ['..a/b..', '..a/b..'],
  ['/../../a', 'a'],
])('%j is below the root as %j', (path, relative) => {
  expect(relativeTarPath(path)).toBe(relative)
})

test('what lies on the way to a path are its names', () => {
  expect(splitTarPath('a/./b//c/')).toEqual(['a', 'b', 'c'])
  expect(withoutTrailingSlashes('a//')).toBe('a')
  expect(withoutTrailingSlashes('//')).toBe('')
})

test('a name cut from a long path is the same name', () => {
  const path = `${'x'.repeat(5000)}/näme-of-a-file`
  expect(detached(path.slice(5001), path)).toBe('näme-of-a-file')
  expect(detached('b', 'a/b')).toBe('b')
})
