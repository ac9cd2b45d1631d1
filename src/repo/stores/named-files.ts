/**
 * Static deltas as files of a store that has files by path:
 *
 *   deltas/Ab/REST[-TO]/superblock    a static delta; Ab and REST are the commit it starts from (or leads to, if it
 *                                     starts from nothing) in modified base64, TO the one it leads to
 *
 * Source: ostree-core.c, _ostree_get_relative_static_delta_path; ostree-repo-static-delta-core.c, list_static_delta_names.
 */

import { compareUtf8, type MaybePromise } from '../../bytes.ts'
import { InvalidNameError, IoError } from '../../errors.ts'
import { modifiedBase64, parseModifiedBase64 } from '../../objects/index.ts'
import type { DeltaName, DeltaStore } from '../core/interface.ts'
import type { RepoFiles } from '../core/repo-files.ts'

/** Returns the path of a delta's directory. */
export function deltaDirectory({ from, to }: DeltaName): string {
  const name = from === undefined ? modifiedBase64(to) : `${modifiedBase64(from)}-${modifiedBase64(to)}`
  return `deltas/${name.slice(0, 2)}/${name.slice(2)}`
}

/** Parses the name of a delta, without the slash after two characters. `undefined` if it is not one. */
export function parseDeltaDirectory(name: string): DeltaName | undefined {
  const [first = '', second] = name.split('-')
  try {
    if (second === undefined) return { from: undefined, to: parseModifiedBase64(first) }
    return { from: parseModifiedBase64(first), to: parseModifiedBase64(second) }
  } catch (error) {
    if (error instanceof InvalidNameError) return undefined
    throw error
  }
}

/** The paths of the files of a store, as `NamedDeltas` and the checks of paths need it. */
export interface PathTable {
  has(path: string): boolean
  /** Lists the paths that begin with `PATH/`, sorted by their UTF-8 bytes. */
  below(path: string): string[]
}

/**
 * Refuses a path that a directory of files could not have beside those that are there.
 * @throws {IoError} `ENOTDIR`, `EISDIR`
 */
export function requireFilePlace(files: PathTable, path: string): void {
  for (let at = path.indexOf('/'); at >= 0; at = path.indexOf('/', at + 1)) {
    if (!files.has(path.slice(0, at))) continue
    throw new IoError(`open(${path}): Not a directory`, 'ENOTDIR', path)
  }
  if (files.below(path).length > 0) throw new IoError(`open(${path}): Is a directory`, 'EISDIR', path)
}

/** Returns the names in a directory. @param paths of files below it @param directory `''` is the topmost */
export function namesBelow(paths: readonly string[], directory: string): string[] {
  const start = directory === '' ? 0 : directory.length + 1
  return [...new Set(paths.map((path) => path.slice(start).split('/', 1)[0] ?? ''))].sort(compareUtf8)
}

/** The static deltas among the files of a store. */
export class NamedDeltas implements DeltaStore {
  readonly #files: RepoFiles
  readonly #has: (path: string) => MaybePromise<boolean>

  constructor(files: RepoFiles, has: (path: string) => MaybePromise<boolean>) {
    this.#files = files
    this.#has = has
  }

  async list(): Promise<DeltaName[]> {
    const deltas: DeltaName[] = []
    for (const head of await this.#files.list('deltas')) {
      for (const tail of await this.#files.list(`deltas/${head}`)) {
        const delta = parseDeltaDirectory(head + tail)
        if (delta !== undefined && (await this.#has(`deltas/${head}/${tail}/superblock`))) deltas.push(delta)
      }
    }
    return deltas
  }

  /** Deletes the superblock first, so that a reader finds a whole delta or none. */
  async delete(delta: DeltaName): Promise<void> {
    const directory = deltaDirectory(delta)
    await this.#files.delete(`${directory}/superblock`)
    for (const name of await this.#files.list(directory)) await this.#files.delete(`${directory}/${name}`)
  }
}
