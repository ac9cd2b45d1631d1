/**
 * Records the sizes of all objects written in a transaction, including those that existed already, for `ostree.sizes`.
 *
 * Source: ostree-repo-commit.c, repo_store_size_entry.
 */

import { type Checksum, encodeUtf8, type MaybePromise } from '../../bytes.ts'
import { ObjectNotFoundError } from '../../errors.ts'
import {
  encodeFilezHeader,
  type FileHeader,
  type FileObject,
  isSymlink,
  type MetaType,
  type ObjectSize,
} from '../../objects/index.ts'
import { loadExactDeflate } from '../../platform/internal.ts'
import { ForwardingTransaction } from '../core/forwarding-transaction.ts'
import type { FileSink } from '../core/interface.ts'
import type { Repo } from '../repo.ts'

interface RecordedObject {
  readonly type: 'file' | 'dirtree' | 'dirmeta'
  /** Bytes of a metadata object, of a file's content, or of a symlink's target. */
  readonly unpacked: number
}

/** A transaction that records the objects written through it. */
export class SizeRecorder extends ForwardingTransaction {
  readonly #recorded = new Map<Checksum, RecordedObject>()

  override writeMeta(type: MetaType, bytes: Uint8Array, expected?: Checksum): MaybePromise<Checksum> {
    const written = this.tx.writeMeta(type, bytes, expected)
    return type === 'commit' ? written : this.#record(written, { type, unpacked: bytes.length })
  }

  override writeFile(file: FileObject, expected?: Checksum): MaybePromise<Checksum> {
    return this.#record(this.tx.writeFile(file, expected), {
      type: 'file',
      unpacked: unpackedSize(file.header, file.size),
    })
  }

  override openFile(header: FileHeader, size: number, expected?: Checksum): FileSink {
    const sink = this.tx.openFile(header, size, expected)
    return {
      write: (bytes) => sink.write(bytes),
      finish: () => this.#record(sink.finish(), { type: 'file', unpacked: unpackedSize(header, size) }),
      abort: () => sink.abort(),
    }
  }

  /** Threads would write without being recorded. */
  override openLane(): undefined {
    return undefined
  }

  /**
   * Returns the sizes of all recorded objects. Makes them visible first, to get the compressed sizes of files.
   * @param exact whether sizes that are not those of stored files are zlib's
   */
  async sizes(repo: Repo, exact: boolean): Promise<ObjectSize[]> {
    await this.checkpoint()
    const sizes: ObjectSize[] = []
    for (const [checksum, { type, unpacked }] of this.#recorded) {
      const archived = type === 'file' ? await archivedSize(repo, checksum, exact) : unpacked
      sizes.push({ checksum, type, archived, unpacked })
    }
    return sizes
  }

  /** Discards all records, when the next tree begins. libostree does so too, although the commit has all trees. */
  forget(): void {
    this.#recorded.clear()
  }

  #record(written: MaybePromise<Checksum>, object: RecordedObject): MaybePromise<Checksum> {
    if (written instanceof Promise) {
      return written.then((checksum) => {
        this.#recorded.set(checksum, object)
        return checksum
      })
    }
    this.#recorded.set(written, object)
    return written
  }
}

/** Returns the bytes of a file's content; for a symlink those of its target. */
function unpackedSize(header: FileHeader, size: number): number {
  return isSymlink(header) ? encodeUtf8(header.target).length : size
}

/** Returns the bytes of a file's `.filez`: its size in the store, or, in stores without such files, computed. */
async function archivedSize(repo: Repo, checksum: Checksum, exact: boolean): Promise<number> {
  const { objects } = repo.storage
  if (objects.loose === undefined) return compressedSize(repo, checksum, exact)
  try {
    return await objects.storageSize({ checksum, type: 'file' })
  } catch (error) {
    if (!(error instanceof ObjectNotFoundError) || repo.parent === undefined) throw error
    return repo.parent.mode === 'archive'
      ? archivedSize(repo.parent, checksum, exact)
      : compressedSize(repo.parent, checksum, exact)
  }
}

/** Compresses a file to get the bytes that its `.filez` would have. */
async function compressedSize(repo: Repo, checksum: Checksum, exact: boolean): Promise<number> {
  const { objects, platform, settings } = repo
  const { header, size, body } = await objects.readFile(checksum)
  let bytes = encodeFilezHeader({ header, size }).length
  if (isSymlink(header)) return bytes
  const level = settings.zlibLevel
  if (body instanceof Uint8Array && exact) return bytes + (await loadExactDeflate()).deflateRaw(body, level).length
  if (body instanceof Uint8Array) return bytes + platform.deflateRaw(body, level).length
  for await (const chunk of platform.compress('deflate-raw', body, { level, exact })) bytes += chunk.length
  return bytes
}
