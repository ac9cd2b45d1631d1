/**
 * Random trees of files that collide with each other when they are merged, because they have few names and entries of all
 * kinds.
 */
import { chmodSync, lchownSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import fc from 'fast-check'
import { encodeUtf8 } from '../../src/bytes.ts'
import { loadNative } from '../../src/system/native.ts'
import { isRoot } from './machine.ts'

export type Entry =
  | {
      readonly kind: 'file'
      readonly content: string
      readonly mode: number
      readonly owner: number
      readonly xattr: string
    }
  | { readonly kind: 'symlink'; readonly target: string; readonly owner: number }
  | {
      readonly kind: 'directory'
      readonly children: Readonly<Record<string, Entry>>
      readonly mode: number
      readonly owner: number
      readonly xattr: string
    }
export type Directory = Extract<Entry, { kind: 'directory' }>

const owner = isRoot ? fc.constantFrom(0, 0, 1000) : fc.constant(process.getuid?.() ?? 0)
const xattr = fc.constantFrom('', '', 'v')

export interface TreeOptions {
  readonly names: readonly string[]
  readonly depth?: number
  readonly targets?: readonly string[]
}

/** Generates a directory that its owner can read and write. */
export function anyCollidingTree({
  names,
  depth = 3,
  targets = ['a', 'b', 'nowhere'],
}: TreeOptions): fc.Arbitrary<Directory> {
  const file = fc.record({
    kind: fc.constant('file' as const),
    content: fc.constantFrom('', '', 'x', 'yy', 'z'.repeat(5000)),
    mode: fc.constantFrom(0o644, 0o644, 0o755, 0o600, 0o4755, 0o2644, 0o200, 0o1666),
    owner,
    xattr,
  })
  const symlink = fc.record({ kind: fc.constant('symlink' as const), target: fc.constantFrom(...targets), owner })
  const directory = (left: number): fc.Arbitrary<Directory> => {
    const entry: fc.Arbitrary<Entry> =
      left === 0 ? fc.oneof(file, symlink) : fc.oneof(file, symlink, directory(left - 1))
    return fc.record({
      kind: fc.constant('directory' as const),
      children: fc.dictionary(fc.constantFrom(...names), entry, { maxKeys: 5, noNullPrototype: true }),
      mode: fc.constantFrom(0o755, 0o755, 0o700, 0o1777, 0o2775),
      owner,
      xattr,
    })
  }
  return directory(depth)
}

/**
 * Creates an entry in the file system.
 * @param path of the entry. It must not exist; if the entry is a directory, an empty directory may.
 */
export function createEntry(path: string, entry: Entry): void {
  if (entry.kind === 'symlink') {
    symlinkSync(entry.target, path)
    lchownSync(path, entry.owner, entry.owner)
    return
  }
  if (entry.kind === 'directory') {
    mkdirSync(path, { recursive: true })
    for (const [name, child] of Object.entries(entry.children)) createEntry(`${path}/${name}`, child)
  } else {
    writeFileSync(path, entry.content)
  }
  lchownSync(path, entry.owner, entry.owner)
  chmodSync(path, entry.mode)
  if (entry.xattr !== '') loadNative()?.setXattr(path, 'user.x', encodeUtf8(entry.xattr))
}
