/**
 * Maps the names in a layer to those in a tree that becomes a deployment:
 *
 * ```
 * usr/…                      stays                etc/…                     usr/etc/…
 * run tmp proc sys dev       themselves only      var/…                     usr/share/factory/var/…, or stays
 * anything else              left out, or stays, as asked
 * ```
 *
 * Names are bytes. Most need no change, and then the same array is returned.
 *
 * Source: ostree-ext, tar/write.rs (normalize_validate_path, normalize_validated_link); tar-rs, header.rs
 * (copy_path_into).
 */

import { decodeUtf8, displayUtf8, encodeUtf8 } from '../../bytes.ts'
import { InvalidNameError } from '../../errors.ts'

/** Which names are kept. */
export interface PathRules {
  /** Keep all top-level names. Default false. */
  readonly allowNonusr?: boolean | undefined
  /** Keep `var` at its path. Default false: it becomes `usr/share/factory/var`. */
  readonly retainVar?: boolean | undefined
}

const SLASH = 0x2f
const DOT = 0x2e

const USR = encodeUtf8('usr')
const ETC = encodeUtf8('etc')
const VAR = encodeUtf8('var')
const USR_PREFIX = encodeUtf8('usr/')
const SYSROOT = encodeUtf8('sysroot')
const STORE_PREFIX = encodeUtf8('sysroot/ostree/repo/')
const FACTORY_PREFIX = encodeUtf8('usr/share/factory/')
/** Directories of the running system: they exist in an image, but their content does not belong to it. */
const RUNTIME = ['run', 'tmp', 'proc', 'sys', 'dev'].map(encodeUtf8)

/**
 * Returns the path of an entry in a deployment.
 * @returns bytes for an entry that is kept, with leading `./` and `/` as they were, and `path` itself when nothing
 *   changes; a string for an entry that is left out: the name to count it under
 * @throws {InvalidNameError} on a `..`, and when the path of an entry that is left out is not UTF-8
 */
export function normalisePath(path: Uint8Array, rules: PathRules): Uint8Array | string {
  const clean = isClean(path) ? path : cleaned(path)
  const start = skipCurrent(clean)
  const end = componentEnd(clean, start)
  if (start === end || isPart(clean, start, end, USR)) return clean
  if (isPart(clean, start, end, ETC)) return prefixed(USR_PREFIX, clean, start)
  if (isPart(clean, start, end, VAR)) return rules.retainVar ? clean : prefixed(FACTORY_PREFIX, clean, start)
  if (RUNTIME.some((name) => isPart(clean, start, end, name))) {
    // An entry in such a directory is counted under its own name, as in ostree-ext.
    return end + 1 < clean.length ? text(clean, end + 1, componentEnd(clean, end + 1)) : clean
  }
  return rules.allowNonusr ? clean : text(clean, start, end)
}

/**
 * Returns the target of a hard link in a deployment, with the `./` or `/` it had: `etc` becomes `usr/etc`, and `var` what it
 * becomes for entries. ostree-ext does not move targets in `var`, and then fails to find them.
 */
export function remapLinkTarget(target: Uint8Array, { retainVar }: PathRules = { retainVar: true }): Uint8Array {
  const start = skipCurrent(target)
  const end = componentEnd(target, start)
  if (!retainVar && isPart(target, start, end, VAR)) return prefixed(FACTORY_PREFIX, target, start)
  if (!isPart(target, start, end, ETC)) return target
  const lead = target[0] === SLASH ? '/' : start > 0 ? './' : ''
  const rest = decodeUtf8(target.subarray(start))
  // A target that is not UTF-8 is rejected later, by the sink.
  return rest === undefined ? target : encodeUtf8(`${lead}usr/${componentsOf(rest).join('/')}`)
}

/** Bytes; link targets up to this length are written into the tar header, and tidied on the way. */
const HEADER_LINK_LENGTH = 100

/**
 * Returns the target of a symbolic link as tar-rs writes it into a header: without `//` and inner `.`, but with a
 * leading `/` or `./`, every `..` and one trailing `/`. A target that is too long for a header even then is not changed.
 */
export function normaliseSymlinkTarget(target: Uint8Array): Uint8Array {
  if (isTidy(target)) return target
  const decoded = decodeUtf8(target)
  if (decoded === undefined) return target
  const names = componentsOf(decoded)
  if (decoded.startsWith('.') && (decoded.length === 1 || decoded[1] === '/')) names.unshift('.')
  const lead = decoded.startsWith('/') ? '/' : ''
  // The target `/` becomes `//`.
  const trail = decoded.endsWith('/') ? '/' : ''
  const tidy = encodeUtf8(lead + names.join('/') + trail)
  return tidy.length > HEADER_LINK_LENGTH ? target : tidy
}

/** Returns the components of a path, without empty ones and `.`. */
export function componentsOf(path: string): string[] {
  return path.split('/').filter((name) => name !== '' && name !== '.')
}

/** Returns whether a path has no empty component, `.` or `..`, except leading `/` and `./` and a trailing `/`. */
function isClean(path: Uint8Array): boolean {
  for (let at = skipCurrent(path); at < path.length; ) {
    const end = componentEnd(path, at)
    if (end === at) return false
    if (path[at] === DOT && (end === at + 1 || (end === at + 2 && path[at + 1] === DOT))) return false
    at = end + 1
  }
  return true
}

function cleaned(path: Uint8Array): Uint8Array {
  const decoded = decoding(path)
  const names = componentsOf(decoded)
  if (names.includes('..')) throw new InvalidNameError(decoded, `Invalid path: ${decoded.replace(/^\/+/, '')}`)
  return encodeUtf8(names.join('/'))
}

/** Returns whether `normaliseSymlinkTarget` would not change a target. */
function isTidy(target: Uint8Array): boolean {
  // It changes `/`.
  if (target.length === 1) return target[0] !== SLASH
  for (let at = target[0] === SLASH ? 1 : 0; at < target.length; ) {
    const end = componentEnd(target, at)
    if (end === at) return false
    if (target[at] === DOT && end === at + 1 && at > 0) return false
    at = end + 1
  }
  return true
}

/** Returns the offset behind leading `/` and `./`. */
function skipCurrent(path: Uint8Array): number {
  let at = 0
  for (;;) {
    if (path[at] === SLASH) at += 1
    else if (path[at] === DOT && path[at + 1] === SLASH) at += 2
    else if (path[at] === DOT && at + 1 === path.length) at += 1
    else return at
  }
}

function componentEnd(path: Uint8Array, start: number): number {
  let end = start
  while (end < path.length && path[end] !== SLASH) end++
  return end
}

function isPart(path: Uint8Array, start: number, end: number, name: Uint8Array): boolean {
  if (end - start !== name.length) return false
  for (let i = 0; i < name.length; i++) if (path[start + i] !== name[i]) return false
  return true
}

function prefixed(prefix: Uint8Array, path: Uint8Array, start: number): Uint8Array {
  const result = new Uint8Array(prefix.length + path.length - start)
  result.set(prefix)
  result.set(path.subarray(start), prefix.length)
  return result
}

/** Decodes a part of a path. @throws {InvalidNameError} unless the whole path is UTF-8 */
function text(path: Uint8Array, start: number, end: number): string {
  decoding(path)
  return decoding(path.subarray(start, end))
}

function decoding(path: Uint8Array): string {
  const decoded = decodeUtf8(path)
  if (decoded === undefined) throw new InvalidNameError(displayUtf8(path), 'Archive entry pathname is not valid UTF-8')
  return decoded
}

/**
 * Returns the name of a file in the object store of a deployed system. A layer that was made on one may have such files.
 * @returns the names below `sysroot/ostree/repo`, joined by `/`, and `''` for that directory; `undefined` for any other
 *   path, also for one with a leading `./`
 */
export function pathInObjectStore(path: Uint8Array): string | undefined {
  let at = 0
  while (path[at] === SLASH) at++
  return storePathFrom(path, at)
}

/** Returns the name of a file in the object store as `pathInObjectStore` does, also for a path with leading `./`. */
export function storePathOf(path: Uint8Array): string | undefined {
  return storePathFrom(path, skipCurrent(path))
}

function storePathFrom(path: Uint8Array, at: number): string | undefined {
  if (!isPart(path, at, componentEnd(path, at), SYSROOT)) return undefined
  // Most are written so. Splitting each would leave much garbage, since a layer may have 500,000.
  const end = at + STORE_PREFIX.length
  if (isPart(path, at, end, STORE_PREFIX) && isClean(path) && path.at(-1) !== SLASH)
    return decodeUtf8(path.subarray(end))
  const names = componentsOf(decodeUtf8(path.subarray(at)) ?? '')
  return names[1] === 'ostree' && names[2] === 'repo' ? names.slice(3).join('/') : undefined
}
