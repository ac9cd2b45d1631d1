/** Commits files that are given by path, without a directory. */

import { type Content, EMPTY_BYTES, encodeUtf8, joinPath, readAll, SMALL_FILE } from '../../bytes.ts'
import { InvalidNameError, UsageError } from '../../errors.ts'
import { S_IFDIR, S_IFLNK, S_IFREG, sortXattrs, type Xattrs } from '../../objects/index.ts'
import type { Repo } from '../repo.ts'
import { type CommitOptions, type CommitResult, commit } from './commit.ts'
import type { DirectorySource, SourceEntry } from './directory.ts'

/** Metadata of a file to commit. */
export interface FileToCommitMetadata {
  /** The bits 07777 of `st_mode`. Default: 0644 for files, 0755 for directories. */
  readonly mode?: number | undefined
  /** Default 0. */
  readonly uid?: number | undefined
  /** Default 0. */
  readonly gid?: number | undefined
  /** Extended attributes by name, such as `user.note`. */
  readonly xattrs?: Readonly<Record<string, Uint8Array | string>> | undefined
}

/**
 * A file to commit: its content, as bytes or as text in UTF-8; or that with its metadata; or the target of a symbolic
 * link; or a directory, which is needed only for one that is empty or has metadata of its own.
 */
export type FileToCommit =
  | Uint8Array
  | string
  | (FileToCommitMetadata & { readonly content: Uint8Array | string })
  /** Content that is read once, when it is written. `size` is in bytes. */
  | (FileToCommitMetadata & { readonly content: AsyncIterable<Uint8Array>; readonly size: number })
  | (FileToCommitMetadata & { readonly symlink: string })
  | (FileToCommitMetadata & { readonly directory: true })

/** Options of `commitFiles`. */
export interface CommitFilesOptions extends Omit<CommitOptions, 'trees' | 'timestamp' | 'consume' | 'devino'> {
  /** Seconds since 1970-01-01 UTC. Default 0, so that the same files are the same commit. */
  readonly timestamp?: bigint | undefined
}

/**
 * Commits files by their paths. Directories that are not given have mode 0755 and belong to root.
 *
 * @example
 * const files = { 'usr/bin/hello': { content: '#!/bin/sh\necho hello\n', mode: 0o755 }, 'usr/lib/sh': { symlink: '../bin/sh' } }
 * const result = await commitFiles(repo, files, { branch: 'main', subject: 'Hello' })
 * console.log(result.commit)
 * @param files by path; paths are relative to the root, with or without a leading slash
 * @param options as of `commit`; without `branch` no ref is set. `base` is a revision whose tree the files are added to
 * @throws {InvalidNameError} on an empty name, `.`, `..` or a NUL in a path
 * @throws {UsageError} when a path leads through a file, or two paths are the same
 * @throws {OstreeError} as `commit`
 */
export async function commitFiles(
  repo: Repo,
  files: Readonly<Record<string, FileToCommit>> | ReadonlyMap<string, FileToCommit>,
  options: CommitFilesOptions = {},
): Promise<CommitResult> {
  const directory = createFilesSource(files instanceof Map ? files : Object.entries(files))
  const { timestamp = 0n, orphan = options.branch === undefined } = options
  return commit(repo, { ...options, timestamp, orphan, trees: [{ directory }] })
}

interface Node {
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly xattrs: Xattrs
  readonly content: Content
  readonly size: number
  readonly target: string
  readonly children: Map<string, Node> | undefined
}

function createFilesSource(files: Iterable<readonly [string, FileToCommit]>): DirectorySource {
  let root: Node = nodeOf({ directory: true })
  for (const [path, given] of files) {
    const names = path.replace(/^\//, '').split('/')
    const node = nodeOf(given)
    if (names.length === 1 && names[0] === '' && node.children !== undefined) {
      root = { ...node, children: root.children }
      continue
    }
    for (const name of names) checkName(path, name)
    let at = root
    for (const name of names.slice(0, -1)) {
      const below = at.children?.get(name) ?? nodeOf({ directory: true })
      if (below.children === undefined) throw new UsageError(`${path}: ${name} is a file, not a directory`)
      at.children?.set(name, below)
      at = below
    }
    const name = names.at(-1) as string
    const existing = at.children?.get(name)
    if (existing !== undefined && (existing.children === undefined || node.children === undefined)) {
      throw new UsageError(`${path} is given twice`)
    }
    at.children?.set(name, existing === undefined ? node : { ...node, children: existing.children })
  }
  return new FilesSource(root)
}

function checkName(path: string, name: string): void {
  if (name !== '' && name !== '.' && name !== '..' && !name.includes('\0')) return
  throw new InvalidNameError(path, `Invalid path ${JSON.stringify(path)}: ${JSON.stringify(name)} is not a file name`)
}

function nodeOf(given: FileToCommit): Node {
  if (typeof given === 'string' || given instanceof Uint8Array) return nodeOf({ content: given })
  const { uid = 0, gid = 0, xattrs = {} } = given
  const attributes: Xattrs = Object.entries(xattrs).map(([name, value]) => [encodeUtf8(name), bytesOf(value)])
  const common = { uid, gid, xattrs: sortXattrs(attributes), content: EMPTY_BYTES, size: 0, target: '' }
  if ('directory' in given) return { ...common, mode: S_IFDIR | (given.mode ?? 0o755), children: new Map() }
  if ('symlink' in given) return { ...common, mode: S_IFLNK | 0o777, target: given.symlink, children: undefined }
  const mode = S_IFREG | ((given.mode ?? 0o644) & 0o7777)
  if ('size' in given) return { ...common, mode, content: given.content, size: given.size, children: undefined }
  const content = bytesOf(given.content)
  return { ...common, mode, content, size: content.length, children: undefined }
}

function bytesOf(value: Uint8Array | string): Uint8Array {
  return typeof value === 'string' ? encodeUtf8(value) : value
}

class FilesSource implements DirectorySource {
  readonly location = 'files'
  readonly #root: Node
  /** The directories that have been listed, and the entries of the last one, by path. */
  readonly #directories = new Map<string, Node>()
  #entries = new Map<string, Node>()

  constructor(root: Node) {
    this.#root = root
    this.#directories.set('', root)
  }

  stat(): SourceEntry {
    return entryOf('', this.#root)
  }

  list(path: string): SourceEntry[] {
    this.#entries = new Map()
    const listed: SourceEntry[] = []
    for (const [name, node] of this.#directories.get(path)?.children ?? []) {
      listed.push(entryOf(name, node))
      const below = joinPath(path, name)
      this.#entries.set(below, node)
      if (node.children !== undefined) this.#directories.set(below, node)
    }
    return listed
  }

  xattrs(path: string): Xattrs {
    return this.#node(path).xattrs
  }

  readLink(path: string): string {
    return this.#node(path).target
  }

  async read(path: string, size: number): Promise<Content> {
    const { content } = this.#node(path)
    return size <= SMALL_FILE ? readAll(content) : streamOfContent(content)
  }

  #node(path: string): Node {
    const node = this.#entries.get(path) ?? this.#directories.get(path)
    if (node === undefined) throw new RangeError(`${path} was not listed`)
    return node
  }
}

function entryOf(name: string, { mode, uid, gid, size }: Node): SourceEntry {
  return { name, mode, uid, gid, size }
}

async function* streamOfContent(content: Content): AsyncGenerator<Uint8Array> {
  if (content instanceof Uint8Array) yield content
  else yield* content
}
