/** Commits of one directory, written object by object, so that tests of a store do not depend on other operations. */
import type { Checksum } from '../../src/bytes.ts'
import { Commit, DirMeta, DirTree, type FileHeader, S_IFDIR, S_IFLNK, S_IFREG } from '../../src/objects/index.ts'
import type { Transaction } from '../../src/repo/index.ts'

/** Header of a regular file. */
export function regular(permissions: number, more: Partial<FileHeader> = {}): FileHeader {
  return { uid: 0, gid: 0, mode: S_IFREG | permissions, target: '', xattrs: [], ...more }
}

/** Header of a symbolic link. */
export function linkTo(target: string, more: Partial<FileHeader> = {}): FileHeader {
  return { uid: 0, gid: 0, mode: S_IFLNK | 0o777, target, xattrs: [], ...more }
}

export interface TreeFile {
  readonly name: string
  readonly header: FileHeader
  readonly body: Uint8Array
}

export const rootMeta = DirMeta.encode({ uid: 0, gid: 0, mode: S_IFDIR | 0o755, xattrs: [] })

/** Writes files, the directory that has them, its commit, and the ref `heads/REF` to the commit. */
export async function writeFlatCommit(
  tx: Transaction,
  files: readonly TreeFile[],
  ref: string,
  subject = '',
): Promise<Checksum> {
  const entries: { name: string; checksum: Checksum }[] = []
  for (const { name, header, body } of files) {
    entries.push({ name, checksum: await tx.writeFile({ header, size: body.length, body }) })
  }
  entries.sort((a, b) => (a.name < b.name ? -1 : 1))
  const tree = await tx.writeMeta('dirtree', DirTree.encode({ files: entries, dirs: [] }))
  const meta = await tx.writeMeta('dirmeta', rootMeta)
  const commit = await tx.writeMeta(
    'commit',
    Commit.encode({
      metadata: [],
      parent: undefined,
      related: [],
      subject,
      body: '',
      timestamp: 1704164645n,
      rootTree: tree,
      rootMeta: meta,
    }),
  )
  tx.setRef(`heads/${ref}`, { commit })
  return commit
}
