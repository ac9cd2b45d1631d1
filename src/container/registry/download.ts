/**
 * Downloads a blob as one stream. When a connection breaks off, the next one continues from the same offset.
 *
 * ```
 * 0 ───────▶ offset ✕            GET                              200
 *            offset ────────▶    GET, Range: bytes=offset-        206, Content-Range: bytes offset-last/size
 * 0 ═══════▶ offset ────────▶    when that is refused or wrong    200, and the first `offset` bytes are skipped
 * ```
 *
 * Source: OCI distribution-spec 1.1, "Pulling blobs"; RFC 9110, section 14.
 */
import { DigestMismatchError, withContext } from '../../errors.ts'
import { parseDigest } from '../oci/digest.ts'
import type { Descriptor } from '../oci/oci-types.ts'
import type { RegistryClient } from './client.ts'
import { RegistryError } from './errors.ts'
import type { Answer } from './exchange.ts'
import { Patience } from './retry.ts'

/** Bytes a connection must deliver for the count of failures to start again at zero. */
const PROGRESS = 1 << 20

/**
 * Downloads a blob as it is stored. Its digest is not verified, but exactly `blob.size` bytes are yielded. The caller
 * owns the chunks.
 * @param clients tried in order; each continues at the offset where the previous one gave up
 * @throws {RegistryError} when all clients failed: the error of the first
 * @throws {DigestMismatchError} when the blob in the registry has another size
 */
export async function* downloadBlob(
  clients: readonly RegistryClient[],
  blob: Descriptor,
): AsyncGenerator<Uint8Array, void, undefined> {
  // It becomes a part of the address.
  parseDigest(blob.digest)
  const state = { offset: 0 }
  let failure: unknown
  for (const client of clients) {
    try {
      return yield* new Download(client, blob, state).run()
    } catch (error) {
      client.options.signal?.throwIfAborted()
      // The first client belongs to the registry that has the manifest, so its failure is the one to report.
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
        // Without ranges each attempt downloads from offset 0, so progress does not reset the count of failures.
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
      // The answer does not have the range requested. Ranges are not requested from this server again.
      answer.discard()
      this.#resumable = false
    }
    return this.#checked(await this.#client.once({ ...request, expect: [200] }))
  }

  /** Returns the answer, or rejects it from its headers: a web page, or another size than that of the blob. */
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

/** Whether a partial answer covers exactly the bytes from `offset` to the end of a blob of `size` bytes. */
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

/** Whether the media type of an answer is `text/html`, as that of a login or error page. */
export function isHtml(answer: Answer): boolean {
  return /^text\/html\b/i.test(answer.header('content-type') ?? '')
}

/**
 * Calls `ask` with one client after the other until one succeeds.
 * @throws what `ask` threw for the last client, which is the registry itself, after its mirrors
 */
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
