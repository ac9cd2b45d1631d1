import { expect, test } from 'vitest'
import {
  decodeTarName,
  detached,
  relativeTarPath,
  splitTarPath,
  withoutTrailingSlashes,
} from '../../../../src/repo/commit/tar/path.ts'

const bytes = (text: string) => new TextEncoder().encode(text)

test('a name in an archive that is not UTF-8 or that has a NUL is refused', () => {
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
])('the path %j is %j relative to the root', (path, relative) => {
  expect(relativeTarPath(path)).toBe(relative)
})

test('a path is split into its names without dots and empty ones', () => {
  expect(splitTarPath('a/./b//c/')).toEqual(['a', 'b', 'c'])
  expect(withoutTrailingSlashes('a//')).toBe('a')
  expect(withoutTrailingSlashes('//')).toBe('')
})

test('detached returns the name of a long path', () => {
  const path = `${'x'.repeat(5000)}/näme-of-a-file`
  expect(detached(path.slice(5001), path)).toBe('näme-of-a-file')
  expect(detached('b', 'a/b')).toBe('b')
})
