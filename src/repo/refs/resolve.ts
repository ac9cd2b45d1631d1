/**
 * Resolves a revision to a commit. A revision is a checksum, an abbreviated checksum or a ref, and each `^` behind it
 * means the parent. The first matching rule applies:
 *
 *   1. 64 hex digits are a checksum; whether the commit exists is not checked.
 *   2. Fewer hex digits, or an empty string, are the beginning of the checksum of exactly one commit.
 *   3. `REV^` is the parent of `REV`.
 *   4. `NAME` is a local ref, else the path REMOTE/REF, else a ref of that name in any remote. `REMOTE:NAME` is a ref
 *      of that remote.
 *   5. If no ref is found, rule 4 is applied to the parent repository.
 *
 * Source: ostree-repo-refs.c, ostree_repo_resolve_rev.
 */

import { type Checksum, compareUtf8 } from '../../bytes.ts'
import { ConflictError, FormatError, InvalidNameError, RefNotFoundError, withContext } from '../../errors.ts'
import { isChecksum } from '../../objects/index.ts'
import type { ObjectReader, ObjectStore, RefPath, RefStore } from '../core/interface.ts'
import { readCommit } from '../core/read-metadata.ts'
import { formatRefspec, parseRefspec, pathOf, type Refspec, readRef } from './refs.ts'

/** The part of a repository, and of its parent repositories, that resolving needs. */
export interface ResolveScope {
  readonly objects: ObjectReader & Pick<ObjectStore, 'list'>
  readonly refs: RefStore
  readonly parent: ResolveScope | undefined
}

/** Options that limit the search for a ref. */
export interface ResolveOptions {
  /** Do not search remotes for a name without a remote. */
  readonly localOnly?: boolean | undefined
}

/**
 * Resolves a revision.
 * @returns `undefined` when there is no such ref
 * @throws {InvalidNameError} when `rev` is malformed, or abbreviates several checksums
 * @throws {RefNotFoundError} when a commit has no parent
 * @throws {ConflictError} when the name is a directory of refs, or a leading part of it is a ref
 */
export async function tryResolveRev(
  scope: ResolveScope,
  rev: string,
  options: ResolveOptions = {},
): Promise<Checksum | undefined> {
  if (isChecksum(rev)) return rev
  const unabbreviated = /^[0-9a-f]{0,63}$/.test(rev) ? await resolveAbbreviated(scope, rev) : undefined
  if (unabbreviated !== undefined) return unabbreviated
  // A loop rather than recursion, because a revision may end in any number of `^`.
  const name = rev.replace(/\^+$/, '')
  if (name !== rev) {
    let commit = await tryResolveRev(scope, name, options)
    for (let steps = rev.length - name.length; steps > 0 && commit !== undefined; steps--) {
      const { parent } = await readCommit(scope.objects, commit)
      if (parent === undefined) throw new RefNotFoundError(rev, `Commit ${commit} has no parent`)
      commit = parent
    }
    return commit
  }
  const refspec = parseRefspec(rev)
  for (let at: ResolveScope | undefined = scope; at !== undefined; at = at.parent) {
    const commit = await resolveRef(at.refs, refspec, options)
    if (commit !== undefined) return commit
  }
  return undefined
}

/** Like `tryResolveRev`. @throws {RefNotFoundError} `Refspec '…' not found` when there is no such ref */
export async function resolveRev(scope: ResolveScope, rev: string, options?: ResolveOptions): Promise<Checksum> {
  const commit = await tryResolveRev(scope, rev, options)
  if (commit === undefined) throw new RefNotFoundError(rev.replace(/\^+$/, ''))
  return commit
}

/** Finds the commit, here or in parent repositories, whose checksum begins with `prefix`. */
async function resolveAbbreviated(scope: ResolveScope, prefix: string): Promise<Checksum | undefined> {
  let found: Checksum | undefined
  for (let at: ResolveScope | undefined = scope; at !== undefined; at = at.parent) {
    for await (const { checksum } of at.objects.list('commit')) {
      if (!checksum.startsWith(prefix) || checksum === found) continue
      if (found !== undefined) throw new InvalidNameError(prefix, `Refspec ${prefix} not unique`)
      found = checksum
    }
  }
  return found
}

async function resolveRef(
  refs: RefStore,
  refspec: Refspec,
  { localOnly = false }: ResolveOptions,
): Promise<Checksum | undefined> {
  const { remote, name } = refspec
  if (remote !== undefined || localOnly) return readNamed(refs, pathOf(refspec), refspec)
  return (
    (await readNamed(refs, pathOf(refspec), refspec)) ??
    (await readNamed(refs, `remotes/${name}`, refspec)) ??
    (await findInRemotes(refs, refspec))
  )
}

/** Reads the ref at `path`. @throws {ConflictError} when it is a directory, or a leading part of the path is a ref */
async function readNamed(refs: RefStore, path: RefPath, refspec: Refspec): Promise<Checksum | undefined> {
  const commit = await readOpened(refs, path, refspec)
  if (commit !== undefined) return commit
  if ((await refs.list(path)).some((other) => other !== path)) {
    throw new ConflictError(formatRefspec(refspec), `Couldn't open ref '${refspec.name}': Is a directory`)
  }
  for (let end = path.lastIndexOf('/'); end > 0; end = path.lastIndexOf('/', end - 1)) {
    if ((await refs.read(path.slice(0, end))) === undefined) continue
    throw new ConflictError(formatRefspec(refspec), `openat(refs/${path}): Not a directory`)
  }
  return undefined
}

/** Reads a ref. @throws {FormatError} `Couldn't open ref …` when its file is not text */
async function readOpened(refs: RefStore, path: RefPath, { name }: Refspec): Promise<Checksum | undefined> {
  try {
    return await readRef(refs, path)
  } catch (error) {
    throw error instanceof FormatError && error.data.what.startsWith('refs/')
      ? withContext(`Couldn't open ref '${name}'`, error)
      : error
  }
}

async function findInRemotes(refs: RefStore, refspec: Refspec): Promise<Checksum | undefined> {
  const remotes = new Set((await refs.list('remotes')).map((path) => path.split('/')[1] as string))
  for (const remote of [...remotes].sort(compareUtf8)) {
    const commit = await readNamed(refs, `remotes/${remote}/${refspec.name}`, refspec)
    if (commit !== undefined) return commit
  }
  return undefined
}
