/**
 * Refuses refs whose paths conflict: `a` and `a/b` cannot both exist, since ostree stores refs as files in directories.
 * All stores apply this rule. Source: libostree, `write_checksum_file_at` in ostree-repo-refs.c.
 */

import { compareUtf8 } from '../../bytes.ts'
import { ConflictError } from '../../errors.ts'
import type { RefPath, RefTarget } from '../core/interface.ts'

/** The existing refs of a store. */
export interface RefView {
  has(path: RefPath): boolean
  /** Lists the refs whose paths begin with `path` and a slash, in byte order. */
  below(path: RefPath): Iterable<RefPath>
}

/** New targets by path; `undefined` deletes the ref. */
export type RefUpdates = ReadonlyMap<RefPath, RefTarget | undefined>

/**
 * Checks the refs that would exist after all updates, so that the order of the updates does not matter. If there are
 * several conflicts, the one of the first path in byte order is reported.
 * @throws {ConflictError} `Conflict: X exists under Y when attempting write` when a ref exists below an added one;
 *   `openat(refs/PATH): Not a directory` when a leading part of an added path is a ref
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

/** Finds the first ref, in byte order, that would exist below `path`. */
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

/** Removes the leading `heads/`, `remotes/REMOTE/` or `mirrors/COLLECTION/`. */
function nameOf(path: RefPath): string {
  return path.replace(path.startsWith('heads/') ? /^[^/]*\// : /^[^/]*\/[^/]*\//, '')
}

/** Returns the directories above `path`, nearest first, without the topmost (`heads`, `remotes` or `mirrors`). */
function ancestorsOf(path: RefPath): RefPath[] {
  const ancestors: RefPath[] = []
  for (let end = path.lastIndexOf('/'); end > 0; end = path.lastIndexOf('/', end - 1))
    ancestors.push(path.slice(0, end))
  ancestors.pop()
  return ancestors
}
