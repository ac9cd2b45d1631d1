import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  formatBootEntry,
  kernelArg,
  parseBootEntry,
  parseOsRelease,
  splitKernelArgs,
  withKernelArg,
} from '../../src/sysroot/index.ts'

const ENTRY = `title Example OS 42 (ostree:0)
version 2
options root=UUID=x quiet ostree=/ostree/boot.1/one/${'0'.repeat(64)}/0
linux /ostree/one-x/vmlinuz-5.1
initrd /ostree/one-x/initramfs-5.1.img
`

describe('boot loader entries', () => {
  test('an entry is written as it was read, with known keys first', () => {
    expect(formatBootEntry(parseBootEntry(ENTRY))).toBe(ENTRY)
    expect(formatBootEntry(parseBootEntry('aboot_config x\n# a comment\n\nlinux /y\ntitle\tz\n'))).toBe(
      'title z\nlinux /y\naboot_config x\n',
    )
  })

  test('an entry with any keys and values is read as it was written', () => {
    const key = fc.stringMatching(/^[a-z][a-z_-]{0,8}$/)
    const value = fc.stringMatching(/^[^\s\0][^\n\r\0]{0,20}$/)
    fc.assert(
      fc.property(fc.uniqueArray(fc.tuple(key, value), { selector: ([name]) => name }), (pairs) => {
        expect(new Map(parseBootEntry(formatBootEntry(new Map(pairs))))).toEqual(new Map(pairs))
      }),
    )
  })
})

describe('kernel arguments', () => {
  test('arguments are split at spaces outside of quotes', () => {
    expect(splitKernelArgs('  a b="c d"  e="f" ')).toEqual(['a', 'b="c d"', 'e="f"'])
    expect(splitKernelArgs('')).toEqual([])
  })

  test('withKernelArg replaces all arguments of a name at the place of the first', () => {
    expect(withKernelArg(['a', 'ostree=1', 'b', 'ostree=2'], 'ostree', '3')).toEqual(['a', 'ostree=3', 'b'])
    expect(withKernelArg(['a'], 'ostree', '3')).toEqual(['a', 'ostree=3'])
    expect(kernelArg(['ostree=1', 'ostreex=2', 'ostree=3'], 'ostree')).toBe('3')
    expect(kernelArg(['ostree'], 'ostree')).toBeUndefined()
  })

  test('any arguments that are joined are split again into the same', () => {
    const arg = fc.stringMatching(/^[a-z0-9=.,/-]{1,10}$/)
    fc.assert(
      fc.property(fc.array(arg), (args) => {
        expect(splitKernelArgs(args.join(' '))).toEqual(args)
      }),
    )
  })
})

test.each([
  ['PRETTY_NAME="A \\"B\\" \\$C"', 'A "B" $C'],
  ["PRETTY_NAME='A \\B'", 'A \\B'],
  ['PRETTY_NAME=A', 'A'],
  [' PRETTY_NAME=""  ', ''],
  ['# PRETTY_NAME=x', undefined],
  ['PRETTY NAME=x', undefined],
])('the line %j of an os-release file is parsed', (text, value) => {
  expect(parseOsRelease(`X=1\n${text}\nY=2\n`).get('PRETTY_NAME')).toBe(value)
})
