/**
 * Parses, validates and lists refs. A ref is stored at a path below `refs/`:
 *
 * ```
 * main             heads/main
 * origin:main      remotes/origin/main
 * (org.x, main)    mirrors/org.x/main, or heads/main where org.x is the repository's own collection
 * ```
 *
 * Source: ostree-core.c, ostree_parse_refspec and ostree_validate_rev; ostree-repo-refs.c.
 */

import { type Checksum, decodeUtf8 } from '../../bytes.ts'
import { FormatError, InvalidNameError, IoError, withContext } from '../../errors.ts'
import { isChecksum, validateCollectionId } from '../../objects/index.ts'
import type { RefPath, RefStore } from '../core/interface.ts'

/** The name of a ref, with its remote unless the ref is local: `NAME` or `REMOTE:NAME`. */
export interface Refspec {
  readonly remote: string | undefined
  readonly name: string
}

/**
 * One component of a ref: libostree's `[\w\d][-._\w\d]*`. PCRE's `\w` means Unicode letters, numbers and underscore.
 */
const FRAGMENT = '[\\p{L}\\p{N}_][-._\\p{L}\\p{N}]*'
const REF = new RegExp(`^${FRAGMENT}(?:/${FRAGMENT})*$`, 'u')
/** A newline at the end is not part of the name: that is what `$` means in PCRE. */
const REFSPEC = new RegExp(`^(?:(${FRAGMENT}):)?(${FRAGMENT}(?:/${FRAGMENT})*)\\n?$`, 'u')
const REMOTE = new RegExp(`^${FRAGMENT}$`, 'u')

/** Aliases followed in a row. Aliases are symlinks, of which Linux follows 40. */
export const MAX_ALIAS_HOPS = 40

/** Validates the name of a ref. @throws {InvalidNameError} `Invalid ref name …` when `name` is not a valid ref name */
export function validateRefName(name: string): void {
  if (!REF.test(name)) throw new InvalidNameError(name, `Invalid ref name ${name}`)
}

/** Tells whether a name is valid as one component of a ref, or as a remote. */
export function isRefPart(name: string): boolean {
  return REMOTE.test(name)
}

/**
 * Validates the name of a remote.
 * @throws {InvalidNameError} `Invalid remote name …` when `name` is not a valid remote name
 */
export function validateRemoteName(name: string): void {
  if (!REMOTE.test(name)) throw new InvalidNameError(name, `Invalid remote name ${name}`)
}

/** Parses `NAME` or `REMOTE:NAME`. A newline at the end is dropped, as by ostree. @throws {InvalidNameError} `Invalid refspec …` when it is neither */
export function parseRefspec(text: string): Refspec {
  const match = REFSPEC.exec(text)
  if (match === null) throw new InvalidNameError(text, `Invalid refspec ${text}`)
  return { remote: match[1], name: match[2] as string }
}

/** Formats a refspec; the inverse of `parseRefspec`. */
export function formatRefspec({ remote, name }: Refspec): string {
  return remote === undefined ? name : `${remote}:${name}`
}

/** Returns the path of a refspec. @throws {InvalidNameError} `Invalid refspec …` when it is malformed */
export function refPath(refspec: string): RefPath {
  return pathOf(parseRefspec(refspec))
}

/** Returns the path of a parsed refspec. */
export function pathOf({ remote, name }: Refspec): RefPath {
  return remote === undefined ? `heads/${name}` : `remotes/${remote}/${name}`
}

/**
 * Returns the path of a ref of a collection.
 * @param own collection of the repository itself, whose refs are below `heads/`
 * @throws {InvalidNameError} when the collection or the name is not valid
 */
export function collectionRefPath(collectionId: string, name: string, own?: string): RefPath {
  validateCollectionId(collectionId)
  validateRefName(name)
  return collectionId === own ? `heads/${name}` : `mirrors/${collectionId}/${name}`
}

/** Returns the refspec of a path below `heads/` or `remotes/`; `undefined` for any other path. */
export function refspecOf(path: RefPath): string | undefined {
  if (path.startsWith('heads/')) return path.slice('heads/'.length)
  const remote = /^remotes\/([^/]+)\/(.+)$/.exec(path)
  return remote === null ? undefined : `${remote[1]}:${remote[2]}`
}

/** Checks the name of a ref to be written. @throws {InvalidNameError} when it is empty or looks like a checksum */
export function validateNewRef(refspec: Refspec): void {
  if (refspec.name === '') throw new InvalidNameError('', 'Invalid empty ref name')
  if (isChecksum(refspec.name))
    throw new InvalidNameError(refspec.name, `Rev name '${refspec.name}' looks like a checksum`)
}

/** Decodes a ref name from untrusted bytes. @throws {InvalidNameError} when it is not UTF-8, or not a valid name */
export function refNameFromBytes(bytes: Uint8Array): string {
  const name = decodeUtf8(bytes)
  if (name === undefined) throw new InvalidNameError('', 'Invalid ref name: not valid UTF-8')
  validateRefName(name)
  return name
}

/**
 * Reads the commit of a ref, following aliases.
 * @returns `undefined` when the ref, or the target of an alias, does not exist
 * @throws {FormatError} when there are more than MAX_ALIAS_HOPS aliases in a row
 */
export async function readRef(refs: RefStore, path: RefPath): Promise<Checksum | undefined> {
  let at = path
  for (let hops = 0; hops <= MAX_ALIAS_HOPS; hops++) {
    const target = await refs.read(at)
    if (target === undefined) return undefined
    if ('commit' in target) return target.commit
    at = target.alias
  }
  throw new FormatError(path, `openat(refs/${path}): Too many levels of symbolic links`)
}

/**
 * Reads the commit of a ref that was listed.
 * @param shown the name that messages use
 * @returns `undefined` when the ref was deleted since it was listed
 * @throws {IoError} `openat(SHOWN): No such file or directory` when the ref is an alias of a ref that does not exist
 * @throws {InvalidNameError} `Invalid rev …` when the stored target is not a checksum
 */
export async function readListedRef(refs: RefStore, path: RefPath, shown: string): Promise<Checksum | undefined> {
  const commit = await readRef(refs, path)
  if (commit !== undefined || (await refs.read(path)) === undefined) return commit
  throw new IoError(`openat(${shown}): No such file or directory`, 'ENOENT', path)
}

/**
 * Checks that every alias among listed refs names an existing ref, as ostree does when it lists refs. Targets that are
 * not checksums pass, because ostree lists such refs too.
 * @param base the path that the names in messages are relative to
 * @throws {IoError} `openat(NAME): No such file or directory`
 */
async function requireNoDanglingAlias(refs: RefStore, paths: readonly RefPath[], base: RefPath): Promise<void> {
  for (const path of paths) {
    const name = path.slice(base.length + 1)
    try {
      await readListedRef(refs, path, base === 'remotes' ? name.slice(name.indexOf('/') + 1) : name)
    } catch (error) {
      if (!(error instanceof InvalidNameError)) throw error
    }
  }
}

/** A ref in a list. */
export interface ListedRef {
  /** The refspec; with `cutPrefix` the part after the prefix. */
  readonly name: string
  readonly path: RefPath
}

/** How to name the listed refs. */
export interface ListRefsOptions {
  /** Return names relative to the prefix, as `ostree refs PREFIX` prints them. Default: whole refspecs. */
  readonly cutPrefix?: boolean | undefined
  /** Also list aliases of refs that do not exist. Default: such an alias is an error. */
  readonly allowDangling?: boolean | undefined
}

/**
 * Lists the refs below a prefix, in byte order. Refs whose stored target is not a checksum are listed too.
 * @param prefix `undefined` for all; `NAME` for a local ref, or the refs below that directory; `REMOTE:` (or
 *   `REMOTE:.`) or `REMOTE:NAME` for refs of a remote
 * @throws {InvalidNameError} `Listing refs: Invalid refspec …` when the prefix is malformed
 * @throws {IoError} `Listing refs: …` when the directory `refs/heads` or `refs/remotes` is missing, a leading part of the
 *   prefix is a ref, or an alias names a ref that does not exist
 */
export async function listRefs(
  refs: RefStore,
  prefix?: string,
  { cutPrefix = false, allowDangling = false }: ListRefsOptions = {},
): Promise<ListedRef[]> {
  if (prefix === undefined) {
    const paths = await listPlainRefs(refs, { allowDangling })
    return paths.flatMap((path) => {
      const name = refspecOf(path)
      return name === undefined ? [] : [{ name, path }]
    })
  }
  const { remote, at } = parsePrefix(prefix)
  const paths = await listOf(refs, at, allowDangling)
  if (paths.length === 0) await requireNotBelowRef(refs, at)
  // If the prefix is the full name of a ref, that name is returned even with `cutPrefix`.
  if (paths.length === 1 && paths[0] === at) return [{ name: prefix, path: at }]
  return paths.map((path) => {
    const below = path.slice(at.length + 1)
    if (!cutPrefix) return { name: refspecOf(path) ?? below, path }
    return { name: remote === undefined ? below : `${remote}:${below}`, path }
  })
}

/**
 * Lists the refs below `heads` and `remotes`.
 * @throws {IoError} `Listing refs: …` when such a directory is missing, or an alias names a ref that does not exist
 */
export async function listPlainRefs(
  refs: RefStore,
  { allowDangling = false }: Pick<ListRefsOptions, 'allowDangling'> = {},
): Promise<RefPath[]> {
  return [...(await listOf(refs, 'heads', allowDangling)), ...(await listOf(refs, 'remotes', allowDangling))]
}

async function listOf(refs: RefStore, at: RefPath, allowDangling: boolean): Promise<readonly RefPath[]> {
  try {
    const paths = await refs.list(at)
    // A prefix that is a ref itself is not opened by ostree.
    if (!allowDangling && paths[0] !== at) await requireNoDanglingAlias(refs, paths, at)
    return paths
  } catch (error) {
    throw withContext('Listing refs', error)
  }
}

/** Checks a prefix without refs. @throws {IoError} `Listing refs: …` when a leading part of it is a ref */
async function requireNotBelowRef(refs: RefStore, at: RefPath): Promise<void> {
  for (let end = at.lastIndexOf('/'); end > 0; end = at.lastIndexOf('/', end - 1)) {
    if ((await refs.read(at.slice(0, end))) === undefined) continue
    throw new IoError(`Listing refs: fstatat(refs/${at}): Not a directory`, 'ENOTDIR', at)
  }
}

function parsePrefix(prefix: string): { remote: string | undefined; at: RefPath } {
  const bare = /^([^:]+):\.?$/.exec(prefix)?.[1]
  if (bare !== undefined && REMOTE.test(bare)) return { remote: bare, at: `remotes/${bare}` }
  const match = REFSPEC.exec(prefix)
  if (match === null) throw new InvalidNameError(prefix, `Listing refs: Invalid refspec ${prefix}`)
  const refspec = { remote: match[1], name: match[2] as string }
  return { remote: refspec.remote, at: pathOf(refspec) }
}
