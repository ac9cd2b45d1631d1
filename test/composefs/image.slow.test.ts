import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { byteKey, concatBytes, encodeUtf8 } from '../../src/bytes.ts'
import {
  checkXattrs,
  type DirectoryNode,
  dumpImage,
  type ImageNode,
  layOut,
  type NodeXattr,
  writeImage,
} from '../../src/composefs/index.ts'
import { describeReference, NEWEST_OSTREE } from '../support/reference.ts'
import { temporaryFolder } from '../support/temporary.ts'

const root = dirname(NEWEST_OSTREE)
const folder = temporaryFolder('memory')

/** Returns what `mkcomposefs` makes of a text. */
function mkcomposefs(text: string): Uint8Array {
  writeFileSync(join(folder, 'dump'), text)
  const image = join(folder, 'image')
  execFileSync(`${root}/usr/lib64/ld-linux-x86-64.so.2`, [
    '--library-path',
    `${root}/usr/lib/x86_64-linux-gnu`,
    `${root}/usr/bin/mkcomposefs`,
    '--from-file',
    join(folder, 'dump'),
    image,
  ])
  return readFileSync(image)
}

const imageOf = (tree: DirectoryNode): Uint8Array => concatBytes([...writeImage(layOut(tree))].map((x) => x.slice()))
const dumpOf = (tree: DirectoryNode): string => [...dumpImage(layOut(tree))].join('')

function directory(entries: Record<string, ImageNode>, attributes: Partial<DirectoryNode> = {}): DirectoryNode {
  return {
    kind: 'directory',
    mode: 0o040755,
    uid: 0,
    gid: 0,
    xattrs: [],
    entries: Object.entries(entries).map(([name, node]) => ({ name: encodeUtf8(name), node })),
    ...attributes,
  }
}

const link = (target: string, xattrs: NodeXattr[] = []): ImageNode => {
  return { kind: 'link', mode: 0o120777, uid: 0, gid: 0, xattrs, target: encodeUtf8(target) }
}

const file = (size: number): ImageNode => {
  return { kind: 'file', mode: 0o100644, uid: 0, gid: 0, xattrs: [], size, backing: 'ab/cd.file', digest: undefined }
}

const bytesOf = (min: number, max: number): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength: min, maxLength: max, min: 1 })

/** Names as a file system has them: without slash and NUL, neither `.` nor `..`. */
const name = fc
  .oneof({ weight: 3, arbitrary: fc.string({ minLength: 1, maxLength: 12 }).map(encodeUtf8) }, bytesOf(1, 255))
  .map((bytes) => bytes.map((byte) => (byte === 0x2f || byte === 0 ? 0x5f : byte)).subarray(0, 255))
  .filter((bytes) => !['.', '..'].includes(byteKey(bytes)))

const xattr = fc.tuple(
  fc
    .tuple(
      fc.constantFrom('user.', 'trusted.', 'trusted.overlay.', 'security.', 'system.', 'lustre.', 'x'),
      fc.string({ minLength: 1, maxLength: 9, unit: 'grapheme-ascii' }),
    )
    .map(([prefix, rest]) => encodeUtf8(prefix + rest.replaceAll(/[=\s\0]/g, '_'))),
  fc.oneof(fc.constant(encodeUtf8('shared')), fc.uint8Array({ maxLength: 40 })),
)

const xattrs = fc
  .oneof(fc.constant([]), fc.array(xattr, { maxLength: 4 }), fc.array(xattr, { minLength: 100, maxLength: 160 }))
  .map((list): NodeXattr[] => checkXattrs(list))

const attributes = fc.record({
  uid: fc.constantFrom(0, 1, 65535, 65536, 4294967294),
  gid: fc.constantFrom(0, 1000, 70000),
  xattrs,
})

const hex = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes).toString('hex'))

const fileNode = fc
  .tuple(attributes, hex, fc.constantFrom(0, 1, 4096, 4097, 2 ** 32 - 1, 2 ** 32, 2 ** 40 - 1), fc.boolean())
  .map(([rest, digest, size, bound]): ImageNode => {
    const backing = `${digest.slice(0, 2)}/${digest.slice(2)}.file`
    return { kind: 'file', mode: 0o104755, ...rest, size, backing, digest: bound ? (digest as never) : undefined }
  })

const linkNode = fc
  .tuple(attributes, fc.oneof(bytesOf(1, 40), bytesOf(1000, 3500)))
  .map(([rest, target]): ImageNode => ({ kind: 'link', mode: 0o120777, ...rest, xattrs: [], target }))

const { tree } = fc.letrec<{ tree: DirectoryNode; node: ImageNode }>((tie) => ({
  tree: fc
    .tuple(
      attributes,
      fc.oneof(
        { depthSize: 'small', withCrossShrink: true },
        fc.constant([]),
        fc.uniqueArray(fc.record({ name, node: tie('node') }), {
          maxLength: 12,
          selector: (entry) => byteKey(entry.name),
        }),
      ),
    )
    .map(([rest, entries]): DirectoryNode => ({ kind: 'directory', mode: 0o041755, ...rest, entries })),
  node: fc.oneof({ maxDepth: 4, withCrossShrink: true }, fileNode, linkNode, tie('tree')),
}))

describeReference(NEWEST_OSTREE, 'mkcomposefs', () => {
  const check = (made: DirectoryNode): void => {
    const expected = mkcomposefs(dumpOf(made))
    const actual = imageOf(made)
    if (!Buffer.from(actual).equals(expected))
      expect(Buffer.from(actual).toString('hex')).toBe(Buffer.from(expected).toString('hex'))
  }

  test('gives the same image of the dump of a random tree', () => {
    fc.assert(fc.property(tree, check), { numRuns: 150 })
  }, 60_000)

  test('gives the same image of directories of several blocks', () => {
    for (const count of [1, 60, 129, 130, 200, 700]) {
      const names = Array.from({ length: count }, (_, i) => `entry-${String(i).padStart(4, '0')}-${'n'.repeat(i % 60)}`)
      check(directory({ usr: directory(Object.fromEntries(names.map((entry, i) => [entry, file(i)]))) }))
    }
  })

  test('gives the same image of links whose targets reach the end of a block', () => {
    const lengths = [4000, 4010, 4020, 4030, 4031, 4032]
    check(directory(Object.fromEntries(lengths.map((length) => [`l${length}`, link('t'.repeat(length))]))))
  })
})

describe('what the format cannot hold is refused', () => {
  test.each([
    ['a name of 256 bytes', directory({ ['n'.repeat(256)]: file(0) }), 'File name too long'],
    ['a target of 4,096 bytes', directory({ l: link('t'.repeat(4096)) }), 'File name too long'],
    [
      'a target that does not fit a block with its inode',
      directory({ l: link('t'.repeat(4064)) }),
      'exceeds the limit',
    ],
  ])('%s', (_, made, message) => {
    expect(() => layOut(made)).toThrow(message)
  })

  const value = (length: number): NodeXattr[] => [[encodeUtf8('user.big'), new Uint8Array(length)]]

  test('attributes of more than 32,767 bytes', () => {
    expect(checkXattrs(value(32740))).toHaveLength(1)
    expect(() => checkXattrs(value(32741))).toThrow(
      'Setting composefs xattrs for user.big: Numerical result out of range',
    )
    expect(() => checkXattrs(value(65536))).toThrow('Setting composefs xattrs for user.big: Invalid argument')
    expect(() => checkXattrs([[new Uint8Array(0), new Uint8Array(0)]])).toThrow('Invalid argument')
  })

  test('a name that is set twice counts once, with its last value', () => {
    expect(checkXattrs([...value(20000), ...value(20001)])).toEqual(value(20001))
  })
})
