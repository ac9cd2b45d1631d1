/** The files of a commit. */

import type { Checksum, Content } from '../../bytes.ts'
import { type DirTree, S_IFLNK, S_IFMT } from '../../objects/index.ts'
import { commitRoot } from '../core/path.ts'
import type { TreeRoot } from '../core/tree.ts'
import type { Repo } from '../repo.ts'
import { type Difference, diffDirectories, treeToDiff } from './diff.ts'
import { type FileStat, type FileTree, type FileTreeOptions, type FileTreeWalkOptions, NodeTree } from './file-tree.ts'

/** A directory by its objects, or a file. */
type Node = TreeRoot | Checksum

/** Directories whose dirtrees are kept decoded. */
const KNOWN_DIRECTORIES = 64

/** The files of one commit. */
export interface CommitFiles extends FileTree {
  readonly commit: Checksum
}

class CommitTree extends NodeTree<Node> implements CommitFiles {
  readonly commit: Checksum
  readonly #repo: Repo
  readonly #root: TreeRoot
  readonly #etc: FileTreeOptions['etc']
  readonly #known = new Map<Checksum, DirTree>()

  constructor(repo: Repo, commit: Checksum, root: TreeRoot, etc: FileTreeOptions['etc']) {
    super(etc)
    this.commit = commit
    this.#repo = repo
    this.#root = root
    this.#etc = etc
  }

  /**
   * Compares with another tree. Two commits are compared by checksums, without reading files; as in `diffCommits`, a
   * removed directory is one path then.
   */
  override async diff(other: FileTree, options: FileTreeWalkOptions = {}): Promise<Difference> {
    if (!(other instanceof CommitTree) || this.#etc !== other.#etc) return super.diff(other, options)
    const side = (files: CommitTree) => treeToDiff(files.#repo, { kind: 'directory', path: '/', ...files.#root })
    const found = await diffDirectories(side(this), side(other), options)
    if (this.#etc !== 'deployed') return found
    if ((await this.child(this.#root, 'etc')) ?? (await other.child(other.#root, 'etc'))) {
      return super.diff(other, options)
    }
    const shown = (paths: readonly string[]) => paths.map((path) => path.replace(/^\/usr\/etc(?=\/|$)/, '/etc'))
    return { added: shown(found.added), modified: shown(found.modified), removed: shown(found.removed) }
  }

  protected root(): Node {
    return this.#root
  }

  protected async child(directory: Node, name: string): Promise<Node | undefined> {
    const { files, dirs } = await this.#tree(directory as TreeRoot)
    return files.find((file) => file.name === name)?.checksum ?? dirs.find((dir) => dir.name === name)
  }

  protected async children(directory: Node): Promise<(readonly [string, Node])[]> {
    const { files, dirs } = await this.#tree(directory as TreeRoot)
    return [
      ...files.map(({ name, checksum }) => [name, checksum] as const),
      ...dirs.map((dir) => [dir.name, dir] as const),
    ]
  }

  async #tree({ tree }: TreeRoot): Promise<DirTree> {
    let known = this.#known.get(tree)
    if (known === undefined) {
      known = await this.#repo.readDirTree(tree)
      if (this.#known.size >= KNOWN_DIRECTORIES) this.#known.delete(this.#known.keys().next().value as Checksum)
      this.#known.set(tree, known)
    }
    return known
  }

  protected async describe(node: Node): Promise<Omit<FileStat, 'path'>> {
    if (typeof node !== 'string') {
      const { uid, gid, mode, xattrs } = await this.#repo.readDirMeta(node.meta)
      const permissions = mode & ~S_IFMT
      const none = { target: undefined, mtime: undefined, checksum: undefined }
      return { kind: 'directory', size: 0, permissions, uid, gid, xattrs, ...none }
    }
    const { header, size } = await this.#repo.objects.statFile(node)
    const { uid, gid, mode, xattrs, target } = header
    const isLink = (mode & S_IFMT) === S_IFLNK
    return {
      kind: isLink ? 'symlink' : 'file',
      size,
      permissions: mode & ~S_IFMT,
      uid,
      gid,
      target: isLink ? target : undefined,
      xattrs,
      mtime: undefined,
      checksum: node,
    }
  }

  protected async read(node: Node): Promise<Content> {
    return (await this.#repo.objects.readFile(node as Checksum)).body
  }
}

/**
 * Opens the files of a commit.
 *
 * @example
 * const files = await openCommit(repo, 'main')
 * console.log(new TextDecoder().decode(await files.readFile('/usr/lib/os-release')))
 * @param rev a ref, a refspec, a checksum, an abbreviation of one, or any of them followed by `^`
 * @throws {RefNotFoundError} when there is no such rev
 * @throws {ObjectNotFoundError} when the commit or its root is missing; {FormatError} when it is malformed
 */
export async function openCommit(
  repo: Repo,
  rev: string,
  { etc = 'stored' }: FileTreeOptions = {},
): Promise<CommitFiles> {
  const commit = await repo.resolve(rev)
  const { tree, meta } = await commitRoot(repo.objects, commit)
  return new CommitTree(repo, commit, { tree, meta }, etc)
}
