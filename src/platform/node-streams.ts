/** Runs the stream codecs of node:zlib as async generators. zlib works in a thread of its own, about a chunk ahead. */

import type { Transform } from 'node:stream'
import { CompressionError, LimitError, UnsupportedError } from '../errors.ts'
import { Meter } from './codecs/meter.ts'
import type { CompressionKind, DecompressOptions } from './interface.ts'
import { MAX_ZSTD_WINDOW, STREAM_CHUNK_BYTES } from './limits.ts'

/** A stream of node:zlib. `bytesWritten` is the number of input bytes it has consumed. */
export type Engine = Transform & { readonly bytesWritten: number }

/** Options of every codec: it buffers 1 MiB of output, then waits. The types lack `readableHighWaterMark`. */
export const STREAM_OPTIONS = { chunkSize: STREAM_CHUNK_BYTES, readableHighWaterMark: 4 * STREAM_CHUNK_BYTES }

const HEADER_FAULT =
  /^(incorrect header check|unknown compression method|unknown header flags set|header crc mismatch)$/

/**
 * Converts an error of zlib. Other errors, of the source or the signal, are returned as they are.
 * @param offset bytes of input consumed
 */
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

/** Resolves when the engine has consumed `bytes` or is closed: zlib does not call the callback of a write that failed. */
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
 * Checks `bytes` that follow the end of the compressed stream. gzip may be padded with zeros only, which Go's reader
 * refuses. Bytes after raw deflate are ignored, as by ostree.
 * @throws {CompressionError} if gzip is followed by other bytes
 */
function checkPadding(kind: CompressionKind, bytes: Uint8Array, offset: number): void {
  const stray = kind === 'gzip' ? bytes.findIndex((byte) => byte !== 0) : -1
  if (stray >= 0) throw new CompressionError(kind, 'invalid gzip header after the last member', offset + stray)
}

/**
 * Writes the source to the engine, to the end of the source. A chunk is consumed before the next is requested, because
 * the source may reuse its memory.
 * @returns false if the engine was destroyed before the source ended
 */
async function feed(kind: CompressionKind, source: AsyncIterator<Uint8Array>, engine: Engine): Promise<boolean> {
  let fed = 0
  for (let next = await source.next(); !next.done; next = await source.next()) {
    if (engine.destroyed) return false
    const chunk = next.value
    if (chunk.length === 0) continue
    // zlib leaves input unconsumed only at the end of the compressed stream.
    if (engine.bytesWritten === fed) await write(engine, chunk)
    if (engine.destroyed) return false
    const untaken = Math.min(fed + chunk.length - engine.bytesWritten, chunk.length)
    if (untaken > 0) checkPadding(kind, chunk.subarray(chunk.length - untaken), fed + chunk.length - untaken)
    fed += chunk.length
  }
  engine.end()
  return true
}

/** Passes `from` through an engine, which is opened by the first read and destroyed when the reader stops. */
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
    // The output can be complete before the source has been read to its end.
    await feeding
    if (fault) throw fault.error
  } catch (error) {
    throw translate(kind, error, engine.bytesWritten)
  } finally {
    signal?.removeEventListener('abort', abort)
    engine.destroy()
    if (!sourceEnded) {
      const returned = source.return?.()
      // After an abort, do not wait for the source: it may never respond.
      if (signal?.aborted) returned?.catch(() => {})
      else await returned
    }
  }
}
