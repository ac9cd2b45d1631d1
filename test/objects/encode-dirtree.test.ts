/** `encodeDirTree` gives the bytes that the codec of a dirtree gives for sorted entries. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Checksum, compareUtf8 } from '../../src/bytes.ts'
import { GVariantValueError } from '../../src/gvariant/index.ts'
import { DirTree } from '../../src/objects/index.ts'
import { encodeDirTree } from '../../src/objects/internal.ts'

interface Directory {
  readonly tree: Checksum
  readonly meta: Checksum
}

const anyChecksum = fc
  .uint8Array({ minLength: 32, maxLength: 32 })
  .map((bytes) => Buffer.from(bytes).toString('hex') as Checksum)
const anyName = fc.oneof(
  fc.stringMatching(/^[a-z]{1,4}$/),
  fc.string({ unit: 'binary', minLength: 1, maxLength: 5 }).filter((name) => !name.includes('\0')),
  fc.integer({ min: 180, max: 260 }).map((length) => 'é'.repeat(length % 3).padEnd(length, 'n')),
)
const anyFiles = fc.uniqueArray(fc.tuple(anyName, anyChecksum), { selector: ([name]) => name, maxLength: 12 })
const anyDirs = fc.uniqueArray(fc.tuple(anyName, fc.record({ tree: anyChecksum, meta: anyChecksum })), {
  selector: ([name]) => name,
  maxLength: 6,
})

const SUM = 'a1'.repeat(32) as Checksum

function byCodec(files: ReadonlyMap<string, Checksum>, dirs: ReadonlyMap<string, Directory>): Uint8Array {
  const byName = (a: { name: string }, b: { name: string }) => compareUtf8(a.name, b.name)
  return DirTree.encode({
    files: Array.from(files, ([name, checksum]) => ({ name, checksum })).sort(byName),
    dirs: Array.from(dirs, ([name, { tree, meta }]) => ({ name, tree, meta })).sort(byName),
  })
}

function expectEqualBytes(files: ReadonlyMap<string, Checksum>, dirs: ReadonlyMap<string, Directory>): void {
  const expected = byCodec(files, dirs)
  expect(
    Buffer.compare(
      encodeDirTree(files, dirs, (dir) => dir),
      expected,
    ),
  ).toBe(0)
}

describe('encodeDirTree', () => {
  test('any entries are encoded as by the codec', () => {
    fc.assert(fc.property(anyFiles, anyDirs, (files, dirs) => expectEqualBytes(new Map(files), new Map(dirs))))
  })

  test.each([0, 1, 2, 3, 4, 5, 6, 1_300, 1_400, 1_500, 2_000])(
    '%i files and as many directories, whose lists have offsets of other widths, are encoded as by the codec',
    (count) => {
      const names = Array.from({ length: count }, (_, n) => `name ${(n * 7919) % 10_007}`)
      const files = new Map(names.map((name) => [name, SUM]))
      const dirs = new Map(names.map((name) => [`${name}.d`, { tree: SUM, meta: SUM }]))
      expectEqualBytes(files, new Map())
      expectEqualBytes(new Map(), dirs)
      expectEqualBytes(files, dirs)
    },
  )

  test.each(['\0', 'a\0', '\ud800', 'é\udfff'])('the name %j is refused', (name) => {
    expect(() => encodeDirTree(new Map([[name, SUM]]), new Map(), () => ({ tree: SUM, meta: SUM }))).toThrow(
      GVariantValueError,
    )
  })
})
