/**
 * Downloads one blob over several connections, each with a range of it at a time, and yields it in order:
 *
 * ```
 * connection 1   bytes 0-4M      bytes 12-16M
 * connection 2   bytes 4-8M      bytes 16-20M     at most CONNECTIONS pieces are in memory
 * connection 3   bytes 8-12M     …
 * ```
 *
 * A server that does not give the first range gives the blob as one stream. Source: RFC 9110, section 14.
 */
import type { Descriptor } from '../oci/oci-types.ts'
import type { RegistryClient } from '../registry/client.ts'
import { downloadBlob } from '../registry/download.ts'
import { RegistryError } from '../registry/errors.ts'
import { withRetries } from '../registry/retry.ts'

/** Bytes of one piece. */
const PIECE: number = 4 << 20

/** @param connections at least 1; the blob is one stream if that is 1, or the blob is not larger than one piece */
export async function* downloadRanges(
  client: RegistryClient,
  blob: Descriptor,
  connections: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  const first = connections > 1 && blob.size > PIECE ? await readRange(client, blob, 0) : undefined
  if (first === undefined) {
    yield* downloadBlob([client], blob)
    return
  }
  const waiting: Promise<Uint8Array | undefined>[] = []
  let next = PIECE
  const fill = () => {
    for (; waiting.length < connections && next < blob.size; next += PIECE) {
      const piece = readRange(client, blob, next)
      // Reported when the piece is awaited.
      piece.catch(() => {})
      waiting.push(piece)
    }
  }
  fill()
  yield first
  for (let piece = waiting.shift(); piece !== undefined; piece = waiting.shift()) {
    const bytes = await piece
    fill()
    if (bytes === undefined) {
      throw new RegistryError(
        'network',
        client.place(blob.digest),
        'the registry stopped answering requests for ranges',
      )
    }
    yield bytes
  }
}

/** Reads one piece, with retries. @returns `undefined` when the server does not give exactly that range */
function readRange(
  client: RegistryClient,
  { digest, size }: Descriptor,
  start: number,
): Promise<Uint8Array | undefined> {
  const end = Math.min(start + PIECE, size)
  const request = {
    method: 'GET',
    path: `/blobs/${digest}`,
    what: digest,
    headers: { range: `bytes=${start}-${end - 1}` },
    expect: [200, 206, 416],
  } as const
  return withRetries(client.retry, async () => {
    const answer = await client.once(request)
    const range = /^bytes (\d{1,15})-(\d{1,15})\/(?:\d{1,15}|\*)$/.exec(answer.header('content-range')?.trim() ?? '')
    if (answer.status !== 206 || Number(range?.[1]) !== start || Number(range?.[2]) !== end - 1) {
      answer.discard()
      return undefined
    }
    const bytes = await answer.read(end - start)
    if (bytes.length === end - start) return bytes
    const message = `the answer has ${bytes.length} bytes instead of ${end - start}`
    throw new RegistryError('network', client.place(digest), message, { retryable: true })
  })
}
