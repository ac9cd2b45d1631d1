/**
 * Names of refs, and where they live.
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
import { FormatError, InvalidNameError, withContext } from '../../errors.ts'
import { isChecksum, validateCollectionId } from '../../objects/index.ts'
import type { RefPath, RefStore } from '../core/interface.ts'

/** A name, and the remote whose it is; none for a local ref. */
export interface Refspec {
  readonly remote: string | undefined
  readonly name: string
}

/** PCRE's `\w` with Unicode properties is letters, numbers and the underscore. */
const FRAGMENT = '[\\p{L}\\p{N}_][-._\\p{L}\\p{N}]*'
const REF = new RegExp(`^${FRAGMENT}(?:/${FRAGMENT})*$`, 'u')
const REFSPEC = new RegExp(`^(?:(${FRAGMENT}):)?(${FRAGMENT}(?:/${FRAGMENT})*)$`, 'u')
const REMOTE = new RegExp(`^${FRAGMENT}$`, 'u')

/** Symbolic links in a row the kernel follows; aliases are links. */
export const MAX_ALIAS_HOPS = 40

/** @throws {InvalidNameError} `Invalid ref name …` */
export function validateRefName(name: string): void {
  if (!REF.test(name)) throw new InvalidNameError(name, `Invalid ref name ${name}`)
}

/** Whether a name may be one part of a ref, or that of a remote. */
export function isRefPart(name: string): boolean {
  return REMOTE.test(name)
}

/** @throws {InvalidNameError} `Invalid remote name …` */
export function validateRemoteName(name: string): void {
  if (!REMOTE.test(name)) throw new InvalidNameError(name, `Invalid remote name ${name}`)
}

/** @throws {InvalidNameError} `Invalid refspec …` */
export function parseRefspec(text: string): Refspec {
  const match = REFSPEC.exec(text)
  if (match === null) throw new InvalidNameError(text, `Invalid refspec ${text}`)
  return { remote: match[1], name: match[2] as string }
}

export function formatRefspec({ remote, name }: Refspec): string {
  return remote === undefined ? name : `${remote}:${name}`
}

/** @throws {InvalidNameError} */
export function refPath(refspec: string): RefPath {
  return pathOf(parseRefspec(refspec))
}

export function pathOf({ remote, name }: Refspec): RefPath {
  return remote === undefined ? `heads/${name}` : `remotes/${remote}/${name}`
}

/** @param own collection of the repository itself, whose refs are its heads */
export function collectionRefPath(collectionId: string, name: string, own?: string): RefPath {
  validateCollectionId(collectionId)
  validateRefName(name)
  return collectionId === own ? `heads/${name}` : `mirrors/${collectionId}/${name}`
}

/** The refspec of a path below `heads/` or `remotes/`; `undefined` for mirrors and for what is no ref. */
export function refspecOf(path: RefPath): string | undefined {
  if (path.startsWith('heads/')) return path.slice('heads/'.length)
  const remote = /^remotes\/([^/]+)\/(.+)$/.exec(path)
  return remote === null ? undefined : `${remote[1]}:${remote[2]}`
}

/** What a ref may be called when it is written. @throws {InvalidNameError} */
export function validateNewRef(refspec: Refspec): void {
  if (refspec.name === '') throw new InvalidNameError('', 'Invalid empty ref name')
  if (isChecksum(refspec.name))
    throw new InvalidNameError(refspec.name, `Rev name '${refspec.name}' looks like a checksum`)
}

/** As a remote or a command line hands it over. @throws {InvalidNameError} */
export function refNameFromBytes(bytes: Uint8Array): string {
  const name = decodeUtf8(bytes)
  if (name === undefined) throw new InvalidNameError('', 'Invalid ref name: not valid UTF-8')
  validateRefName(name)
  return name
}

/** Follows aliases to a commit. @throws {FormatError} on a ring of them */
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

export interface ListedRef {
  /** Without the prefix when that is cut; else the whole refspec. */
  readonly name: string
  readonly path: RefPath
}

export interface ListRefsOptions {
  /** Below a prefix, names relative to it, as `ostree refs PREFIX` shows them; `list` and pull want the whole. */
  readonly cutPrefix?: boolean | undefined
}

/**
 * Names of the refs below a prefix, in byte order: `undefined` for all, `NAME` for a local directory of refs or one ref,
 * `REMOTE:` (or `REMOTE:.`) or `REMOTE:NAME` for those of a remote. Targets are not read, so one with a broken target is listed too.
 * @throws {InvalidNameError} `Listing refs: Invalid refspec …`; and as `listPlainRefs`
 */
export async function listRefs(
  refs: RefStore,
  prefix?: string,
  { cutPrefix = false }: ListRefsOptions = {},
): Promise<ListedRef[]> {
  if (prefix === undefined) {
    const paths = await listPlainRefs(refs)
    return paths.flatMap((path) => {
      const name = refspecOf(path)
      return name === undefined ? [] : [{ name, path }]
    })
  }
  const { remote, at } = parsePrefix(prefix)
  const paths = await refs.list(at)
  // A ref of just that name is listed whole, cut or not.
  if (paths.length === 1 && paths[0] === at) return [{ name: prefix, path: at }]
  return paths.map((path) => {
    const below = path.slice(at.length + 1)
    if (!cutPrefix) return { name: refspecOf(path) ?? below, path }
    return { name: remote === undefined ? below : `${remote}:${below}`, path }
  })
}

/** Those below `heads` and `remotes`. @throws {IoError} `Listing refs: …` where a repository has lost the directory */
export async function listPlainRefs(refs: RefStore): Promise<RefPath[]> {
  try {
    return [...(await refs.list('heads')), ...(await refs.list('remotes'))]
  } catch (error) {
    throw withContext('Listing refs', error)
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
