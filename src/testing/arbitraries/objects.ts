/** fast-check generators of OSTree objects: well-formed ones, ones that break a single rule, and damaged bytes. */

import fc from 'fast-check'
import { type Checksum, compareBytes, compareUtf8, encodeUtf8, toHex } from '../../bytes.ts'
import { string, type Variant, variantOf } from '../../gvariant/index.ts'
import {
  Commit,
  DirMeta,
  DirTree,
  type FileHeader,
  type FileObject,
  S_IFDIR,
  S_IFLNK,
  S_IFREG,
  sortXattrs,
  type Xattr,
  type Xattrs,
} from '../../objects/index.ts'
import { printCommit, printedAs } from '../printing.ts'

/** Lets a value shrink to one of the first alternative. */
const CROSS = { withCrossShrink: true }

/** Any checksum: 64 lower-case hexadecimal digits. */
export const anyChecksum: fc.Arbitrary<Checksum> = fc
  .uint8Array({ minLength: 32, maxLength: 32 })
  .map((bytes) => toHex(bytes) as Checksum)

/** A checksum of too few or too many bytes. */
const anyWrongChecksum = fc
  .uint8Array({ minLength: 1, maxLength: 40 })
  .filter((bytes) => bytes.length !== 32)
  .map((bytes) => toHex(bytes) as Checksum)

/** Any valid name in a dirtree: text other than `.` and `..`, without `/` and NUL. */
export const anyFilename: fc.Arbitrary<string> = fc
  .oneof(
    CROSS,
    fc.stringMatching(/^[a-z0-9._-]{1,12}$/),
    fc.string({ unit: 'binary', minLength: 1, maxLength: 12 }),
    fc.constantFrom('...', '~', 'ünï', '日本語', 'with space', 'new\nline', '\ue000', '\u{10000}'),
  )
  .map((name) => name.replaceAll(/[/\0]/g, '_'))
  .filter((name) => name !== '.' && name !== '..')

const anyXattrName = fc.oneof(
  fc
    .constantFrom('user.a', 'user.b', 'security.selinux', 'security.capability', 'trusted.overlay.opaque')
    .map(encodeUtf8),
  fc.uint8Array({ min: 1, minLength: 1, maxLength: 8 }),
)

/** Xattrs in any order, as in a tar file, each name once. */
export const anyUnsortedXattrs: fc.Arbitrary<Xattrs> = fc.uniqueArray(
  fc.tuple(anyXattrName, fc.uint8Array({ maxLength: 30 })),
  { selector: ([name]) => toHex(name), maxLength: 4 },
)

/** Xattrs in canonical order. */
export const anyXattrs: fc.Arbitrary<Xattrs> = anyUnsortedXattrs.map(sortXattrs)

const anyId = fc.oneof(CROSS, fc.constantFrom(0, 1000), fc.integer({ min: 0, max: 0xffff_ffff }))
const anyPermissions = fc.oneof(
  CROSS,
  fc.constantFrom(0o644, 0o755, 0o4755, 0o1777),
  fc.integer({ min: 0, max: 0o7777 }),
)
const anyTarget = fc.string({ unit: 'binary', minLength: 1, maxLength: 20 }).map((text) => text.replaceAll('\0', '_'))

/** A header of a regular file or a symbolic link. */
export const anyFileHeader: fc.Arbitrary<FileHeader> = fc.oneof(
  CROSS,
  fc.record({
    uid: anyId,
    gid: anyId,
    mode: anyPermissions.map((bits) => S_IFREG | bits),
    target: fc.constant(''),
    xattrs: anyXattrs,
  }),
  fc.record({ uid: anyId, gid: anyId, mode: fc.constant(S_IFLNK | 0o777), target: anyTarget, xattrs: anyXattrs }),
)

/** A file with its content as one array. */
export const anyFile: fc.Arbitrary<FileObject & { body: Uint8Array }> = fc
  .tuple(anyFileHeader, fc.uint8Array({ maxLength: 200 }))
  .map(([header, bytes]) => {
    const body = header.target === '' ? bytes : new Uint8Array(0)
    return { header, size: body.length, body }
  })

/** A well-formed dirmeta. */
export const anyDirMeta: fc.Arbitrary<DirMeta> = fc.record({
  uid: anyId,
  gid: anyId,
  mode: anyPermissions.map((bits) => S_IFDIR | bits),
  xattrs: anyXattrs,
})

/** A well-formed dirtree: sorted names, each once. */
export const anyDirTree: fc.Arbitrary<DirTree> = fc
  .uniqueArray(fc.tuple(anyFilename, fc.boolean(), anyChecksum, anyChecksum), {
    selector: ([name]) => name,
    maxLength: 8,
  })
  .map((entries) => {
    const sorted = entries.toSorted(([a], [b]) => compareUtf8(a, b))
    return {
      files: sorted.filter(([, isFile]) => isFile).map(([name, , checksum]) => ({ name, checksum })),
      dirs: sorted.filter(([, isFile]) => !isFile).map(([name, , tree, meta]) => ({ name, tree, meta })),
    }
  })

const anyText = fc.string({ unit: 'binary', maxLength: 20 }).map((text) => text.replaceAll('\0', '_'))

const anyMetadata: fc.Arbitrary<[string, Variant]> = fc.tuple(
  fc.oneof(
    fc.constantFrom('version', 'ostree.ref-binding', 'k'),
    anyText.filter((key) => key !== ''),
  ),
  anyText.map((text) => variantOf(string, text)),
)

/** A well-formed commit. */
export const anyCommit: fc.Arbitrary<Commit> = fc
  .record({
    metadata: fc.array(anyMetadata, { maxLength: 4 }),
    parent: fc.option(anyChecksum, { nil: undefined }),
    related: fc.constant([]),
    subject: anyText,
    body: anyText,
    timestamp: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
    rootTree: anyChecksum,
    rootMeta: anyChecksum,
  })
  .map((commit) => printedAs(commit, printCommit))

/** A value that breaks one rule, and the start of the message of its validator. */
export interface BrokenSample<T> {
  readonly value: T
  readonly message: string
}

const BAD_NAMES: readonly (readonly [name: string, message: string])[] = [
  ['.', "Invalid self-referential filename '.'"],
  ['..', "Invalid path uplink filename '..'"],
  ['a/b', 'Invalid / in filename a/b'],
  ['/', 'Invalid / in filename /'],
  ['', 'Invalid empty filename'],
]

/** A dirtree with one invalid name or checksum among valid ones. */
export const anyBrokenDirTree: fc.Arbitrary<BrokenSample<DirTree>> = fc
  .tuple(anyDirTree, fc.nat(), fc.constantFrom(...BAD_NAMES), anyChecksum, anyWrongChecksum, fc.nat({ max: 4 }))
  .map(([tree, seed, [name, nameMessage], good, wrong, which]) => {
    const { files, dirs } = tree
    const insert = <T>(list: readonly T[], entry: T) => list.toSpliced(seed % (list.length + 1), 0, entry)
    const length = `Invalid checksum of length ${wrong.length / 2} expected 32`
    switch (which) {
      case 0:
        return { value: { files: insert(files, { name, checksum: good }), dirs }, message: nameMessage }
      case 1:
        return { value: { files, dirs: insert(dirs, { name, tree: good, meta: good }) }, message: nameMessage }
      case 2:
        return { value: { files: insert(files, { name: 'f', checksum: wrong }), dirs }, message: length }
      case 3:
        return { value: { files, dirs: insert(dirs, { name: 'd', tree: wrong, meta: good }) }, message: length }
      default:
        return { value: { files, dirs: insert(dirs, { name: 'd', tree: good, meta: wrong }) }, message: length }
    }
  })

const anyWrongBits = fc.integer({ min: 0x1_0000, max: 0xffff_ffff }).map((bits) => (bits & ~0o177777) >>> 0)

/** Xattrs with an empty name, or with the same name twice. */
export const anyBrokenXattrs: fc.Arbitrary<BrokenSample<Xattrs>> = fc
  .tuple(anyXattrs, anyXattrName, fc.boolean())
  .map(([xattrs, name, empty]) => {
    const value = new Uint8Array(1)
    if (empty) return { value: [[new Uint8Array(0), value], ...xattrs], message: 'Invalid xattr name' }
    const others = xattrs.filter(([other]) => compareBytes(other, name) !== 0)
    const twice: Xattr[] = [
      [name, value],
      [name, value],
    ]
    return { value: sortXattrs([...others, ...twice]), message: 'Duplicate xattr name, index=' }
  })

/** A dirmeta with invalid xattrs, type or mode bits. */
export const anyBrokenDirMeta: fc.Arbitrary<BrokenSample<DirMeta>> = fc
  .tuple(anyDirMeta, anyBrokenXattrs, anyWrongBits, fc.constantFrom(0, S_IFREG, S_IFLNK), fc.nat({ max: 2 }))
  .map(([meta, xattrs, bits, type, which]) => {
    const permissions = meta.mode & 0o7777
    switch (which) {
      case 0:
        return { value: { ...meta, xattrs: xattrs.value }, message: xattrs.message }
      case 1: {
        const mode = type | permissions
        return { value: { ...meta, mode }, message: `Invalid directory metadata mode ${mode}; not a directory` }
      }
      default: {
        const mode = (meta.mode | bits | 0x1_0000) >>> 0
        return { value: { ...meta, mode }, message: `Invalid mode ${mode}; invalid bits in mode` }
      }
    }
  })

/** A file header with invalid xattrs, type or mode bits. */
export const anyBrokenFileHeader: fc.Arbitrary<BrokenSample<FileHeader>> = fc
  .tuple(
    anyFileHeader,
    anyBrokenXattrs,
    anyWrongBits,
    fc.constantFrom(0, S_IFDIR, 0o020000, 0o140000),
    fc.nat({ max: 2 }),
  )
  .map(([header, xattrs, bits, type, which]) => {
    switch (which) {
      case 0:
        return { value: { ...header, xattrs: xattrs.value }, message: xattrs.message }
      case 1: {
        const mode = type | (header.mode & 0o7777)
        return { value: { ...header, mode }, message: `Invalid file metadata mode ${mode}; not a valid file type` }
      }
      default: {
        const mode = (header.mode | bits | 0x1_0000) >>> 0
        return { value: { ...header, mode }, message: `Invalid mode ${mode}; invalid bits in mode` }
      }
    }
  })

/** A commit with an empty metadata key, or a checksum of the wrong length. */
export const anyBrokenCommit: fc.Arbitrary<BrokenSample<Commit>> = fc
  .tuple(anyCommit, anyWrongChecksum, fc.nat(), fc.nat({ max: 3 }))
  .map(([commit, wrong, seed, which]) => {
    const length = `Invalid checksum of length ${wrong.length / 2} expected 32`
    switch (which) {
      case 0: {
        const at = seed % (commit.metadata.length + 1)
        const metadata = commit.metadata.toSpliced(at, 0, ['', variantOf(string, 'x')])
        return { value: { ...commit, metadata }, message: 'Empty metadata key' }
      }
      case 1:
        return { value: { ...commit, parent: wrong }, message: `Invalid commit parent: ${length}` }
      case 2:
        return { value: { ...commit, rootTree: wrong }, message: `Invalid commit tree content checksum: ${length}` }
      default:
        return { value: { ...commit, rootMeta: wrong }, message: `Invalid commit tree metadata checksum: ${length}` }
    }
  })

/** An encoded commit, dirtree or dirmeta. */
export const anyMetaObject: fc.Arbitrary<{ type: 'commit' | 'dirtree' | 'dirmeta'; bytes: Uint8Array }> = fc.oneof(
  anyCommit.map((commit) => ({ type: 'commit' as const, bytes: Commit.encode(commit) })),
  anyDirTree.map((tree) => ({ type: 'dirtree' as const, bytes: DirTree.encode(tree) })),
  anyDirMeta.map((meta) => ({ type: 'dirmeta' as const, bytes: DirMeta.encode(meta) })),
)

/** Generates bytes that are cut off, extended, or changed in up to four places; some equal the input. */
export function anyDamage(bytes: Uint8Array): fc.Arbitrary<Uint8Array> {
  const changes = fc.array(fc.tuple(fc.nat({ max: Math.max(0, bytes.length - 1) }), fc.nat({ max: 255 })), {
    maxLength: 4,
  })
  return fc.oneof(
    fc.nat({ max: bytes.length }).map((length) => bytes.slice(0, length)),
    fc.uint8Array({ maxLength: 20 }).map((tail) => Uint8Array.from([...bytes, ...tail])),
    changes.map((list) => {
      const changed = bytes.slice()
      for (const [at, byte] of list) if (at < changed.length) changed[at] = byte
      return changed
    }),
  )
}
