/**
 * Static deltas and cached summaries in a repository directory, which prune lists and deletes:
 *
 *   deltas/Ab/REST[-TO]/superblock    a static delta; Ab and REST are the commit it starts from (or leads to, if it
 *                                     starts from nothing) in modified base64, TO the one it leads to
 *   tmp/cache/summaries/NAME[.sig]    the summary of a remote, as it was last fetched
 *
 * Source: ostree-core.c, _ostree_get_relative_static_delta_path; ostree-repo-static-delta-core.c, list_static_delta_names;
 * ostree-repo-prune.c, _ostree_repo_prune_tmp.
 */

import { existsSync, rmSync } from 'node:fs'
import { InvalidNameError } from '../../../errors.ts'
import { modifiedBase64, parseModifiedBase64 } from '../../../objects/index.ts'
import { namesIn } from '../../../system/directories.ts'
import { withIo } from '../../../system/errno.ts'
import { removeFile } from '../../../system/file-io.ts'
import type { DeltaName, DeltaStore, SummaryCache } from '../../core/interface.ts'

export class FsDeltas implements DeltaStore {
  readonly #root: string
  readonly #requireWritable: () => void

  /** @param root path of the repository */
  constructor(root: string, requireWritable: () => void) {
    this.#root = root
    this.#requireWritable = requireWritable
  }

  list(): DeltaName[] {
    const deltas: DeltaName[] = []
    const root = `${this.#root}/deltas`
    for (const head of namesIn(root)) {
      for (const tail of namesIn(`${root}/${head}`)) {
        const delta = parseDelta(head + tail)
        if (delta !== undefined && existsSync(`${root}/${head}/${tail}/superblock`)) deltas.push(delta)
      }
    }
    return deltas
  }

  delete({ from, to }: DeltaName): void {
    this.#requireWritable()
    const name = from === undefined ? modifiedBase64(to) : `${modifiedBase64(from)}-${modifiedBase64(to)}`
    const path = `deltas/${name.slice(0, 2)}/${name.slice(2)}`
    withIo(path, () => rmSync(`${this.#root}/${path}`, { recursive: true, force: true }))
  }
}

/** Parses the name of a delta. `undefined` if it is not one. */
function parseDelta(name: string): DeltaName | undefined {
  const [first = '', second] = name.split('-')
  try {
    if (second === undefined) return { from: undefined, to: parseModifiedBase64(first) }
    return { from: parseModifiedBase64(first), to: parseModifiedBase64(second) }
  } catch (error) {
    if (error instanceof InvalidNameError) return undefined
    throw error
  }
}

export class FsSummaryCache implements SummaryCache {
  readonly #path: string
  readonly #requireWritable: () => void

  /** @param root path of the repository */
  constructor(root: string, requireWritable: () => void) {
    this.#path = `${root}/tmp/cache/summaries`
    this.#requireWritable = requireWritable
  }

  list(): string[] {
    return namesIn(this.#path)
  }

  delete(name: string): void {
    this.#requireWritable()
    removeFile(`${this.#path}/${name}`, name)
  }
}
