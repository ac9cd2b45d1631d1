/**
 * Imports the layers that hold a commit. They are ostree tar streams, whose entries object-sink.ts describes.
 *
 * A chunk layer is a set of files. In the repository it is a commit with one directory, which lists each file under its
 * checksum. The commit layer has the commit, its directories, and the files that are in no chunk.
 *
 * Source: ostree-ext, tar/import.rs (import_tar, import_tar_objects, finish_import_object_set).
 */

import type { Checksum, MaybePromise } from '../../bytes.ts'
import { FormatError, LimitError, TarFormatError, withContext } from '../../errors.ts'
import { type Vardict, vardict } from '../../gvariant/index.ts'
import { DirMeta, DirTree, NO_XATTRS, S_IFDIR } from '../../objects/index.ts'
import type { ProgressOptions } from '../../progress.ts'
import { type Repo, type Transaction, writeCommit } from '../../repo/index.ts'
import { reportObjects } from '../../repo/internal.ts'
import { feed, type TarHeader, type TarLimits, TarParser } from '../../tar/index.ts'
import type { Digest } from '../oci/oci-types.ts'
import type { StreamObject, StreamType } from './object-path.ts'
import { ObjectSink, type StreamRules } from './object-sink.ts'

/** Largest number of files in a layer, whose list is a metadata object, of which ostree reads at most 128 MiB. */
export const MAX_LAYER_OBJECTS = 1 << 20

/** How a tar stream of a commit is read. */
export interface OstreeTarOptions extends ProgressOptions {
  /** Digest of the layer's blob, for messages. */
  readonly layer?: Digest | undefined
  readonly limits?: TarLimits | undefined
}

/** Verifies the signatures of commits. */
export interface CommitVerifier {
  /** Name of the remote whose keys are used, for messages. */
  readonly remote: string
  /** Verifies a commit. @returns the result as text for people. @throws to refuse the commit */
  verify(commit: { readonly bytes: Uint8Array; readonly metadata: Vardict }): Promise<string>
}

export interface CommitTarOptions extends OstreeTarOptions {
  /** Default: signatures are not verified. */
  readonly verifier?: CommitVerifier | undefined
}

/** The commit of a commit layer. */
export interface ImportedCommit {
  readonly commit: Checksum
  /** The text that the verifier returned. */
  readonly verifyText: string | undefined
}

/**
 * Stores the files of a chunk layer.
 * @param chunks the uncompressed stream; a chunk may be reused once the next one is asked for
 * @returns the checksums of all files
 * @throws {TarFormatError}, {ChecksumMismatchError}, {LimitError}
 */
export async function importObjectSet(
  repo: Pick<Repo, 'platform'>,
  tx: Transaction,
  chunks: AsyncIterable<Uint8Array>,
  options: OstreeTarOptions = {},
): Promise<Set<Checksum>> {
  return run(repo, tx, chunks, new ObjectSetRules(), options)
}

/** Writes the commit that lists a set of files. Equal sets give equal commits. No ref is set. @returns its checksum */
export async function writeObjectSetCommit(tx: Transaction, objects: ReadonlySet<Checksum>): Promise<Checksum> {
  const files = [...objects].sort().map((checksum) => ({ name: checksum, checksum }))
  const tree = await tx.writeMeta('dirtree', DirTree.encode({ files, dirs: [] }))
  const inode = { uid: 0, gid: 0, mode: S_IFDIR | 0o755, xattrs: NO_XATTRS }
  const meta = await tx.writeMeta('dirmeta', DirMeta.encode(inode))
  return writeCommit(tx, { root: { tree, meta }, timestamp: 0n })
}

/**
 * Stores the commit of a commit layer, its detached metadata and the objects in that layer. The commit is marked
 * partial, because the other layers have the rest of its objects; the caller removes the mark when it is complete. With
 * a verifier the commit is written only when it is verified.
 * @returns the commit, with the checksum that it had when it was encapsulated
 * @throws as `importObjectSet`, and what the verifier throws
 */
export async function importCommitLayer(
  repo: Repo,
  tx: Transaction,
  chunks: AsyncIterable<Uint8Array>,
  { verifier, ...options }: CommitTarOptions = {},
): Promise<ImportedCommit> {
  return run(repo, tx, chunks, new CommitRules(tx, verifier), options)
}

async function run<T>(
  repo: Pick<Repo, 'platform'>,
  tx: Transaction,
  chunks: AsyncIterable<Uint8Array>,
  rules: StreamRules & { finish(): T },
  { layer, limits, signal, onProgress }: OstreeTarOptions,
): Promise<T> {
  const sink = new ObjectSink(repo.platform, tx, rules)
  try {
    await feed(new TarParser(sink, limits), chunks, {
      signal,
      drained: () => sink.drained(),
      onChunk: onProgress && (() => reportObjects(tx, { onProgress })),
    })
    await sink.drained()
    return rules.finish()
  } catch (error) {
    sink.abort()
    throw layer === undefined ? error : withContext(`Layer ${layer}`, error)
  }
}

/** Names of the types in messages. */
const TYPE_NAMES: Partial<Record<StreamType, string>> = {
  commit: 'Commit',
  commitmeta: 'CommitMeta',
  dirtree: 'DirTree',
  dirmeta: 'DirMeta',
}

class ObjectSetRules implements StreamRules {
  readonly #objects = new Set<Checksum>()

  accept({ checksum, type }: StreamObject): void {
    const isFile = type === 'file'
    if (!isFile)
      throw new FormatError(checksum, `Found metadata object ${checksum}.${TYPE_NAMES[type]} in object set mode`)
    if (this.#objects.has(checksum)) throw new FormatError(checksum, `Duplicate object: ${checksum}`)
    if (this.#objects.size >= MAX_LAYER_OBJECTS) throw new LimitError('objects of a layer', MAX_LAYER_OBJECTS)
    this.#objects.add(checksum)
  }

  attached(): void {}

  finish(): Set<Checksum> {
    return this.#objects
  }
}

class CommitRules implements StreamRules {
  readonly #tx: Transaction
  readonly #verifier: CommitVerifier | undefined
  #commit: Checksum | undefined
  /** Number of objects so far. */
  #count = 0
  /** The commit, until its signatures are verified. */
  #unverified: Uint8Array | undefined
  #verifyText: string | undefined

  constructor(tx: Transaction, verifier: CommitVerifier | undefined) {
    this.#tx = tx
    this.#verifier = verifier
  }

  accept({ checksum, type }: StreamObject, header: TarHeader): void {
    const position = this.#count++
    if (position === 0) {
      if (header.type !== 'file') {
        throw new FormatError(checksum, `Expected regular file for commit object, not ${header.type}`)
      }
      if (type !== 'commit') throw new FormatError(checksum, `Expected commit object, not ${type}`)
      this.#commit = checksum
      return
    }
    if (type === 'commit') throw new FormatError(checksum, 'Found multiple commit objects')
    if (position === 1 && type !== 'commitmeta' && this.#verifier !== undefined) {
      const { remote } = this.#verifier
      const reason = `Expected commitmeta object, not ${type}`
      throw new FormatError(checksum, `Using remote ${remote} for verification; ${reason}`)
    }
    if (type !== 'commitmeta') return
    if (position > 1) throw new FormatError(checksum, `Invalid metadata object type; ${TYPE_NAMES[type]}`)
    if (checksum !== this.#commit) {
      throw new FormatError(checksum, `Expected commitmeta checksum ${this.#commit}, found ${checksum}`)
    }
  }

  attached({ checksum, type }: StreamObject, bytes: Uint8Array): MaybePromise<unknown> {
    if (type === 'commitmeta') {
      const commit = this.#unverified
      this.#unverified = undefined
      return commit === undefined
        ? this.#tx.writeAttached('commitmeta', checksum, bytes)
        : this.#verify(checksum, commit, bytes)
    }
    if (this.#verifier === undefined) return this.#write(checksum, bytes)
    this.#unverified = bytes
    return undefined
  }

  #write(checksum: Checksum, bytes: Uint8Array): MaybePromise<unknown> {
    this.#tx.setCommitState(checksum, 'partial')
    return this.#tx.writeMeta('commit', bytes, checksum)
  }

  async #verify(checksum: Checksum, bytes: Uint8Array, attached: Uint8Array): Promise<void> {
    try {
      this.#verifyText = await this.#verifier?.verify({ bytes, metadata: vardict.decode(attached) })
    } catch (error) {
      throw withContext('Verifying ostree commit in tar stream', error)
    }
    await this.#write(checksum, bytes)
    await this.#tx.writeAttached('commitmeta', checksum, attached)
  }

  finish(): ImportedCommit {
    if (this.#commit === undefined) throw new TarFormatError('Commit object not found', 0)
    if (this.#count < 2) throw new TarFormatError('End of stream after commit object', 0)
    return { commit: this.#commit, verifyText: this.#verifyText }
  }
}
