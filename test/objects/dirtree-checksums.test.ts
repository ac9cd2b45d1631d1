/**
 * `locateChecksums` finds in the bytes of a dirtree the checksums that decoding gives, and returns `undefined` where
 * decoding would refuse the dirtree.
 */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Checksum, compareUtf8, toHex } from '../../src/bytes.ts'
import { DirTree } from '../../src/objects/index.ts'
import { type DirTreeEntries, locateChecksums } from '../../src/objects/internal.ts'
import { checkedDirTree } from '../../src/repo/core/read-metadata.ts'

const NOWHERE = 'e'.repeat(64) as Checksum

const anyChecksum = fc
  .uint8Array({ minLength: 32, maxLength: 32 })
  .map((bytes) => Buffer.from(bytes).toString('hex') as Checksum)
const anyName = fc.oneof(
  { weight: 4, arbitrary: fc.stringMatching(/^[a-z.]{1,4}$/) },
  fc.constantFrom('.', '..', '', 'a/b', '.a', '..a', 'x'.repeat(300)),
  fc.string({ unit: 'binary', minLength: 1, maxLength: 5 }).filter((name) => !name.includes('\0')),
)
const byName = <T extends { readonly name: string }>(entries: readonly T[]) =>
  entries.toSorted((a, b) => compareUtf8(a.name, b.name))
/** Generates trees, nine of ten sorted. Names may be invalid or equal. */
const anyTree: fc.Arbitrary<DirTree> = fc
  .record({
    files: fc.array(fc.record({ name: anyName, checksum: anyChecksum }), { maxLength: 12 }),
    dirs: fc.array(fc.record({ name: anyName, tree: anyChecksum, meta: anyChecksum }), { maxLength: 6 }),
    sorted: fc.integer({ min: 0, max: 9 }),
  })
  .map(({ files, dirs, sorted }) => (sorted > 0 ? { files: byName(files), dirs: byName(dirs) } : { files, dirs }))

function readAsValues(bytes: Uint8Array) {
  let tree: DirTree
  try {
    tree = checkedDirTree(bytes, NOWHERE)
  } catch {
    return undefined
  }
  return {
    files: tree.files.map(({ checksum }) => checksum),
    dirs: tree.dirs.map(({ tree, meta }) => tree + meta),
    entries: tree,
  }
}

const file = (files: DirTreeEntries, i: number) => ({ name: files.name(i), checksum: files.checksum(i) })
const directory = (dirs: DirTreeEntries, i: number) => ({ name: dirs.name(i), ...dirs.directory(i) })

function valuesOf<T extends { name: string }>(entries: DirTreeEntries, value: (of: DirTreeEntries, i: number) => T) {
  const values = Array.from({ length: entries.length }, (_, i) => value(entries, i))
  expect(values.map(({ name }) => entries.indexOf(name))).toEqual([...values.keys()])
  for (const name of ['', '\0', 'nowhere', '\ud800', '\ufffd\uffff']) {
    if (!values.some((known) => known.name === name)) expect(entries.indexOf(name)).toBe(-1)
  }
  return values
}

function located(bytes: Uint8Array) {
  const found = locateChecksums(bytes)
  return (
    found && {
      files: Array.from(found.files, (at) => toHex(bytes, at, at + 32)),
      dirs: Array.from(found.dirs, (at) => toHex(bytes, at, at + 64)),
      entries: { files: valuesOf(found.files, file), dirs: valuesOf(found.dirs.detached(), directory) },
    }
  )
}

describe('locateChecksums', () => {
  test('it finds the checksums of a dirtree', () => {
    let sound = 0
    fc.assert(
      fc.property(anyTree, (tree) => {
        const bytes = DirTree.encode(tree)
        const values = readAsValues(bytes)
        if (values !== undefined) sound++
        expect(located(bytes)).toEqual(values)
      }),
      { numRuns: 500 },
    )
    expect(sound).toBeGreaterThan(50)
  })

  test('it finds checksums in damaged bytes exactly if they can be decoded', () => {
    const damages = fc.array(fc.tuple(fc.nat(), fc.oneof(fc.nat(255), fc.constantFrom(0, 1, 32, 33, 34, 0xff))), {
      minLength: 1,
      maxLength: 3,
    })
    const lengths = fc.integer({ min: -3, max: 3 })
    fc.assert(
      fc.property(anyTree, damages, lengths, (tree, damage, more) => {
        const whole = DirTree.encode(tree)
        const bytes = new Uint8Array(Math.max(0, whole.length + more))
        bytes.set(whole.subarray(0, bytes.length))
        // The offsets are at the end, where damage has the most effect.
        for (const [n, byte] of damage) bytes[Math.max(0, bytes.length - 1 - (n % 40))] = byte
        expect(located(bytes)).toEqual(readAsValues(bytes))
      }),
      { numRuns: 2000 },
    )
  })

  test.each([[[]], [[0]], [[1]], [[0, 0]], [[0, 1]]])(
    'it accepts the bytes %j exactly if they can be decoded',
    (bytes) => {
      expect(located(Uint8Array.from(bytes))).toEqual(readAsValues(Uint8Array.from(bytes)))
    },
  )

  test('it finds the checksums of a large dirtree, which has wide offsets', () => {
    const files = Array.from({ length: 3000 }, (_, n) => ({
      name: `f${String(n).padStart(5, '0')}`,
      checksum: n.toString(16).padStart(64, '0') as Checksum,
    }))
    const bytes = DirTree.encode({ files, dirs: [] })
    expect(bytes.length).toBeGreaterThan(0xffff)
    expect(located(bytes)?.files).toEqual(files.map(({ checksum }) => checksum))
  })
})
