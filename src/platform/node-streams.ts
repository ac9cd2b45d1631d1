/**
 * A codec of node:zlib as an async generator. zlib works on a thread of its own, about one chunk ahead of the reader.
 */

import type { Transform } from 'node:stream'
import { CompressionError, LimitError, UnsupportedError } from '../errors.ts'
import { Meter } from './codecs/meter.ts'
import type { CompressionKind, DecompressOptions } from './interface.ts'
import { MAX_ZSTD_WINDOW, STREAM_CHUNK_BYTES } from './limits.ts'

/** A codec seen as a stream, with zlib's count of the input it took. */
export type Engine = Transform & { readonly bytesWritten: number }

/** zlib hands the second to Transform, though its declaration leaves it out: buffer one chunk, then wait. */
export const STREAM_OPTIONS = { chunkSize: STREAM_CHUNK_BYTES, readableHighWaterMark: STREAM_CHUNK_BYTES }

const HEADER_FAULT =
  /^(incorrect header check|unknown compression method|unknown header flags set|header crc mismatch)$/

/** An error of zlib in our own terms; any other (of the source, of a signal) as it is. */
function translate(kind: CompressionKind, error: unknown, offset: number): unknown {
  if (!(error instanceof Error && 'code' in error && /^(Z_|ZSTD_error)/.test(String(error.code)))) return error
  if (error.code === 'ZSTD_error_frameParameter_windowTooLarge') {
    return new LimitError('zstd window size', MAX_ZSTD_WINDOW)
  }
  if (error.code === 'ZSTD_error_dictionary_wrong') {
    return new UnsupportedError('zstd dictionary', 'zstd frame needs a dictionary', { cause: error })
  }
  const message = HEADER_FAULT.test(error.message) ? `invalid ${kind} header` : error.message
  return new CompressionError(kind, message, offset, { cause: error })
}

/** Resolves once the engine took `bytes`, or died: zlib leaves the callback of the write that failed uncalled. */
function write(engine: Engine, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      engine.off('close', done)
      resolve()
    }
    engine.once('close', done)
    engine.write(bytes, done)
  })
}

/**
 * After its last member gzip may be padded with zeros, and with nothing else; Go's reader refuses even those. What
 * follows a raw deflate stream is nobody's, and left alone, as ostree does.
 */
function checkPadding(kind: CompressionKind, bytes: Uint8Array, offset: number): void {
  const stray = kind === 'gzip' ? bytes.findIndex((byte) => byte !== 0) : -1
  if (stray >= 0) throw new CompressionError(kind, 'invalid gzip header after the last member', offset + stray)
}

/**
 * Feeds the engine one chunk at a time, so that the producer may reuse each, and reads the source to its end.
 * @returns false when the engine was gone before the source was at its end
 */
async function feed(kind: CompressionKind, source: AsyncIterator<Uint8Array>, engine: Engine): Promise<boolean> {
  let fed = 0
  for (let next = await source.next(); !next.done; next = await source.next()) {
    if (engine.destroyed) return false
    const chunk = next.value
    if (chunk.length === 0) continue
    // zlib leaves input untaken only when the stream is at its end.
    if (engine.bytesWritten === fed) await write(engine, chunk)
    if (engine.destroyed) return false
    const untaken = Math.min(fed + chunk.length - engine.bytesWritten, chunk.length)
    if (untaken > 0) checkPadding(kind, chunk.subarray(chunk.length - untaken), fed + chunk.length - untaken)
    fed += chunk.length
  }
  engine.end()
  return true
}

/** Runs `from` through the engine, which lives from the first read until the loop is left, whichever way. */
export async function* through(
  kind: CompressionKind,
  from: AsyncIterable<Uint8Array>,
  open: () => Engine,
  options: DecompressOptions = {},
): AsyncGenerator<Uint8Array, void, undefined> {
  const { signal } = options
  const meter = new Meter(options)
  const engine = open()
  const source = from[Symbol.asyncIterator]()
  let sourceEnded = false
  let fault: { error: unknown } | undefined
  const abort = () => void engine.destroy(signal?.reason)
  try {
    signal?.throwIfAborted()
    signal?.addEventListener('abort', abort, { once: true })
    const feeding = feed(kind, source, engine).then(
      (atEnd) => {
        sourceEnded = atEnd
      },
      (error) => {
        fault = { error }
        engine.destroy(error)
      },
    )
    for await (const chunk of engine) {
      meter.count(chunk.length)
      yield chunk
    }
    // The output may be complete while what follows it in the source is not read yet.
    await feeding
    if (fault) throw fault.error
  } catch (error) {
    throw translate(kind, error, engine.bytesWritten)
  } finally {
    signal?.removeEventListener('abort', abort)
    engine.destroy()
    if (!sourceEnded) {
      const returned = source.return?.()
      // An aborted reader does not wait for a source that may never answer.
      if (signal?.aborted) returned?.catch(() => {})
      else await returned
    }
  }
}
