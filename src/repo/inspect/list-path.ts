/** Lines of `ostree ls`. Source: ot-builtin-ls.c. */

import { printVariant } from '../../gvariant/index.ts'
import { type FileHeader, isSymlink, Xattrs } from '../../objects/index.ts'
import type { ObjectReader } from '../core/interface.ts'
import { lookupPath, type TreeEntry, type WalkOptions, walkTree } from '../core/path.ts'
import { DirMetaReader } from '../core/read-metadata.ts'
import type { TreeRoot } from '../core/tree.ts'

/** An entry with all a line can show of it. */
export interface ListedEntry {
  readonly entry: TreeEntry
  /** Of a directory, `target` is empty. */
  readonly header: FileHeader
  /** Bytes of content; 0 of a directory and of a symbolic link. */
  readonly size: number
}

/**
 * The entry at `path` and what is below it, in the order of `walkTree`.
 * @param options `depth: 1` (the default) lists a directory itself and what is right in it
 * @throws {PathNotFoundError}, {IoError} `Not a directory`; {ObjectNotFoundError}
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

export interface LsLineOptions {
  /** Of a directory both its dirtree and its dirmeta. */
  readonly checksums?: boolean | undefined
  readonly xattrs?: boolean | undefined
}

/** `-00644 0 0     12 /hello.txt`, without the newline. */
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

/** As GVariant text: `@a(ayay) []`, `[(b'user.k', [byte 0x76])]`. */
export function formatXattrs(xattrs: Xattrs): string {
  return printVariant({ type: Xattrs.type, bytes: Xattrs.encode(xattrs) }, true)
}
