/** Bodies of requests and responses. */

import { type Content, concatBytes } from '../../bytes.ts'

/** Bytes of one chunk of a body. */
const CHUNK = 1000

/** Yields bytes in chunks that the receiver may keep. */
export async function* chunksOf(bytes: Uint8Array, step = CHUNK): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += step) yield bytes.slice(at, at + step)
}

/** Reads a body as a whole, copying its chunks. */
export async function wholeBody(body: Content | undefined): Promise<Uint8Array | undefined> {
  if (body === undefined || body instanceof Uint8Array) return body?.slice()
  const parts: Uint8Array[] = []
  for await (const chunk of body) parts.push(chunk.slice())
  return concatBytes(parts)
}
