/**
 * The files of a repository as an archive repository of libostree has them, whatever the store and its mode are:
 *
 *     config                          written anew, with mode archive-z2
 *     summary, summary.sig            as stored; an unsigned summary is made when none is stored
 *     refs/heads/…, refs/mirrors/…    a checksum and a newline
 *     objects/ab/cdef….TYPE           content as .filez
 *     deltas/…, delta-indexes/…       as stored
 */

import { type Checksum, type Content, concatBytes, encodeUtf8, type MaybePromise, SMALL_FILE } from '../bytes.ts'
import { InvalidNameError, IoError, ObjectNotFoundError } from '../errors.ts'
import { string, variantOf } from '../gvariant/index.ts'
import { KeyFile } from '../keyfile/index.ts'
import {
  encodeFilezHeader,
  isSymlink,
  type MetaType,
  type ObjectName,
  type ObjectType,
  parseLoosePath,
} from '../objects/index.ts'
import type { LocalFiles } from '../platform/index.ts'
import type { Repo } from '../repo/index.ts'
import { encodeSummary, Summary } from '../repo/index.ts'
import { SUMMARY_MODE_KEY } from '../repo/internal.ts'
import type { ServedFile } from './respond.ts'

const BINARY = 'application/octet-stream'
const TEXT = 'text/plain; charset=utf-8'
/** Types of objects that are never served: they exist in one form of repository only. */
const UNSERVED: readonly ObjectType[] = ['payload-link', 'file-xattrs', 'file-xattrs-link']
/** Folders of files that are served as they are stored. */
const STORED = /^(?:deltas|delta-indexes)\/[^/]+\/[^/]+(?:\/[^/]+)?$/
const ALIAS_LIMIT = 8

/** Looks files of a repository up. */
export class RepoFilesView {
  readonly #repo: Repo
  /** Reads files of the machine; with it, archives in directories are sent as they are stored. */
  readonly #files: LocalFiles | undefined

  constructor(repo: Repo, files: LocalFiles | undefined) {
    this.#repo = repo
    this.#files = files
  }

  /** Returns the file at a path without a leading slash; `undefined` when there is none. */
  async find(path: string): Promise<ServedFile | undefined> {
    if (path === 'config') return this.#known(encodeUtf8(this.#config()), TEXT)
    if (path === 'summary') return this.#summary()
    if (path === 'summary.sig' || STORED.test(path)) return this.#stored(path)
    if (path.startsWith('refs/')) return this.#ref(path.slice('refs/'.length))
    if (path.startsWith('objects/')) return this.#object(path.slice('objects/'.length))
    return undefined
  }

  /** Returns the configuration for clients: nothing about remotes or this machine. */
  #config(): string {
    const { settings, config: own } = this.#repo
    const config = KeyFile.parse('')
    config.set('core', 'repo_version', 1)
    config.set('core', 'mode', 'archive-z2')
    if (settings.collectionId !== undefined) config.set('core', 'collection-id', settings.collectionId)
    if (settings.tombstoneCommits) config.set('core', 'tombstone-commits', true)
    if (own.getBoolean('core', 'indexed-deltas', false)) config.set('core', 'indexed-deltas', true)
    return config.toString()
  }

  async #summary(): Promise<ServedFile | undefined> {
    const stored = await this.#repo.storage.files?.read('summary')
    if (stored !== undefined) return this.#known(await this.#asOfArchive(stored), BINARY)
    return this.#known(await encodeSummary(this.#repo, { mode: 'archive' }), BINARY)
  }

  /**
   * Returns a stored summary with the mode `archive-z2`: ostree pulls from no other. A signed one cannot be changed, and
   * stays as it is.
   */
  async #asOfArchive(summary: Uint8Array): Promise<Uint8Array> {
    if (this.#repo.mode === 'archive' || (await this.#repo.storage.files?.read('summary.sig')) !== undefined)
      return summary
    const { refs, metadata } = Summary.decode(summary)
    const mode = variantOf(string, 'archive-z2')
    return Summary.encode({
      refs,
      metadata: metadata.map(([key, value]) => [key, key === SUMMARY_MODE_KEY ? mode : value]),
    })
  }

  async #stored(path: string): Promise<ServedFile | undefined> {
    const bytes = await this.#repo.storage.files?.read(path)
    return bytes && this.#known(bytes, BINARY)
  }

  async #ref(path: string): Promise<ServedFile | undefined> {
    if (!/^(?:heads|mirrors|remotes)\/./.test(path)) return undefined
    let at = path
    for (let i = 0; i < ALIAS_LIMIT; i++) {
      const target = await this.#repo.refs.read(at)
      if (target === undefined) return undefined
      if ('commit' in target) return this.#known(encodeUtf8(`${target.commit}\n`), TEXT)
      at = target.alias
    }
    return undefined
  }

  async #object(path: string): Promise<ServedFile | undefined> {
    const parsed = parseLoosePath(path)
    if (parsed === undefined) return undefined
    const { type, compressed, checksum } = parsed
    if (UNSERVED.includes(type) || (type === 'file') !== compressed) return undefined
    const { objects } = this.#repo
    if (type === 'commitmeta' || type === 'tombstone-commit') {
      const bytes = await objects.readAttached(type, checksum)
      return bytes && this.#known(bytes, BINARY)
    }
    return (
      (await this.#loose(parsed)) ??
      (type === 'file' ? this.#content(checksum) : this.#meta(type as MetaType, checksum))
    )
  }

  /** Returns an object of an archive in a directory, which has the very file. */
  async #loose(name: ObjectName): Promise<ServedFile | undefined> {
    const files = this.#files
    if (files === undefined || this.#repo.mode !== 'archive') return undefined
    const path = this.#repo.objects.loose?.path(name)
    const stat = path === undefined ? undefined : await files.stat(path)
    if (path === undefined || stat?.kind !== 'file') return undefined
    const read = (range?: { start: number; end: number }): MaybePromise<Content> => {
      if (range !== undefined) return files.stream(path, { offset: range.start, length: range.end - range.start })
      return stat.size <= SMALL_FILE ? files.read(path, SMALL_FILE) : files.stream(path)
    }
    // A file may have been compressed again with another level, so its size is part of what identifies the bytes.
    const tag = `${name.checksum}.${name.type}-${stat.size}`
    return { tag, immutable: true, type: BINARY, size: stat.size, content: read }
  }

  async #meta(type: MetaType, checksum: Checksum): Promise<ServedFile> {
    const bytes = await this.#repo.objects.readMeta(type, checksum)
    return served(`${checksum}.${type}`, bytes, BINARY, true)
  }

  /** Returns a file object, compressed now. Its size is known in advance when it is small. */
  async #content(checksum: Checksum): Promise<ServedFile> {
    const { platform, settings, objects } = this.#repo
    const file = await objects.readFile(checksum)
    const head = encodeFilezHeader(file)
    const level = settings.zlibLevel
    const tag = `${checksum}.file-${platform.name}-${level}`
    if (isSymlink(file.header)) return served(tag, head, BINARY, true)
    if (file.body instanceof Uint8Array) {
      return served(tag, concatBytes([head, platform.deflateRaw(file.body, level)]), BINARY, true)
    }
    const stream = file.body
    const content = (): Content => joined(head, platform.compress('deflate-raw', stream, { level }))
    return { tag, immutable: true, type: BINARY, content }
  }

  #known(bytes: Uint8Array, type: string): ServedFile {
    return served(this.#repo.platform.sha256(bytes), bytes, type, false)
  }
}

function served(tag: string, bytes: Uint8Array, type: string, immutable: boolean): ServedFile {
  return {
    tag,
    immutable,
    type,
    size: bytes.length,
    content: (range) => (range === undefined ? bytes : bytes.subarray(range.start, range.end)),
  }
}

async function* joined(head: Uint8Array, rest: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void> {
  yield head
  yield* rest
}

/** Tells whether an error means that there is no such file. */
export function isAbsent(error: unknown): boolean {
  if (error instanceof IoError) return error.data.errno === 'EISDIR'
  return error instanceof ObjectNotFoundError || error instanceof InvalidNameError
}
