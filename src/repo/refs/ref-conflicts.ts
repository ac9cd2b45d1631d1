/**
 * A ref and a directory of its name exclude each other, in every store alike: what a directory of files cannot hold,
 * no store holds. Source: libostree, `write_checksum_file_at` in ostree-repo-refs.c.
 */

import { compareUtf8 } from '../../bytes.ts'
import { ConflictError } from '../../errors.ts'
import type { RefPath, RefTarget } from '../core/interface.ts'

/** The refs of a store, as far as a conflict depends on them. */
export interface RefView {
  has(path: RefPath): boolean
  /** The refs underneath `path`, in byte order. */
  below(path: RefPath): Iterable<RefPath>
}

export type RefUpdates = ReadonlyMap<RefPath, RefTarget | undefined>

/**
 * Judges updates by where they end together, whatever the order they came in; of several conflicts, the one of the
 * first path in byte order is named.
 * @throws {ConflictError} `Conflict: X exists under Y when attempting write`, or that a part of a path is a ref
 */
export function requireNoRefConflict(refs: RefView, updates: RefUpdates): void {
  const added = [...updates.keys()].filter((path) => updates.get(path) !== undefined).sort(compareUtf8)
  const remains = (path: RefPath): boolean => (updates.has(path) ? updates.get(path) !== undefined : refs.has(path))

  for (const path of added) {
    if (ancestorsOf(path).some(remains)) throw new ConflictError(path, `openat(refs/${path}): Not a directory`)
    const below = firstBelow(path, added, refs, remains)
    if (below === undefined) continue
    const message = `Conflict: ${below.slice(path.length + 1)} exists under ${nameOf(path)} when attempting write`
    throw new ConflictError(path, message)
  }
}

function firstBelow(
  path: RefPath,
  added: readonly RefPath[],
  refs: RefView,
  remains: (path: RefPath) => boolean,
): RefPath | undefined {
  const kept = first(refs.below(path), remains)
  const fresh = added.find((other) => other.startsWith(`${path}/`))
  if (kept === undefined || fresh === undefined) return kept ?? fresh
  return compareUtf8(kept, fresh) < 0 ? kept : fresh
}

function first<T>(items: Iterable<T>, accept: (item: T) => boolean): T | undefined {
  for (const item of items) if (accept(item)) return item
  return undefined
}

/** The name without the directory it is a name in: `heads/`, `remotes/REMOTE/`, `mirrors/COLLECTION/`. */
function nameOf(path: RefPath): string {
  return path.replace(path.startsWith('heads/') ? /^[^/]*\// : /^[^/]*\/[^/]*\//, '')
}

/** The proper ancestors of `path`, nearest first, but for the topmost (`heads`), which is no ref. */
function ancestorsOf(path: RefPath): RefPath[] {
  const ancestors: RefPath[] = []
  for (let end = path.lastIndexOf('/'); end > 0; end = path.lastIndexOf('/', end - 1))
    ancestors.push(path.slice(0, end))
  ancestors.pop()
  return ancestors
}
