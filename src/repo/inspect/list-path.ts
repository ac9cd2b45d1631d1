/** Lists the entries of a commit as `ostree ls` does. Source: ot-builtin-ls.c. */

import { printVariant } from '../../gvariant/index.ts'
import { type FileHeader, isSymlink, Xattrs } from '../../objects/index.ts'
import type { ObjectReader } from '../core/interface.ts'
import { lookupPath, type TreeEntry, type WalkOptions, walkTree } from '../core/path.ts'
import { DirMetaReader } from '../core/read-metadata.ts'
import type { TreeRoot } from '../core/tree.ts'

/** An entry with its metadata. */
export interface ListedEntry {
  readonly entry: TreeEntry
  /** For a directory, its dirmeta with an empty `target`. */
  readonly header: FileHeader
  /** Bytes of content; 0 for a directory or a symlink. */
  readonly size: number
}

/**
 * Yields the entry at `path` and those below it, in the order of `walkTree`.
 * @param options with `depth: 1`, the default, a directory is listed with its direct entries
 * @throws {PathNotFoundError} or {IoError} `Not a directory` when the path does not exist or leads through a file
 * @throws {ObjectNotFoundError} when an object is missing
 */
export async function* listPath(
  reader: ObjectReader,
  root: TreeRoot,
  path: string,
  { depth = 1, signal }: WalkOptions = {},
): AsyncGenerator<ListedEntry, void> {
  const start = await lookupPath(reader, root, path)
  const dirMetas = new DirMetaReader(reader)
  for await (const entry of walkTree(reader, start, { depth, signal })) {
    if (entry.kind === 'directory') {
      const meta = await dirMetas.read(entry.meta)
      yield { entry, header: { ...meta, target: '' }, size: 0 }
    } else {
      const pending = reader.statFile(entry.checksum)
      const { header, size } = pending instanceof Promise ? await pending : pending
      yield { entry, header, size }
    }
  }
}

/** Fields to print for each entry besides its mode, owner, size and path. */
export interface LsLineOptions {
  /** Print checksums; for a directory those of its dirtree and its dirmeta. */
  readonly checksums?: boolean | undefined
  readonly xattrs?: boolean | undefined
}

/** Formats an entry as a line of `ostree ls`, without the newline: `-00644 0 0     12 /hello.txt`. */
export function formatLsLine({ entry, header, size }: ListedEntry, options: LsLineOptions = {}): string {
  const link = entry.kind === 'file' && isSymlink(header)
  const type = entry.kind === 'directory' ? 'd' : link ? 'l' : '-'
  const permissions = (header.mode & 0o7777).toString(8).padStart(4, '0')
  const fields = [`${type}0${permissions}`, header.uid, header.gid, String(size).padStart(6)]
  if (options.checksums) {
    if (entry.kind === 'directory') fields.push(entry.tree, entry.meta)
    else fields.push(entry.checksum)
  }
  if (options.xattrs) fields.push(`{ ${formatXattrs(header.xattrs)} }`)
  const target = link ? ` -> ${header.target}` : ''
  return `${fields.join(' ')} ${entry.path}${target}`
}

/** Formats extended attributes as GVariant text: `@a(ayay) []`, `[(b'user.k', [byte 0x76])]`. */
export function formatXattrs(xattrs: Xattrs): string {
  return printVariant({ type: Xattrs.type, bytes: Xattrs.encode(xattrs) }, true)
}
