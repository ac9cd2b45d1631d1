/**
 * A blob that is checked while it is read. Each chunk is counted and hashed on its way to the reader; at the end, size
 * and digest are compared with what the descriptor, or the caller, said they would be:
 *
 *     source ─ count ─ sha256 ─▶ reader
 *                │        └ digest    compared when the source has ended
 *                └ size               compared when the source has ended, or as soon as there is too much
 *
 * Source: OCI image-spec 1.1, descriptor.md, "Verification".
 */
import { DigestMismatchError, LimitError, UsageError } from '../../errors.ts'
import type { Platform } from '../../platform/index.ts'
import { type DigestHasher, sha256Hasher } from './digest-hasher.ts'
import type { Digest, StoredBlob } from './oci-types.ts'

/** Bytes a decompressed stream may have for each compressed byte. Deflate's maximum is 1032. */
export const MAX_LAYER_RATIO = 4096
/** The ratio is checked only above this many bytes of output, 1 GiB: a layer may begin with a large file of zeros. */
const RATIO_FLOOR: number = 2 ** 30

/** What a blob has to be. A member that is absent is not checked. */
export interface ExpectedBlob {
  readonly digest?: Digest | undefined
  /** Bytes. */
  readonly size?: number | undefined
}

export interface VerifiedBlobOptions {
  /** Makes a read fail at once when it is aborted, even if the source never answers. */
  readonly signal?: AbortSignal | undefined
  /** Called after each chunk with the number of bytes received so far. */
  readonly onBytes?: ((received: number) => void) | undefined
  /** Computes the digest. Default: SHA-256. */
  readonly hasher?: DigestHasher | undefined
}

const END = { done: true, value: undefined } as const

/**
 * The bytes of a blob, to be read once and in order; a chunk may be reused by the source once the next one is asked for.
 * The iteration throws `DigestMismatchError` instead of ending when the blob is not the expected one, and then again at
 * each later read. A reader that leaves the loop early does not end the source: `drain` can still read the rest, and
 * disposing of the blob ends the source.
 */
export class VerifiedBlob implements AsyncIterable<Uint8Array>, AsyncDisposable {
  /** Bytes read so far. */
  received = 0
  readonly #source: AsyncIterator<Uint8Array>
  readonly #expected: ExpectedBlob
  readonly #options: VerifiedBlobOptions
  readonly #sum: DigestHasher
  #lastRead: Promise<IteratorResult<Uint8Array, void>> | undefined
  /** Whether the source was asked for a chunk and has not given one. */
  #waiting = false
  /** Whether the source has ended, or was told to. */
  #ended = false
  #whole: StoredBlob | undefined

  constructor(
    platform: Platform,
    source: AsyncIterable<Uint8Array>,
    expected: ExpectedBlob = {},
    options: VerifiedBlobOptions = {},
  ) {
    this.#source = source[Symbol.asyncIterator]()
    this.#expected = expected
    this.#options = options
    this.#sum = options.hasher ?? sha256Hasher(platform)
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array, void> {
    return { next: () => this.#next(), return: async () => END }
  }

  /**
   * Returns digest and size of the blob once all of it was read. A reader that knows the length may have left out the
   * last, empty step: it is taken here.
   * @throws {UsageError} when bytes are left; {DigestMismatchError}; what the source throws
   */
  async finish(): Promise<StoredBlob> {
    if (this.#whole === undefined && !(await this.#next()).done) {
      throw new UsageError('The blob has not been read to its end')
    }
    return this.#whole as StoredBlob // set by the read that gave `done`
  }

  /** Reads the rest and drops it. @throws {DigestMismatchError}; what the source throws */
  async drain(): Promise<StoredBlob> {
    while (!(await this.#next()).done);
    return this.finish()
  }

  /**
   * Ends the source unless it has ended. Its errors are ignored. A source that owes a chunk, and any source after an
   * abort, is not waited for, because it may never answer.
   */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#ended) return
    this.#ended = true
    const returned = this.#source.return?.().catch(() => undefined)
    if (!this.#waiting && this.#options.signal?.aborted !== true) await returned
  }

  /** Reads follow one another, even when two readers ask at once. After a failed read all later ones fail alike. */
  #next(): Promise<IteratorResult<Uint8Array, void>> {
    this.#lastRead = this.#lastRead === undefined ? this.#read() : this.#lastRead.then(() => this.#read())
    return this.#lastRead
  }

  async #read(): Promise<IteratorResult<Uint8Array, void>> {
    if (this.#whole !== undefined) return END
    if (this.#ended) throw new UsageError('The blob was given up before its end')
    const { signal, onBytes } = this.#options
    signal?.throwIfAborted()
    this.#waiting = true
    const answer = this.#source.next()
    const next = await (signal === undefined ? answer : unlessAborted(answer, signal))
    this.#waiting = false
    if (next.done) {
      this.#ended = true
      this.#whole = this.#verify()
      return END
    }
    this.received += next.value.length
    // Reading on cannot make the size right again, and the source might have no end.
    const { size = this.received } = this.#expected
    if (this.received > size) throw this.#wrongSize(size)
    this.#sum.update(next.value)
    onBytes?.(this.received)
    return next
  }

  #verify(): StoredBlob {
    const { digest: expected, size = this.received } = this.#expected
    if (this.received !== size) throw this.#wrongSize(size)
    const digest = this.#sum.digest()
    if (expected !== undefined && expected !== digest) {
      throw new DigestMismatchError('digest', expected, expected, digest)
    }
    return { digest, size }
  }

  #wrongSize(expected: number): DigestMismatchError {
    return new DigestMismatchError('size', this.#expected.digest ?? 'without a digest', expected, this.received)
  }
}

/** Settles as `pending` does, but rejects as soon as the signal is aborted. */
function unlessAborted<T>(pending: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason)
    signal.addEventListener('abort', abort, { once: true })
    pending.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  })
}

/** The limits of a decompressed stream. */
export interface ExpansionLimits {
  /** Names the stream in errors: `layer`, `archive`. */
  readonly what: string
  readonly maxBytes: number
  /** The file that the stream is read from, for errors. */
  readonly path?: string | undefined
}

/**
 * Passes the chunks of a decompressed stream on, as long as neither its size nor its ratio to the compressed bytes is
 * over a limit.
 * @param compressed the compressed stream, which counts the bytes read of it
 * @throws {LimitError} `WHAT size`, `compression ratio of the WHAT`; what `chunks` throws
 */
export async function* limitExpansion(
  chunks: AsyncIterable<Uint8Array>,
  compressed: { readonly received: number },
  { what, maxBytes, path }: ExpansionLimits,
): AsyncGenerator<Uint8Array, void, undefined> {
  let size = 0
  for await (const chunk of chunks) {
    size += chunk.length
    if (size > maxBytes) throw new LimitError(`${what} size`, maxBytes, undefined, path)
    if (size > RATIO_FLOOR && size > compressed.received * MAX_LAYER_RATIO) {
      throw new LimitError(`compression ratio of the ${what}`, MAX_LAYER_RATIO, undefined, path)
    }
    yield chunk
  }
}
