/** Random file trees, and how to put one on a disk. */
import { chmodSync, lchownSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import fc from 'fast-check'
import { encodeUtf8 } from '../../src/bytes.ts'

export interface RandomInode {
  readonly mode: number
  readonly uid: number
  readonly gid: number
}

export type RandomNode = RandomInode &
  (
    | { readonly kind: 'file'; readonly content: Uint8Array }
    | { readonly kind: 'symlink'; readonly target: string }
    | { readonly kind: 'directory'; readonly children: Readonly<Record<string, RandomNode>> }
  )
export type RandomDirectory = Extract<RandomNode, { kind: 'directory' }>

export const isRoot = process.getuid?.() === 0

const name = fc.oneof(
  fc.string({ unit: fc.constantFrom('a', 'b', 'B', '-', '.', '_', '~', ' '), minLength: 1, maxLength: 3 }),
  fc.string({ unit: 'grapheme', minLength: 1, maxLength: 6 }),
)
export const fileName = name.filter((text) => {
  return (
    !/[/\0]/.test(text) &&
    text !== '.' &&
    text !== '..' &&
    !/\p{Surrogate}/u.test(text) &&
    encodeUtf8(text).length < 200
  )
})

/** What the owner needs is always there, or nobody but root could read it. */
function inodes(needed: number): fc.Arbitrary<RandomInode> {
  const id = isRoot ? fc.constantFrom(0, 1, 1000, 65534, 4294967294) : fc.constant(process.getuid?.() ?? 0)
  const mode = fc.oneof(fc.constantFrom(0o644, 0o755), fc.nat(0o7777)).map((bits) => bits | needed)
  return fc.record({ mode, uid: id, gid: isRoot ? id : fc.constant(process.getgid?.() ?? 0) })
}

const content = fc.oneof(
  fc.uint8Array({ maxLength: 40 }),
  fc.nat(70000).map((size) => new Uint8Array(size).fill(size)),
)
const target = fc.oneof(
  fileName,
  fc.array(fileName, { minLength: 1, maxLength: 4 }).map((names) => `/${names.join('/')}`),
)

const directories = fc.memo((depth): fc.Arbitrary<RandomDirectory> => {
  const leaf = fc.oneof(
    fc.tuple(inodes(0o400), content).map(([inode, bytes]) => ({ kind: 'file' as const, ...inode, content: bytes })),
    fc
      .tuple(inodes(0o400), target)
      .map(([inode, to]) => ({ kind: 'symlink' as const, ...inode, mode: 0o777, target: to })),
  )
  const node: fc.Arbitrary<RandomNode> =
    depth <= 1 ? leaf : fc.oneof({ weight: 2, arbitrary: leaf }, directories(depth - 1))
  const children = fc.dictionary(fileName, node, { maxKeys: 6, noNullPrototype: true })
  return fc.tuple(inodes(0o700), children).map(([inode, below]) => ({ kind: 'directory', ...inode, children: below }))
})

/** Up to four directories deep. */
export const randomTree: fc.Arbitrary<RandomDirectory> = directories(4)

/** Makes it real at `path`, which must not exist. */
export function materialise(path: string, node: RandomNode): void {
  if (node.kind === 'directory') {
    mkdirSync(path)
    for (const [child, below] of Object.entries(node.children)) materialise(`${path}/${child}`, below)
  } else if (node.kind === 'file') writeFileSync(path, node.content)
  else symlinkSync(node.target, path)
  lchownSync(path, node.uid, node.gid)
  if (node.kind !== 'symlink') chmodSync(path, node.mode)
}
