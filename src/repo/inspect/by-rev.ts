/**
 * Reads a commit given by a revision, one function for each command of ostree: history (`log`), tree (`ls`), content of
 * a file (`cat`), and the difference from another commit (`diff`).
 */

import type { Checksum } from '../../bytes.ts'
import { FormatError, ObjectNotFoundError, withContext } from '../../errors.ts'
import { Commit, type FileObject, validateCommit } from '../../objects/index.ts'
import { commitRoot, lookupFile, type WalkOptions } from '../core/path.ts'
import { Pauses } from '../core/yield-to-event-loop.ts'
import type { Repo } from '../repo.ts'
import { type Difference, type DiffOptions, diffDirectories, treeToDiff } from './diff.ts'
import { type ListedEntry, listPath } from './list-path.ts'

/** One commit of a history. */
export interface LoggedCommit {
  readonly checksum: Checksum
  readonly commit: Commit
}

/**
 * Lists a commit and its ancestors, newest first. The list ends before the first parent that is not in the repository;
 * the last commit then still names that parent.
 *
 * @example
 * for await (const { checksum, commit } of logCommits(repo, 'main')) console.log(checksum, commit.subject)
 * @param rev a ref, a refspec, a checksum, an abbreviation of one, or any of them followed by `^`
 * @throws {RefNotFoundError} when there is no such rev
 * @throws {ObjectNotFoundError} when the commit that `rev` names is not in the repository
 * @throws {FormatError} when a commit is malformed, or is its own ancestor
 */
export async function* logCommits(
  repo: Repo,
  rev: string,
  { signal }: { readonly signal?: AbortSignal | undefined } = {},
): AsyncGenerator<LoggedCommit, void> {
  for await (const { checksum, bytes } of commitHistory(repo, rev, signal)) {
    yield { checksum, commit: decode(checksum, bytes) }
  }
}

function decode(checksum: Checksum, bytes: Uint8Array): Commit {
  try {
    return validateCommit(bytes)
  } catch (error) {
    throw withContext(`${checksum}.commit`, error)
  }
}

/** Lists the same commits as `logCommits`, as they are stored and without validating them. */
export async function* commitHistory(
  repo: Repo,
  rev: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<{ readonly checksum: Checksum; readonly bytes: Uint8Array }, void> {
  const seen = new Set<Checksum>()
  const pauses = new Pauses(signal)
  let checksum: Checksum | undefined = await repo.resolve(rev)
  while (checksum !== undefined) {
    const pause = pauses.next()
    if (pause !== undefined) await pause
    if (seen.has(checksum)) throw new FormatError(`${checksum}.commit`, `Commit ${checksum} is its own ancestor`)
    const bytes: Uint8Array | undefined = await readCommitBytes(repo, checksum, seen.size === 0)
    if (bytes === undefined) return
    seen.add(checksum)
    yield { checksum, bytes }
    checksum = Commit.decode(bytes).parent
  }
}

async function readCommitBytes(repo: Repo, checksum: Checksum, required: boolean): Promise<Uint8Array | undefined> {
  try {
    return await repo.objects.readMeta('commit', checksum)
  } catch (error) {
    if (error instanceof ObjectNotFoundError && !required) return undefined
    throw error
  }
}

/**
 * Lists an entry of a commit and everything below it. In each directory, files come before subdirectories, each of
 * which is followed by its own content; names are in byte order.
 *
 * @example
 * for await (const { entry, header } of listTree(repo, 'main', '/usr/bin')) console.log(entry.path, header.mode)
 * @param path absolute path in the commit
 * @param options `depth: 0` lists the entry only, `depth: 1` (the default) also its direct entries, and `depth:
 *   Infinity` everything below it
 * @throws {RefNotFoundError} when there is no such rev
 * @throws {PathNotFoundError} when there is no such path; {IoError} `Not a directory` when part of it is a file
 * @throws {ObjectNotFoundError} when an object of the tree is missing
 */
export async function* listTree(
  repo: Repo,
  rev: string,
  path = '/',
  options: WalkOptions = {},
): AsyncGenerator<ListedEntry, void> {
  yield* listPath(repo.objects, await commitRoot(repo.objects, await repo.resolve(rev)), path, options)
}

/**
 * Reads a regular file of a commit. A symbolic link at the end of `path` is followed inside the commit.
 *
 * @example
 * const { body } = await readTreeFile(repo, 'main', '/etc/os-release')
 * console.log(new TextDecoder().decode(await readAll(body)))
 * @param path absolute path in the commit
 * @returns the file's header, its size in bytes, and its content: one array up to 1 MiB, a stream above
 * @throws {RefNotFoundError} when there is no such rev
 * @throws {PathNotFoundError} when there is no such path; {IoError} when it is a directory, or symlinks form a loop
 * @throws {ObjectNotFoundError} when an object of the tree is missing
 */
export async function readTreeFile(repo: Repo, rev: string, path: string): Promise<FileObject> {
  const root = await commitRoot(repo.objects, await repo.resolve(rev))
  const { checksum } = await lookupFile(repo.objects, root, path)
  return repo.objects.readFile(checksum)
}

/**
 * Compares the trees of two commits. A directory that only one of them has is one entry where it was removed, and is
 * listed with all its content where it was added.
 *
 * @example
 * const { added, modified, removed } = await diffCommits(repo, 'main^', 'main')
 * @throws {RefNotFoundError} when there is no such rev
 * @throws {ObjectNotFoundError} when an object of a tree is missing
 * @throws {LimitError} when directories nest deeper than `MAX_TREE_DEPTH`
 */
export async function diffCommits(
  repo: Repo,
  from: string,
  to: string,
  { signal }: Pick<DiffOptions, 'signal'> = {},
): Promise<Difference> {
  const [before, after] = [await repo.resolve(from), await repo.resolve(to)]
  const side = async (commit: Checksum) => treeToDiff(repo, await commitRoot(repo.objects, commit))
  return diffDirectories(await side(before), await side(after), { signal })
}
