/**
 * fast-check generators of image layers: trees that often share paths and have whiteouts, and their tar entries.
 */

import fc from 'fast-check'
import { encodeUtf8 } from '../../bytes.ts'
import type { Xattrs } from '../../objects/index.ts'
import type { TarEntry } from '../../tar/index.ts'
import { type Directory, directory, type FileAttributes, file, symlink, type TreeNode, walkNodes } from '../builders.ts'
import { printEntries, printedAs } from '../printing.ts'
import { withLinks } from './links.ts'

/** Options of `anyLayerTree`. */
export interface LayerTreeOptions {
  /** Whiteouts, which delete entries of lower layers. Default true. */
  readonly whiteouts?: boolean
  /** Owners, set-id bits, extended attributes. Default true. */
  readonly metadata?: boolean
  /** Files under several names. Default true. */
  readonly hardLinks?: boolean
  /** Unusual names, from a set small enough that layers share them. Default true. */
  readonly oddNames?: boolean
  /** Levels of directories below `usr`. Default 3. */
  readonly depth?: number
}

/** Lets a value shrink to one of the first alternative. */
const CROSS = { withCrossShrink: true }

/** Few names, so that layers share paths. The first sorts before `.wh.`, so a whiteout of its own layer deletes it. */
const NAMES = ['-a', 'a', 'b', 'bin', 'é', '...']
const ODD_NAMES = [
  '__proto__',
  'a b',
  'new\nline',
  '\u{1f600}',
  '\\',
  '-rf',
  `long-${'n'.repeat(120)}`,
  'constructor',
  '.wh',
]
const WHITEOUTS = ['.wh.-a', '.wh.a', '.wh.b', '.wh.bin', '.wh.nothing', '.wh..wh..opq']
const BINARY = [encodeUtf8('user.a'), Uint8Array.of(0, 255)] as const
const TEXT = [encodeUtf8('user.text'), encodeUtf8('v\u00e4lue\n=')] as const
const XATTRS: readonly Xattrs[] = [[], [], [], [BINARY], [TEXT], [TEXT], [BINARY, TEXT]]

function anyInode(modes: readonly number[], metadata: boolean): fc.Arbitrary<FileAttributes> {
  if (!metadata) return fc.constant({ uid: 0, gid: 0, mode: modes[0] ?? 0o644, xattrs: [] })
  const id = fc.constantFrom(0, 0, 1000)
  return fc.record({ uid: id, gid: id, mode: fc.constantFrom(...modes), xattrs: fc.constantFrom(...XATTRS) })
}

/** Generates the tree of one layer, with `usr` at its root and some whiteouts. */
export function anyLayerTree(options: LayerTreeOptions = {}): fc.Arbitrary<Directory> {
  const { whiteouts = true, metadata = true, hardLinks = true, oddNames = true, depth = 3 } = options
  const names = oddNames
    ? fc.oneof(
        CROSS,
        { weight: 8, arbitrary: fc.constantFrom(...NAMES) },
        { weight: 1, arbitrary: fc.constantFrom(...ODD_NAMES) },
      )
    : fc.constantFrom(...NAMES)
  const files = fc
    .tuple(fc.constantFrom('', 'x', 'yy', 'z'.repeat(600)), anyInode([0o644, 0o755, 0o4755, 0o200], metadata))
    .map(([content, inode]) => file(content, inode))
  const links = fc
    .tuple(fc.constantFrom('a', 'b', '../a', 'nowhere', '/usr/a'), anyInode([0o777], metadata))
    .map(([target, inode]) => symlink(target, inode))
  const gone = fc.tuple(fc.constantFrom(...WHITEOUTS), fc.constant(file('')))
  const directories = (levels: number): fc.Arbitrary<Directory> => {
    const leaf: fc.Arbitrary<TreeNode> = fc.oneof(
      CROSS,
      { weight: 3, arbitrary: files },
      { weight: 1, arbitrary: links },
    )
    const node = levels <= 1 ? leaf : fc.oneof(CROSS, leaf, directories(levels - 1))
    const child: fc.Arbitrary<readonly [string, TreeNode]> = fc.tuple(names, node)
    return fc
      .tuple(
        fc.uniqueArray(whiteouts ? fc.oneof(CROSS, { weight: 4, arbitrary: child }, gone) : child, {
          selector: ([name]) => name,
          maxLength: 5,
        }),
        anyInode([0o755, 0o700, 0o1777], metadata),
      )
      .map(([children, inode]) => directory(children, inode))
  }
  const more = fc.array(fc.record({ file: fc.nat(), into: fc.nat(), name: fc.constantFrom('a', 'b', 'link') }), {
    maxLength: hardLinks ? 3 : 0,
  })
  return fc
    .tuple(directories(depth), more)
    .map(([usr, added]) => directory({ usr: withLinks(usr, added, (name) => !name.startsWith('.wh.')) }))
}

/**
 * Converts a tree to tar entries as image builders do: directories before their contents, further names of a file as
 * hard links. Xattrs are reversed: ostree gives the same checksum for that order whether its version sorts or reverses
 * them.
 */
export function layerEntries(tree: Directory): TarEntry[] {
  const first = new Map<TreeNode, string>()
  const entries: TarEntry[] = []
  for (const [path, node] of walkNodes(tree)) {
    if (path === '') continue
    const known = first.get(node)
    if (known !== undefined) {
      entries.push({ type: 'hardlink', path, linkPath: known })
      continue
    }
    const { uid, gid, mode, xattrs } = node
    const inode = { path, uid, gid, mode, xattrs: xattrs.toReversed() }
    if (node.kind === 'directory') entries.push({ ...inode, type: 'directory', path: `${path}/` })
    else if (node.kind === 'symlink') entries.push({ ...inode, type: 'symlink', linkPath: node.target })
    else {
      // Whiteouts are never hard links, even if they are the same object.
      if (!path.includes('/.wh.')) first.set(node, path)
      entries.push({ ...inode, type: 'file', body: node.content })
    }
  }
  return printedAs(entries, printEntries)
}
