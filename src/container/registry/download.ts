/**
 * A blob as a stream that survives: where a connection breaks off, the next one goes on.
 *
 * ```
 * 0 ───────▶ offset ✕            GET                              200
 *            offset ────────▶    GET, Range: bytes=offset-        206, Content-Range: bytes offset-last/size
 * 0 ═══════▶ offset ────────▶    when that is refused or wrong    200, and what is known already is skipped
 * ```
 *
 * Source: OCI distribution-spec 1.1, "Pulling blobs"; RFC 9110, section 14.
 */
import { DigestMismatchError, withContext } from '../../errors.ts'
import { digestChecksum } from '../oci/digest.ts'
import type { Descriptor } from '../oci/oci-types.ts'
import type { RegistryClient } from './client.ts'
import { RegistryError } from './errors.ts'
import type { Answer } from './exchange.ts'
import { Patience } from './retry.ts'

/** Bytes that count as progress: failures before them are forgiven. */
const PROGRESS = 1 << 20

/**
 * The bytes of a blob as stored, not verified, though never more than it has. Chunks belong to the reader.
 * @param clients asked in order; the next one goes on where the one before gave up
 * @throws {RegistryError}, {DigestMismatchError} when the registry has a blob of another size by that name
 */
export async function* downloadBlob(
  clients: readonly RegistryClient[],
  blob: Descriptor,
): AsyncGenerator<Uint8Array, void, undefined> {
  digestChecksum(blob.digest)
  const state = { offset: 0 }
  let failure: unknown
  for (const client of clients) {
    try {
      return yield* new Download(client, blob, state).run()
    } catch (error) {
      client.options.signal?.throwIfAborted()
      // The first failure is the one of the place the image came from.
      failure ??= error
    }
  }
  throw failure
}

class Download {
  readonly #client: RegistryClient
  readonly #blob: Descriptor
  readonly #state: { offset: number }
  #resumable = true

  constructor(client: RegistryClient, blob: Descriptor, state: { offset: number }) {
    this.#client = client
    this.#blob = blob
    this.#state = state
  }

  async *run(): AsyncGenerator<Uint8Array, void, undefined> {
    const patience = new Patience(this.#client.retry)
    for (;;) {
      const before = this.#state.offset
      try {
        return yield* this.#attempt()
      } catch (error) {
        // Without ranges each attempt begins at the beginning, so progress does not buy another one.
        if (this.#resumable && this.#state.offset - before >= PROGRESS) patience.reset()
        await patience.wait(error)
      }
    }
  }

  async *#attempt(): AsyncGenerator<Uint8Array, void, undefined> {
    const { digest, size } = this.#blob
    const state = this.#state
    const answer = await this.#open()
    let skip = answer.status === 206 ? 0 : state.offset
    for await (const chunk of answer.chunks()) {
      const known = Math.min(skip, chunk.length)
      skip -= known
      if (known === chunk.length) continue
      const fresh = known === 0 ? chunk : chunk.subarray(known)
      state.offset += fresh.length
      if (state.offset > size) throw new DigestMismatchError('size', digest, size, state.offset)
      yield fresh
    }
    if (state.offset < size) {
      const message = `the answer ends after ${state.offset} of ${size} bytes`
      throw new RegistryError('network', this.#client.place(digest), message, { retryable: true })
    }
  }

  async #open(): Promise<Answer> {
    const { offset } = this.#state
    const { digest, size } = this.#blob
    const request = { method: 'GET', path: `/blobs/${digest}`, what: digest } as const
    if (offset > 0 && offset < size && this.#resumable) {
      const headers = { range: `bytes=${offset}-` }
      const answer = await this.#client.once({ ...request, headers, expect: [200, 206, 416] })
      if (answer.status === 200) {
        this.#resumable = false
        return this.#checked(answer)
      }
      if (answer.status === 206 && isRest(answer, offset, size)) return answer
      // Not the bytes that were asked for: such a server is not asked for a part again.
      answer.discard()
      this.#resumable = false
    }
    return this.#checked(await this.#client.once({ ...request, expect: [200] }))
  }

  /** A whole answer that cannot be the blob need not be read. */
  #checked(answer: Answer): Answer {
    const { digest, size } = this.#blob
    if (isHtml(answer)) {
      answer.discard()
      throw new RegistryError('network', this.#client.place(digest), 'the answer is a web page, not a blob')
    }
    if (answer.length !== undefined && answer.length !== size) {
      const mismatch = new DigestMismatchError('size', digest, size, answer.length)
      answer.discard()
      const { registry, repository } = this.#client.place(digest)
      throw withContext(`${registry}/${repository}`, mismatch)
    }
    return answer
  }
}

/** From where we stopped to the very end, of a blob of the right size. */
function isRest(answer: Answer, offset: number, size: number): boolean {
  const match = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15}|\*)$/.exec(answer.header('content-range')?.trim() ?? '')
  if (match === null) return false
  const [, first, last, total] = match
  const length = answer.length ?? size - offset
  return (
    Number(first) === offset &&
    Number(last) === size - 1 &&
    (total === '*' || Number(total) === size) &&
    length === size - offset
  )
}

export function isHtml(answer: Answer): boolean {
  return /^text\/html\b/i.test(answer.header('content-type') ?? '')
}

/** Asks one after the other until one answers. @throws what the last one said: the registry itself, behind its mirrors */
export async function firstOf<T>(
  clients: readonly RegistryClient[],
  ask: (client: RegistryClient) => Promise<T>,
): Promise<{ client: RegistryClient; value: T }> {
  let failure: unknown
  for (const client of clients) {
    try {
      return { client, value: await ask(client) }
    } catch (error) {
      client.options.signal?.throwIfAborted()
      failure = error
    }
  }
  throw failure
}
