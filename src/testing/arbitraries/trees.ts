/** fast-check generators of file trees: valid, with names, modes and links that often reveal errors. */

import fc from 'fast-check'
import { encodeUtf8 } from '../../bytes.ts'
import type { Xattrs } from '../../objects/index.ts'
import { type Directory, directory, type FileAttributes, file, symlink, type TreeNode } from '../builders.ts'
import { withLinks } from './links.ts'
import { anyFilename } from './objects.ts'

/** Lets a value shrink to one of the first alternative. */
const CROSS = { withCrossShrink: true }

/** Valid names that break careless code: shells, globs, URLs, objects used as maps, sorting, normalisation, width. */
const HOSTILE_NAMES: readonly string[] = [
  ...'-rf -- - ~ * ? [a] $(id) `id` $x ; | & " \' \\ \\..\\x %2e%2e ... ..a .a a A a- a. a0 ab a:b C: user@host:'.split(
    ' ',
  ),
  ...'__proto__ constructor toString length 0 10 9 -0 1e3 NaN null undefined CON nul.txt file:'.split(' '),
  ...'\x01 \x7f \u202e \ufeff \u200b \u00e9 e\u0301 \u212b \ue000 \uffff \u{10000} \u{1f600} \u{10ffff} \u0627'.split(
    ' ',
  ),
  ...[' ', '. ', '.. ', ' a', 'a ', '\t', '\r', 'a\nb'],
  ...['n'.repeat(255), '\u00fc'.repeat(127), '\u{1f600}'.repeat(63)],
]

/** A name that is also valid in a directory on disk: at most 255 bytes. */
export const anyHostileName: fc.Arbitrary<string> = fc
  .oneof(CROSS, { weight: 2, arbitrary: anyFilename }, { weight: 1, arbitrary: fc.constantFrom(...HOSTILE_NAMES) })
  .filter((name) => encodeUtf8(name).length <= 255)

/** Options of `anyTree`. */
export interface TreeOptions {
  /** Owners other than 0:0. Default true. */
  readonly owners?: boolean
  /** Xattrs with `user.`, `security.` and `trusted.` names and binary values. Default true. */
  readonly xattrs?: boolean
  /** Set-id, sticky and world-writable modes. Default true. */
  readonly specialModes?: boolean
  /** Files under several names. Default true. */
  readonly hardLinks?: boolean
  /** Names that begin with `.wh.`, which mean deletions in layers. Default false. */
  readonly whiteouts?: boolean
  /** Levels of directories. Default 4. */
  readonly depth?: number
}

/** Options for trees that a bare-user-only repository can store. */
export const CANONICAL_TREE_OPTIONS: TreeOptions = { owners: false, xattrs: false, specialModes: false }

const XATTR_NAMES = [
  'security.capability',
  'security.selinux',
  'trusted.overlay.opaque',
  'user.a',
  'user.b',
  'user.\u00fc',
]

/** Sorted xattrs with binary values that are not empty: empty ones are dropped when read from an inode. */
const anyInodeXattrs: fc.Arbitrary<Xattrs> = fc
  .tuple(
    fc.subarray(XATTR_NAMES, { maxLength: 3 }),
    fc.array(fc.uint8Array({ minLength: 1, maxLength: 40 }), { minLength: 3 }),
  )
  .map(([names, values]) => names.map((name, i) => [encodeUtf8(name), values[i] ?? Uint8Array.of(0)] as const))

function anyInode(options: TreeOptions, modes: readonly number[]): fc.Arbitrary<FileAttributes> {
  const id = options.owners === false ? fc.constant(0) : fc.constantFrom(0, 0, 1, 1000, 65534, 4294967294)
  const mode = fc.constantFrom(...modes.filter((bits) => options.specialModes !== false || (bits & ~0o775) === 0))
  const xattrs = options.xattrs === false ? fc.constant([]) : fc.oneof(CROSS, fc.constant([]), anyInodeXattrs)
  return fc.record({ uid: id, gid: id, mode, xattrs })
}

const anyContent = fc.oneof(
  CROSS,
  { weight: 3, arbitrary: fc.uint8Array({ maxLength: 60 }) },
  { weight: 1, arbitrary: fc.nat(20_000).map((size) => new Uint8Array(size).fill(size)) },
)

const anyTarget = fc.oneof(
  CROSS,
  fc.constantFrom('..', '../../..', '/', '/etc/passwd', '.', 'a//b/', ' ', 'x'.repeat(4000)),
  fc.array(anyFilename, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/')),
)

/** Generates a tree. */
export function anyTree(options: TreeOptions = {}): fc.Arbitrary<Directory> {
  const { depth = 4, whiteouts = false, hardLinks = true } = options
  const names = whiteouts
    ? fc.oneof({ weight: 4, arbitrary: anyHostileName }, fc.constantFrom('.wh.a', '.wh..wh..opq', '.wh.b'))
    : anyHostileName.filter((name) => !name.startsWith('.wh.'))
  const files = fc
    .tuple(anyContent, anyInode(options, [0o644, 0o755, 0o600, 0o444, 0o4755, 0o2755, 0o1666, 0o777]))
    .map(([content, inode]) => file(content, inode))
  const links = fc
    .tuple(anyTarget, anyInode({ ...options, specialModes: true }, [0o777]))
    .map(([target, inode]) => symlink(target, inode))
  const directories = fc.memo((levels): fc.Arbitrary<Directory> => {
    const leaf: fc.Arbitrary<TreeNode> = fc.oneof(
      CROSS,
      { weight: 3, arbitrary: files },
      { weight: 1, arbitrary: links },
    )
    const node =
      levels <= 1
        ? leaf
        : fc.oneof(CROSS, { weight: 3, arbitrary: leaf }, { weight: 2, arbitrary: directories(levels - 1) })
    return fc
      .tuple(
        fc.uniqueArray(fc.tuple(names, node), { selector: ([name]) => name, maxLength: 6 }),
        anyInode(options, [0o755, 0o700, 0o555, 0o1777, 0o2775]),
      )
      .map(([children, inode]) => directory(children, inode))
  })
  if (!hardLinks) return directories(depth)
  const more = fc.array(fc.record({ file: fc.nat(), into: fc.nat(), name: names }), { maxLength: 4 })
  return fc.tuple(directories(depth), more).map(([tree, added]) => withLinks(tree, added))
}
