/**
 * Generates static deltas. A delta has the objects of the target commit that the source commit lacks:
 *
 *   metadata                          whole
 *   regular files, by preference      as ranges of a similar file of the source (rollsum), if half of the chunks are in it;
 *                                     as a patch of it (bsdiff), if both together have at most `maxBsdiffSize`;
 *                                     above `maxFileSize` not in a part: listed as fallbacks, to be fetched one by one;
 *                                     whole
 *   symbolic links                    whole
 *
 * in this order, in parts of up to `maxPartSize`, each compressed as xz; where the platform has no encoder the xz is not
 * compressed, since ostree cannot read a larger part of another kind.
 *
 * Memory: a part, and a file with its source; for a patch also four bytes for each byte of the source.
 *
 * Source: ostree-repo-static-delta-compilation.c, ostree_repo_static_delta_generate.
 */

import { type Checksum, concatBytes, equalBytes, readAll, streamOf } from '../../bytes.ts'
import { FormatError } from '../../errors.ts'
import { byte, type Variant, vardict, variantOf } from '../../gvariant/index.ts'
import {
  Commit as CommitCodec,
  encodeFileHeader,
  isSymlink,
  type MetaType,
  objectTypeNumber,
} from '../../objects/index.ts'
import { storeXz } from '../../platform/internal.ts'
import type { ProgressOptions } from '../../progress.ts'
import { Pauses } from '../core/yield-to-event-loop.ts'
import { collectReachable, ReachableSet } from '../reach/traverse.ts'
import type { Repo } from '../repo.ts'
import { requireRepoFiles } from '../repo.ts'
import { bsdiff } from './compile/bsdiff.ts'
import { chooseFileDeltas, type FileDelta, readContent } from './compile/file-deltas.ts'
import { DeltaPartBuilder } from './compile/part.ts'
import { findSimilar } from './compile/similar.ts'
import {
  type ByteOrder,
  DELTA_ENDIANNESS,
  type DeltaFallback,
  DeltaPart,
  type DeltaPartHeader,
  superblockOf,
  XZ,
} from './format.ts'
import { deltaPath } from './names-and-index.ts'
import { type DeltaSigner, signSuperblock } from './signed.ts'

/** Default size of a part in bytes. 32 MB, as in ostree. */
export const DELTA_PART_SIZE = 32_000_000
/** Default limit of header and content, in bytes, above which a file becomes a fallback. 4 MB, as in ostree. */
export const DELTA_FILE_SIZE = 4_000_000
/** Default limit of two files together, in bytes, above which no patch is made of them. 128 MB, as in ostree. */
export const DELTA_BSDIFF_SIZE = 128_000_000
/** Preset of xz: a dictionary of 32 MiB. As in ostree. */
const PRESET = 8

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
  /** Bytes of a part before compression. An object that is larger gets a part of its own. Default DELTA_PART_SIZE. */
  readonly maxPartSize?: number | undefined
  /** Bytes of header and content above which a file becomes a fallback; 0 for no limit. Default DELTA_FILE_SIZE. */
  readonly maxFileSize?: number | undefined
  /** Bytes of two files together above which no patch is made of them; 0 for no patches. Default DELTA_BSDIFF_SIZE. */
  readonly maxBsdiffSize?: number | undefined
  /** Entries that are put in front of the metadata of the superblock. */
  readonly metadata?: readonly (readonly [key: string, value: Variant])[] | undefined
  /** Sign the superblock, with one signature of each. */
  readonly signers?: readonly DeltaSigner[] | undefined
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

/** Statistics about a file that is made of ranges of another one. */
export interface DeltaRollsumStats {
  readonly from: Checksum
  readonly to: Checksum
  /** Different keys of its chunks that chunks of the other one have: those were compared. */
  readonly keys: number
  /** Chunks of the file that the other one has. */
  readonly matches: number
  /** Chunks of the file. */
  readonly total: number
  /** Bytes of these chunks. */
  readonly size: number
}

/** Statistics about a delta. */
export interface DeltaStats {
  /** Number of metadata objects that the source lacks, including the target commit. */
  readonly metadata: number
  /** Number of regular files that the source lacks, including fallbacks. */
  readonly regular: number
  readonly symlinks: number
  /** Number of regular files for which there is a similar one in the source. */
  readonly modified: number
  readonly rollsums: readonly DeltaRollsumStats[]
  /** Number of files that are made by a patch. */
  readonly bsdiffs: number
  readonly parts: readonly DeltaPartStats[]
  /** Files that are not in a part, with the bytes of header and content. */
  readonly fallbacks: readonly { readonly checksum: Checksum; readonly size: number }[]
  /** Bytes that the objects which are in a part as a whole take in the repository. */
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
  const metadata: (readonly [string, Variant])[] = [
    ...(options.metadata ?? []),
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
  const { signers = [] } = options
  yield { name: 'superblock', bytes: signers.length === 0 ? bytes : await signSuperblock(bytes, signers) }
  return delta.stats()
}

/**
 * Generates a delta and stores it in the repository, below `deltas/`, where ostree looks for it when it pulls.
 *
 * Each file is replaced in one step, and the superblock is written last. If another delta with other parts is there, its
 * superblock is deleted before the first part is replaced. So a reader finds a whole delta, or none; one that has read the
 * old superblock finds parts of other checksums. If this is interrupted, it has to be done again.
 * @throws {UnsupportedError} when the store keeps nothing but objects and refs; and as `generateDelta` does
 */
export async function writeDelta(repo: Repo, options: GenerateDeltaOptions): Promise<DeltaStats> {
  const files = requireRepoFiles(repo, 'A static delta')
  const directory = deltaPath(options)
  const lock = await repo.storage.lock('shared')
  try {
    const generated = generateDelta(repo, options)
    const written = new Set<string>()
    let next = await generated.next()
    for (; !next.done; next = await generated.next()) {
      const { name, bytes } = next.value
      const path = `${directory}/${name}`
      written.add(name)
      const before = name === 'superblock' ? undefined : await files.read(path)
      if (before !== undefined && equalBytes(before, bytes)) continue
      if (name !== 'superblock') await files.delete(`${directory}/superblock`)
      await files.write(path, bytes)
    }
    for (const name of await files.list(directory)) {
      if (/^\d+$/.test(name) && !written.has(name)) await files.delete(`${directory}/${name}`)
    }
    return next.value
  } finally {
    await lock[Symbol.asyncDispose]()
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
  readonly #rollsums: DeltaRollsumStats[] = []
  readonly #fallbackStats: { checksum: Checksum; size: number }[] = []
  #part = new DeltaPartBuilder()
  #metadata = 0
  #regular = 0
  #symlinks = 0
  #modified = 0
  #bsdiffs = 0
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
    const pauses = new Pauses(this.#options.signal)
    const next = () => {
      this.#options.onProgress?.({ kind: 'step', label: 'delta', done: ++done, total })
      return pauses.next()
    }
    const symlinks: Checksum[] = []
    const regular = new Map<Checksum, number>()
    for (const checksum of missing.files) {
      await pauses.next()
      const { header, size } = await objects.statFile(checksum)
      if (isSymlink(header)) symlinks.push(checksum)
      else regular.set(checksum, encodeFileHeader(header).length + size)
    }
    this.#regular = regular.size
    this.#symlinks = symlinks.length
    const deltas = await this.#fileDeltas(regular)

    for (const { type, checksum } of missing.meta) {
      await next()
      const bytes = await objects.readMeta(type, checksum)
      if (this.#isFull(bytes.length)) yield await this.#finish()
      this.#part.addMeta(type, checksum, bytes)
      this.#loose += await this.#repo.storage.objects.storageSize({ type, checksum })
    }
    for (const kind of ['rollsum', 'bsdiff'] as const) {
      for (const [checksum, delta] of deltas) {
        if (delta.kind !== kind) continue
        await next()
        if (this.#isFull(0)) yield await this.#finish()
        await this.#addDelta(checksum, delta)
      }
    }
    for (const [checksum, size] of regular) {
      if (deltas.has(checksum)) continue
      await next()
      if (size > this.#fileSize) await this.#addFallback(checksum, size)
      else {
        if (this.#isFull((await objects.statFile(checksum)).size)) yield await this.#finish()
        await this.#addFile(checksum)
      }
    }
    for (const checksum of symlinks) {
      await next()
      if (this.#isFull(0)) yield await this.#finish()
      await this.#addFile(checksum)
    }
    // As in ostree, a delta without objects has one empty part.
    if (this.#part.count > 0 || this.#partStats.length === 0) yield await this.#finish()
  }

  stats(): DeltaStats {
    return {
      metadata: this.#metadata,
      regular: this.#regular,
      symlinks: this.#symlinks,
      modified: this.#modified,
      rollsums: this.#rollsums,
      bsdiffs: this.#bsdiffs,
      parts: this.#partStats,
      fallbacks: this.#fallbackStats,
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
        // The commit is in the superblock.
      }
    }
    return { meta, files }
  }

  /** Decides which of the new regular files are made of files of the source. */
  async #fileDeltas(regular: ReadonlyMap<Checksum, number>): Promise<ReadonlyMap<Checksum, FileDelta>> {
    const { from, to, signal, maxBsdiffSize = DELTA_BSDIFF_SIZE } = this.#options
    if (from === undefined) return new Map()
    const similar = await findSimilar(this.#repo, from, to, (checksum) => regular.has(checksum), { signal })
    this.#modified = similar.size
    const chosen = await chooseFileDeltas(this.#repo, similar, { signal, maxBsdiffSize })
    for (const [checksum, delta] of chosen) {
      if (delta.kind === 'bsdiff') this.#bsdiffs++
      else {
        const { keys, matches, total, size } = delta.found
        this.#rollsums.push({ from: delta.from, to: checksum, keys, matches: matches.length, total, size })
      }
    }
    return chosen
  }

  /** Tells whether the current part has no room for an object with `more` bytes. */
  #isFull(more: number): boolean {
    return this.#part.count > 0 && this.#part.size + more > this.#partSize
  }

  async #addDelta(checksum: Checksum, delta: FileDelta): Promise<void> {
    const { header } = await this.#repo.objects.statFile(checksum)
    const content = await readContent(this.#repo, checksum)
    if (delta.kind === 'rollsum') this.#part.addRollsum(checksum, header, content, delta.from, delta.found.matches)
    else {
      const patch = bsdiff(await readContent(this.#repo, delta.from), content)
      this.#part.addBsdiff(checksum, header, content.length, delta.from, patch)
    }
  }

  async #addFile(checksum: Checksum): Promise<void> {
    const { header } = await this.#repo.objects.statFile(checksum)
    this.#part.addFile(checksum, header, await readContent(this.#repo, checksum))
    this.#loose += await this.#repo.storage.objects.storageSize({ type: 'file', checksum })
  }

  /** @param size bytes of header and content */
  async #addFallback(checksum: Checksum, size: number): Promise<void> {
    const stored = await this.#repo.storage.objects.storageSize({ type: 'file', checksum })
    const { size: unpacked } = await this.#repo.objects.statFile(checksum)
    const type = objectTypeNumber('file')
    this.fallbacks.push({ type, checksum, size: BigInt(stored), unpacked: BigInt(unpacked) })
    this.#fallbackStats.push({ checksum, size })
  }

  /** Encodes and compresses the current part, and begins a new one. */
  async #finish(): Promise<{ bytes: Uint8Array; header: DeltaPartHeader }> {
    const { platform } = this.#repo
    const { count, unpacked } = this.#part
    const { payload, objects } = this.#part.encode()
    this.#part = new DeltaPartBuilder()
    const xz = platform.xz?.()
    const packed = await readAll(xz === undefined ? storeXz(streamOf(payload)) : xz.compress(streamOf(payload), PRESET))
    const bytes = concatBytes([Uint8Array.of(XZ), packed])
    this.#partStats.push({ objects: count, size: bytes.length, unpacked })
    const checksum = platform.sha256(bytes)
    const header = { version: 0, checksum, size: BigInt(bytes.length), unpacked: BigInt(unpacked), objects }
    return { bytes, header }
  }
}
