/**
 * Decides which entries of a tree belong to the requested subpaths: those below a subpath, and the directories that lead
 * to it. Source: ostree-repo-pull.c, matches_pull_dir.
 */

import { UsageError } from '../../errors.ts'

/** The requested subpaths; without any, every path is wanted. */
export class Subpaths {
  readonly #paths: readonly string[] | undefined

  /** @throws {UsageError} when a path does not begin with a slash */
  constructor(paths: readonly string[] | undefined) {
    for (const path of paths ?? []) {
      if (!path.startsWith('/')) throw new UsageError(`Subpath ${path} does not begin with a slash`, '--subpath')
    }
    this.#paths = paths === undefined || paths.length === 0 ? undefined : paths
  }

  get all(): boolean {
    return this.#paths === undefined
  }

  /** @param path of the entry, such as `/usr/bin` */
  has(path: string, isDirectory: boolean): boolean {
    return this.#paths === undefined || this.#paths.some((wanted) => matches(path, wanted, isDirectory))
  }
}

function matches(path: string, wanted: string, isDirectory: boolean): boolean {
  if (wanted.startsWith(path)) {
    const rest = wanted.slice(path.length)
    return rest === '' || (rest.startsWith('/') && isDirectory)
  }
  return path.startsWith(wanted) && (path[wanted.length] === '/' || wanted.endsWith('/'))
}
