/**
 * Notes what passes through a transaction, for `ostree.sizes`: also what was in the store already.
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
import { ForwardingTransaction } from '../core/forwarding-transaction.ts'
import type { FileSink } from '../core/interface.ts'
import type { Repo } from '../repo.ts'

interface Noted {
  readonly type: 'file' | 'dirtree' | 'dirmeta'
  readonly unpacked: number
}

export class SizeRecorder extends ForwardingTransaction {
  readonly #noted = new Map<Checksum, Noted>()

  override writeMeta(type: MetaType, bytes: Uint8Array, expected?: Checksum): MaybePromise<Checksum> {
    const written = this.tx.writeMeta(type, bytes, expected)
    return type === 'commit' ? written : this.#note(written, { type, unpacked: bytes.length })
  }

  override writeFile(file: FileObject, expected?: Checksum): MaybePromise<Checksum> {
    return this.#note(this.tx.writeFile(file, expected), {
      type: 'file',
      unpacked: unpackedSize(file.header, file.size),
    })
  }

  override openFile(header: FileHeader, size: number, expected?: Checksum): FileSink {
    const sink = this.tx.openFile(header, size, expected)
    return {
      write: (bytes) => sink.write(bytes),
      finish: () => this.#note(sink.finish(), { type: 'file', unpacked: unpackedSize(header, size) }),
      abort: () => sink.abort(),
    }
  }

  /** Of all objects noted. Makes them visible first: a file weighs what it takes in an archive. */
  async sizes(repo: Repo): Promise<ObjectSize[]> {
    await this.checkpoint()
    const sizes: ObjectSize[] = []
    for (const [checksum, { type, unpacked }] of this.#noted) {
      const archived = type === 'file' ? await archivedSize(repo, checksum) : unpacked
      sizes.push({ checksum, type, archived, unpacked })
    }
    return sizes
  }

  /** Another tree begins. As in libostree nothing is known any more of those before. */
  forget(): void {
    this.#noted.clear()
  }

  #note(written: MaybePromise<Checksum>, noted: Noted): MaybePromise<Checksum> {
    if (written instanceof Promise) {
      return written.then((checksum) => {
        this.#noted.set(checksum, noted)
        return checksum
      })
    }
    this.#noted.set(written, noted)
    return written
  }
}

/** A symbolic link weighs as much as its target. */
function unpackedSize(header: FileHeader, size: number): number {
  return isSymlink(header) ? encodeUtf8(header.target).length : size
}

/** Bytes of the `.filez`: as it lies in the store, or as it would where the store keeps files in another form. */
async function archivedSize(repo: Repo, checksum: Checksum): Promise<number> {
  const { objects } = repo.storage
  if (objects.loosePath === undefined) return wouldTake(repo, checksum)
  try {
    return await objects.storageSize({ checksum, type: 'file' })
  } catch (error) {
    if (!(error instanceof ObjectNotFoundError) || repo.parent === undefined) throw error
    return repo.parent.mode === 'archive' ? archivedSize(repo.parent, checksum) : wouldTake(repo.parent, checksum)
  }
}

async function wouldTake({ objects, platform, settings }: Repo, checksum: Checksum): Promise<number> {
  const { header, size, body } = await objects.readFile(checksum)
  let bytes = encodeFilezHeader({ header, size }).length
  if (isSymlink(header)) return bytes
  const level = settings.zlibLevel
  if (body instanceof Uint8Array) return bytes + platform.deflateRaw(body, level).length
  for await (const chunk of platform.compress('deflate-raw', body, { level })) bytes += chunk.length
  return bytes
}
