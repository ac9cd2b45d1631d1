/**
 * From what a person types to a commit: a checksum, a unique beginning of one, a ref, and `^` for the parent of any of
 * them. The first rule that speaks decides:
 *
 *   1. 64 hex digits name themselves, whether or not there is such a commit.
 *   2. Hex digits, even none at all, name the only commit that begins with them.
 *   3. `REV^` is the parent of `REV`.
 *   4. `NAME` is a local ref, else the path REMOTE/REF, else a ref of that name in any remote; `REMOTE:NAME` is itself.
 *   5. The parent repository is asked the same, last.
 *
 * Source: ostree-repo-refs.c, ostree_repo_resolve_rev.
 */

import { type Checksum, compareUtf8 } from '../../bytes.ts'
import { ConflictError, InvalidNameError, RefNotFoundError } from '../../errors.ts'
import { isChecksum } from '../../objects/index.ts'
import type { ObjectReader, ObjectStore, RefPath, RefStore } from '../core/interface.ts'
import { readCommit } from '../core/read-metadata.ts'
import { formatRefspec, parseRefspec, pathOf, type Refspec, readRef } from './refs.ts'

/** What resolving needs of a repository, and of those it falls back to. */
export interface ResolveScope {
  readonly objects: ObjectReader & Pick<ObjectStore, 'list'>
  readonly refs: RefStore
  readonly parent: ResolveScope | undefined
}

export interface ResolveOptions {
  /** A bare name is a local ref, and not looked for in remotes. */
  readonly localOnly?: boolean | undefined
}

/**
 * @returns `undefined` when there is no such ref
 * @throws {InvalidNameError} when `rev` is no refspec or stands for several commits; {RefNotFoundError} when a commit has
 * no parent; {ConflictError} when the name is that of a directory of refs
 */
export async function tryResolveRev(
  scope: ResolveScope,
  rev: string,
  options: ResolveOptions = {},
): Promise<Checksum | undefined> {
  if (isChecksum(rev)) return rev
  const unabbreviated = /^[0-9a-f]{0,63}$/.test(rev) ? await resolveAbbreviated(scope, rev) : undefined
  if (unabbreviated !== undefined) return unabbreviated
  // Each `^` is one more parent; a loop, as a name may have any number of them.
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

/** As `tryResolveRev`. @throws {RefNotFoundError} `Refspec '…' not found` */
export async function resolveRev(scope: ResolveScope, rev: string, options?: ResolveOptions): Promise<Checksum> {
  const commit = await tryResolveRev(scope, rev, options)
  if (commit === undefined) throw new RefNotFoundError(rev.replace(/\^+$/, ''))
  return commit
}

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

async function readNamed(refs: RefStore, path: RefPath, refspec: Refspec): Promise<Checksum | undefined> {
  const commit = await readRef(refs, path)
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

async function findInRemotes(refs: RefStore, refspec: Refspec): Promise<Checksum | undefined> {
  const remotes = new Set((await refs.list('remotes')).map((path) => path.split('/')[1] as string))
  for (const remote of [...remotes].sort(compareUtf8)) {
    const commit = await readNamed(refs, `remotes/${remote}/${refspec.name}`, refspec)
    if (commit !== undefined) return commit
  }
  return undefined
}
