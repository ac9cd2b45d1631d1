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

import { existsSync, mkdirSync, rmSync, statSync, utimesSync } from 'node:fs'
import { decodeUtf8, encodeUtf8 } from '../../../bytes.ts'
import { InvalidNameError, IoError } from '../../../errors.ts'
import { namesIn } from '../../../system/directories.ts'
import { withIo } from '../../../system/errno.ts'
import { fileTime, readWhole, removeFile, replaceFile } from '../../../system/file-io.ts'
import type { NativeSource } from '../../../system/native.ts'
import type { DeltaName, DeltaStore } from '../../core/interface.ts'
import type { CachedFile, SummaryCache } from '../../core/summary-cache.ts'
import { deltaDirectory, parseDeltaDirectory } from '../named-files.ts'

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
        const delta = parseDeltaDirectory(head + tail)
        if (delta !== undefined && existsSync(`${root}/${head}/${tail}/superblock`)) deltas.push(delta)
      }
    }
    return deltas
  }

  delete(delta: DeltaName): void {
    this.#requireWritable()
    const path = deltaDirectory(delta)
    withIo(path, () => rmSync(`${this.#root}/${path}`, { recursive: true, force: true }))
  }
}

const ETAG = 'user.etag'

/**
 * The cached summaries in a directory. ETag and `Last-Modified` of the server are the attribute `user.etag` and the
 * modification time of each file, as in ostree.
 */
export class FsSummaryCache implements SummaryCache {
  readonly #path: string
  readonly #requireWritable: () => void
  readonly #native: NativeSource

  /** @param path `tmp/cache/summaries` of the repository, or another directory */
  constructor(path: string, requireWritable: () => void, native: NativeSource) {
    this.#path = path
    this.#requireWritable = requireWritable
    this.#native = native
  }

  list(): string[] {
    return namesIn(this.#path)
  }

  read(name: string): CachedFile | undefined {
    const path = this.#place(name)
    const bytes = readWhole(path)
    if (bytes === undefined) return undefined
    const etag = withIo(name, () => this.#native()?.getXattr(path, ETAG))
    const { mtimeMs } = withIo(name, () => statSync(path))
    return {
      bytes,
      // The time of a file without the attribute may be that of its creation here.
      ...(etag !== undefined && { etag: decodeUtf8(etag), lastModified: Math.floor(mtimeMs / 1000) }),
    }
  }

  write(name: string, { bytes, etag, lastModified }: CachedFile): void {
    this.#requireWritable()
    const path = this.#place(name)
    withIo(name, () => mkdirSync(this.#path, { recursive: true, mode: 0o777 }))
    replaceFile(path, bytes, { tmp: this.#path, fsync: false, shown: name })
    if (etag !== undefined) this.#setEtag(path, etag)
    if (lastModified === undefined) return
    const time = fileTime(lastModified)
    withIo(name, () => utimesSync(path, time, time))
  }

  /** Without the attribute, which some file systems do not support, the file is fetched again the next time. */
  #setEtag(path: string, etag: string): void {
    try {
      this.#native()?.setXattr(path, ETAG, encodeUtf8(etag))
    } catch (error) {
      if (!(error instanceof IoError)) throw error
    }
  }

  delete(name: string): void {
    this.#requireWritable()
    removeFile(this.#place(name), name)
  }

  #place(name: string): string {
    if (name.includes('/') || name.includes('\0') || name === '' || name === '.' || name === '..') {
      throw new InvalidNameError(name, `Invalid file name ${name}`)
    }
    return `${this.#path}/${name}`
  }
}
