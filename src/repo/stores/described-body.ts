import { CompressionError, FormatError, withContext } from '../../errors.ts'

/** Passes on the chunks of a body. An error in its bytes gets the prefix that ostree gives it. */
export async function* describedBody(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    yield* body
  } catch (error) {
    const isDamaged = error instanceof CompressionError || error instanceof FormatError
    throw isDamaged ? withContext('Writing content object', error) : error
  }
}
