/**
 * Generates static deltas. A delta has the objects of the target commit that the source commit lacks, whole and
 * uncompressed: there are no differences between files (rollsum, bsdiff). Any ostree can apply it.
 *
 *   metadata, regular files, symlinks       in parts of up to `maxPartSize`
 *   regular files above `maxFileSize`       not in a part; listed as fallbacks, to be fetched one by one
 *
 * Source: ostree-repo-static-delta-compilation.c, ostree_repo_static_delta_generate.
 */

import { type Checksum, readAll } from '../../bytes.ts'
import { FormatError } from '../../errors.ts'
import { byte, type Variant, vardict, variantOf } from '../../gvariant/index.ts'
import {
  Commit as CommitCodec,
  encodeFileHeader,
  isSymlink,
  type MetaType,
  objectTypeNumber,
} from '../../objects/index.ts'
import type { ProgressOptions } from '../../progress.ts'
import { collectReachable, ReachableSet } from '../reach/traverse.ts'
import type { Repo } from '../repo.ts'
import { requireRepoFiles } from '../repo.ts'
import {
  type ByteOrder,
  DELTA_ENDIANNESS,
  type DeltaFallback,
  DeltaPart,
  type DeltaPartHeader,
  superblockOf,
} from './format.ts'
import { deltaPath } from './names-and-index.ts'
import { DeltaPartBuilder } from './part.ts'

/** Default size of a part: bytes of its objects. 32 MB, as in ostree. */
export const DELTA_PART_SIZE = 32_000_000
/** Default limit of header and content, in bytes, above which a file becomes a fallback. 4 MB, as in ostree. */
export const DELTA_FILE_SIZE = 4_000_000

/** Which delta to generate, and how. */
export interface GenerateDeltaOptions extends ProgressOptions {
  /** The source commit; `undefined` for a delta with all objects of the target. */
  readonly from: Checksum | undefined
  readonly to: Checksum
  /** Time to write into the delta, in seconds since the epoch. */
  readonly timestamp: bigint
  /** Put the parts into the superblock instead of files of their own. */
  readonly inline?: boolean | undefined
  /** Byte order of the numbers in the headers. Default little. */
  readonly byteOrder?: ByteOrder | undefined
  /** Bytes of objects in one part. A larger object gets a part of its own. Default DELTA_PART_SIZE. */
  readonly maxPartSize?: number | undefined
  /** Bytes of header and content above which a file becomes a fallback; 0 for no limit. Default DELTA_FILE_SIZE. */
  readonly maxFileSize?: number | undefined
}

/** A file of the delta. The last one is `superblock`, which refers to the others. */
export interface DeltaFile {
  readonly name: string
  readonly bytes: Uint8Array
}

/** Statistics about one part. */
export interface DeltaPartStats {
  readonly objects: number
  /** Size of the part in bytes. */
  readonly size: number
  /** Bytes of its objects: of metadata the whole object, of files the content. */
  readonly unpacked: number
}

/** Statistics about a delta. */
export interface DeltaStats {
  /** Number of metadata objects that the source lacks, including the target commit. */
  readonly metadata: number
  /** Number of regular files that the source lacks, including fallbacks. */
  readonly regular: number
  readonly symlinks: number
  readonly parts: readonly DeltaPartStats[]
  readonly fallbacks: number
  /** Bytes that all these objects take in the repository, without the target commit and the fallbacks. */
  readonly loose: number
}

/**
 * Yields the files of a delta one by one, each as a whole. At most one part is held in memory.
 * @returns statistics
 * @throws {ObjectNotFoundError} when an object of either commit is missing
 * @throws {FormatError} when the target commit is not in normal form
 */
export async function* generateDelta(
  repo: Repo,
  options: GenerateDeltaOptions,
): AsyncGenerator<DeltaFile, DeltaStats, undefined> {
  const { from, to, timestamp, inline = false, byteOrder = 'little' } = options
  const delta = new DeltaBuilder(repo, options)
  const parts: DeltaPartHeader[] = []
  const inlined: [string, Variant][] = []
  for await (const { bytes, header } of delta.parts()) {
    const name = String(parts.length)
    parts.push(header)
    if (inline) inlined.push([`${deltaPath({ from, to })}/${name}`, variantOf(DeltaPart, DeltaPart.decode(bytes))])
    else yield { name, bytes }
  }
  const attached = await repo.objects.readAttached('commitmeta', to)
  const metadata: [string, Variant][] = [
    [DELTA_ENDIANNESS, variantOf(byte, (byteOrder === 'little' ? 'l' : 'B').charCodeAt(0))],
    ...inlined,
  ]
  if (attached !== undefined) {
    metadata.push([`${deltaPath({ from, to })}/commitmeta`, variantOf(vardict, vardict.decode(attached))])
  }
  const bytes = superblockOf(byteOrder).encode({
    metadata,
    timestamp,
    from,
    to,
    commit: await readNormalCommit(repo, to),
    recurse: new Uint8Array(),
    parts,
    fallbacks: delta.fallbacks,
  })
  yield { name: 'superblock', bytes }
  return delta.stats()
}

/**
 * Generates a delta and stores it in the repository, below `deltas/`, where ostree looks for it when it pulls.
 * @throws {UnsupportedError} when the repository is not a directory; and as `generateDelta` does
 */
export async function writeDelta(repo: Repo, options: GenerateDeltaOptions): Promise<DeltaStats> {
  const files = requireRepoFiles(repo, 'A static delta')
  const generated = generateDelta(repo, options)
  for (;;) {
    const next = await generated.next()
    if (next.done) return next.value
    await files.write(`${deltaPath(options)}/${next.value.name}`, next.value.bytes)
  }
}

/**
 * Reads the target commit. The superblock holds it as a value, from which the bytes of the object are encoded again.
 * @throws {FormatError} when the bytes of the object are not the encoding of its value
 */
async function readNormalCommit(repo: Repo, checksum: Checksum): Promise<Uint8Array> {
  const bytes = CommitCodec.encode(await repo.readCommit(checksum))
  if (repo.platform.sha256(bytes) !== checksum) {
    throw new FormatError(`${checksum}.commit`, `Commit ${checksum} is not in normal form`)
  }
  return bytes
}

/** Distributes objects among parts and fallbacks, and counts them. */
class DeltaBuilder {
  readonly fallbacks: DeltaFallback[] = []
  readonly #repo: Repo
  readonly #options: GenerateDeltaOptions
  readonly #partSize: number
  readonly #fileSize: number
  readonly #partStats: DeltaPartStats[] = []
  #part = new DeltaPartBuilder()
  #metadata = 0
  #regular = 0
  #symlinks = 0
  #loose = 0

  constructor(repo: Repo, options: GenerateDeltaOptions) {
    this.#repo = repo
    this.#options = options
    this.#partSize = options.maxPartSize ?? DELTA_PART_SIZE
    this.#fileSize = options.maxFileSize || (options.maxFileSize === 0 ? Number.POSITIVE_INFINITY : DELTA_FILE_SIZE)
  }

  /** Yields the parts, at least one. `fallbacks` and `stats()` are complete afterwards. */
  async *parts(): AsyncGenerator<{ bytes: Uint8Array; header: DeltaPartHeader }> {
    const { objects } = this.#repo
    const missing = await this.#findMissing()
    const total = missing.meta.length + missing.files.length
    let done = 0
    const next = () => {
      this.#options.signal?.throwIfAborted()
      this.#options.onProgress?.({ kind: 'step', label: 'delta', done: ++done, total })
    }
    for (const { type, checksum } of missing.meta) {
      next()
      const bytes = await objects.readMeta(type, checksum)
      if (this.#isFull(bytes.length)) yield this.#finish()
      this.#part.addMeta(type, checksum, bytes)
    }
    const symlinks: Checksum[] = []
    for (const checksum of missing.files) {
      const { header, size } = await objects.statFile(checksum)
      if (isSymlink(header)) {
        symlinks.push(checksum)
        continue
      }
      next()
      this.#regular++
      if (encodeFileHeader(header).length + size > this.#fileSize) {
        await this.#addFallback(checksum, size)
        continue
      }
      if (this.#isFull(size)) yield this.#finish()
      await this.#addFile(checksum)
    }
    this.#symlinks = symlinks.length
    for (const checksum of symlinks) {
      next()
      if (this.#isFull(0)) yield this.#finish()
      await this.#addFile(checksum)
    }
    // As in ostree, a delta without objects has one empty part.
    if (this.#part.count > 0 || this.#partStats.length === 0) yield this.#finish()
  }

  stats(): DeltaStats {
    return {
      metadata: this.#metadata,
      regular: this.#regular,
      symlinks: this.#symlinks,
      parts: this.#partStats,
      fallbacks: this.fallbacks.length,
      loose: this.#loose,
    }
  }

  /** Lists the objects that the target has and the source lacks, without the target commit. */
  async #findMissing(): Promise<{ meta: { type: MetaType; checksum: Checksum }[]; files: Checksum[] }> {
    const { from, to, signal } = this.#options
    const repo = this.#repo
    const present = new ReachableSet()
    if (from !== undefined) await collectReachable(repo, from, { signal }, present)
    const meta: { type: MetaType; checksum: Checksum }[] = []
    const files: Checksum[] = []
    for (const name of await collectReachable(repo, to, { signal })) {
      if (present.has(name)) continue
      const { type, checksum } = name
      if (type === 'file') files.push(checksum)
      else {
        this.#metadata++
        if (type === 'dirtree' || type === 'dirmeta') meta.push({ type, checksum })
        else continue // the commit is in the superblock
      }
      this.#loose += await repo.storage.objects.storageSize(name)
    }
    return { meta, files }
  }

  /** Tells whether the current part has no room for `more` bytes. */
  #isFull(more: number): boolean {
    return this.#part.count > 0 && this.#part.unpacked + more > this.#partSize
  }

  async #addFile(checksum: Checksum): Promise<void> {
    const { header, size, body } = await this.#repo.objects.readFile(checksum)
    this.#part.addFile(checksum, header, body instanceof Uint8Array ? body : await readAll(body, size))
  }

  async #addFallback(checksum: Checksum, size: number): Promise<void> {
    const stored = await this.#repo.storage.objects.storageSize({ type: 'file', checksum })
    this.#loose -= stored
    const type = objectTypeNumber('file')
    this.fallbacks.push({ type, checksum, size: BigInt(stored), unpacked: BigInt(size) })
  }

  /** Encodes the current part and begins a new one. */
  #finish(): { bytes: Uint8Array; header: DeltaPartHeader } {
    const { count, unpacked } = this.#part
    const { part: bytes, objects } = this.#part.encode()
    this.#part = new DeltaPartBuilder()
    this.#partStats.push({ objects: count, size: bytes.length, unpacked })
    const checksum = this.#repo.platform.sha256(bytes)
    return {
      bytes,
      header: { version: 0, checksum, size: BigInt(bytes.length), unpacked: BigInt(unpacked), objects },
    }
  }
}
