/** Commits of small trees in repositories, also commits that a correct program would not write. */
import type { Checksum } from '../../src/bytes.ts'
import { DirMeta, DirTree, EMPTY_TREE, S_IFDIR, S_IFREG } from '../../src/objects/index.ts'
import { nodePlatform } from '../../src/platform/node.ts'
import {
  commit,
  createMemoryStorage,
  Repo,
  type RepoMode,
  type Transaction,
  writeCommit,
} from '../../src/repo/index.ts'
import { type MemoryNode, memoryDirectory } from './memory-directory.ts'

/** Creates an empty repository in memory. */
export function memoryRepo(mode: RepoMode = 'archive'): Promise<Repo> {
  return Repo.open(createMemoryStorage({ platform: nodePlatform, mode }), nodePlatform)
}

let time = 0n

/**
 * Commits a tree. Each commit has a timestamp one second later than the one before.
 * @param nodes by path; regular files as text, or as memory-directory.ts makes them
 * @param branch `undefined` for a commit without a ref
 */
export async function commitTree(
  repo: Repo,
  nodes: Readonly<Record<string, MemoryNode | string>>,
  branch: string | undefined = 'main',
): Promise<Checksum> {
  const all = Object.entries(nodes).map(([path, node]): [string, MemoryNode] => [
    path,
    typeof node === 'string' ? { mode: S_IFREG | 0o644, content: node } : node,
  ])
  const directory = memoryDirectory(new Map(all))
  time += 1n
  const result = await commit(repo, { trees: [{ directory }], branch, orphan: branch === undefined, timestamp: time })
  return result.commit
}

type Content = {
  readonly files?: readonly { name: string; checksum: Checksum }[]
  readonly dirs?: readonly { name: string; tree: Checksum }[]
}

/**
 * Writes a commit of a dirtree with any names in it, also forbidden ones.
 * @param build makes dirtrees and files, and returns the dirtree of the root
 */
export function commitRaw(
  repo: Repo,
  build: (
    make: (content: Content) => Promise<Checksum>,
    file: (text: string) => Promise<Checksum>,
  ) => Promise<Checksum>,
): Promise<Checksum> {
  return repo.transaction(async (tx: Transaction) => {
    const meta = await tx.writeMeta('dirmeta', DirMeta.encode({ uid: 0, gid: 0, mode: S_IFDIR | 0o755, xattrs: [] }))
    const make = async ({ files = [], dirs = [] }: Content) => {
      // The encoder refuses a NUL in a name, so a 1 is written and then replaced.
      const name = (text: string) => text.replaceAll('\0', '\x01')
      const bytes = DirTree.encode({
        files: files.map((entry) => ({ ...entry, name: name(entry.name) })),
        dirs: dirs.map((entry) => ({ ...entry, name: name(entry.name), meta })),
      })
      return tx.writeMeta('dirtree', hasNul(files, dirs) ? bytes.map((byte) => (byte === 1 ? 0 : byte)) : bytes)
    }
    const file = async (text: string) => {
      const body = new TextEncoder().encode(text)
      const header = { uid: 0, gid: 0, mode: S_IFREG | 0o644, target: '', xattrs: [] }
      return tx.writeFile({ header, size: body.length, body })
    }
    return writeCommit(tx, { root: { tree: await build(make, file), meta }, timestamp: 1n })
  })
}

function hasNul(...lists: (readonly { name: string }[])[]): boolean {
  return lists.flat().some(({ name }) => name.includes('\0'))
}

export { EMPTY_TREE }
