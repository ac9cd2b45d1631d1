/**
 * Making a static delta. Objects that the target has and the source has not go into it whole and as they are: neither
 * differences within files nor compression are tried. Any program that applies deltas applies these.
 *
 *   metadata · regular files · symbolic links      in parts of `maxPartSize`
 *   regular files above `maxFileSize`              not in it: they are fetched by themselves
 *
 * Source: ostree-repo-static-delta-compilation.c, ostree_repo_static_delta_generate.
 */

import { type Checksum, readAll } from '../../bytes.ts'
import { FormatError } from '../../errors.ts'
import { byte, type Variant, vardict, variantOf } from '../../gvariant/index.ts'
import {
  type Commit,
  Commit as CommitCodec,
  encodeFileHeader,
  isSymlink,
  type MetaType,
  objectTypeNumber,
} from '../../objects/index.ts'
import type { ProgressOptions } from '../../progress.ts'
import { collectReachable, ReachableSet } from '../reach/traverse.ts'
import type { Repo } from '../repo.ts'
import { filesOf } from '../repo.ts'
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

/** Bytes of objects in one part. 32 MB, as ostree. */
export const DELTA_PART_SIZE = 32_000_000
/** Bytes of header and content above which a file stays outside. 4 MB. */
export const DELTA_FILE_SIZE = 4_000_000

export interface GenerateDeltaOptions extends Pick<ProgressOptions, 'signal'> {
  /** The commit it starts from; `undefined` for nothing. */
  readonly from: Checksum | undefined
  readonly to: Checksum
  /** When it is made. Seconds since the epoch. */
  readonly timestamp: bigint
  /** Parts go into the superblock. */
  readonly inline?: boolean | undefined
  /** Default little. */
  readonly byteOrder?: ByteOrder | undefined
  readonly maxPartSize?: number | undefined
  /** 0 for no limit. */
  readonly maxFileSize?: number | undefined
}

/** One file of the delta; `superblock` comes last, when all that it speaks of is there. */
export interface DeltaFile {
  readonly name: string
  readonly bytes: Uint8Array
}

export interface DeltaPartStats {
  readonly objects: number
  /** Bytes of the file. */
  readonly size: number
  readonly unpacked: number
}

export interface DeltaStats {
  /** Objects the source has not, the target commit itself among them. */
  readonly metadata: number
  readonly regular: number
  readonly symlinks: number
  readonly parts: readonly DeltaPartStats[]
  readonly fallbacks: number
  /** Bytes these objects take in the repository, the target commit and fallbacks aside. */
  readonly loose: number
}

/**
 * Gives the files of the delta one after the other, each complete.
 * @returns what is in it
 * @throws {ObjectNotFoundError} when either commit lacks something
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
    commit: await readWhole(repo, to),
    recurse: new Uint8Array(),
    parts,
    fallbacks: delta.fallbacks,
  })
  yield { name: 'superblock', bytes }
  return delta.stats()
}

/** Puts the delta where those who fetch from this repository look for it. @throws {UnsupportedError} in stores without files */
export async function writeDelta(repo: Repo, options: GenerateDeltaOptions): Promise<DeltaStats> {
  const files = filesOf(repo, 'A static delta')
  const generated = generateDelta(repo, options)
  for (;;) {
    const next = await generated.next()
    if (next.done) return next.value
    await files.write(`${deltaPath(options)}/${next.value.name}`, next.value.bytes)
  }
}

/** The delta carries the commit as a value: one whose bytes are not the encoding of that could not be told from it. */
async function readWhole(repo: Repo, checksum: Checksum): Promise<Commit> {
  const commit = await repo.readCommit(checksum)
  if (repo.platform.sha256(CommitCodec.encode(commit)) !== checksum) {
    throw new FormatError(`${checksum}.commit`, `Commit ${checksum} is not in normal form`)
  }
  return commit
}

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

  async *parts(): AsyncGenerator<{ bytes: Uint8Array; header: DeltaPartHeader }> {
    const { objects } = this.#repo
    const missing = await this.#missing()
    for (const { type, checksum } of missing.meta) {
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
      this.#regular++
      if (encodeFileHeader(header).length + size > this.#fileSize) {
        await this.#leaveOut(checksum, size)
        continue
      }
      if (this.#isFull(size)) yield this.#finish()
      await this.#addFile(checksum)
    }
    this.#symlinks = symlinks.length
    for (const checksum of symlinks) {
      if (this.#isFull(0)) yield this.#finish()
      await this.#addFile(checksum)
    }
    // An empty delta has a part too, with nothing in it.
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

  async #missing(): Promise<{ meta: { type: MetaType; checksum: Checksum }[]; files: Checksum[] }> {
    const { from, to, signal } = this.#options
    const repo = this.#repo
    const there = new ReachableSet()
    if (from !== undefined) await collectReachable(repo, from, { signal }, there)
    const meta: { type: MetaType; checksum: Checksum }[] = []
    const files: Checksum[] = []
    for (const name of await collectReachable(repo, to, { signal })) {
      if (there.has(name)) continue
      const { type, checksum } = name
      if (type === 'file') files.push(checksum)
      else {
        this.#metadata++
        if (type === 'dirtree' || type === 'dirmeta') meta.push({ type, checksum })
        else continue // the commit stands in the superblock
      }
      this.#loose += await repo.storage.objects.storageSize(name)
    }
    return { meta, files }
  }

  #isFull(more: number): boolean {
    return this.#part.count > 0 && this.#part.unpacked + more > this.#partSize
  }

  async #addFile(checksum: Checksum): Promise<void> {
    this.#options.signal?.throwIfAborted()
    const { header, size, body } = await this.#repo.objects.readFile(checksum)
    this.#part.addFile(checksum, header, body instanceof Uint8Array ? body : await readAll(body, size))
  }

  async #leaveOut(checksum: Checksum, size: number): Promise<void> {
    const stored = await this.#repo.storage.objects.storageSize({ type: 'file', checksum })
    this.#loose -= stored
    const type = objectTypeNumber('file')
    this.fallbacks.push({ type, checksum, size: BigInt(stored), unpacked: BigInt(size) })
  }

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
