/** Moves a stream through a parser of archives: chunk by chunk, with back-pressure, up to `finish`. */

import { CpioParser, isCpio } from './cpio.ts'
import type { TarLimits, TarSink } from './interface.ts'
import { TarParser } from './parser.ts'

/** What `TarParser` and `CpioParser` have in common. */
export interface ArchiveParser {
  /** Whether the end of the archive was seen; bytes that are pushed after it are ignored. */
  readonly ended: boolean
  push(bytes: Uint8Array): void
  finish(): void
}

export interface FeedOptions {
  readonly signal?: AbortSignal | undefined
  /**
   * Asked after each chunk whether the sink can take more. When it returns a promise, the next chunk is read once that
   * has resolved.
   */
  readonly drained?: (() => Promise<unknown> | undefined) | undefined
  /** Called after each chunk, when the sink can take more. */
  readonly onChunk?: (() => void) | undefined
  /** Stop reading at the end of the archive. Default: the source is read to its end, and bytes behind it are ignored. */
  readonly stopAtEnd?: boolean | undefined
}

/**
 * Pushes all of a stream into a parser and finishes it.
 * @param source the archive, uncompressed; a chunk may be reused once the next one is asked for
 * @throws {TarFormatError}, {LimitError}; what `source`, the sink of the parser, or the options throw
 *
 * @example
 * await feed(new TarParser(sink), source, { drained: () => sink.drained() })
 */
export async function feed(
  parser: ArchiveParser,
  source: AsyncIterable<Uint8Array>,
  { signal, drained, onChunk, stopAtEnd = false }: FeedOptions = {},
): Promise<void> {
  for await (const chunk of source) {
    signal?.throwIfAborted()
    parser.push(chunk)
    const pending = drained?.()
    if (pending !== undefined) await pending
    onChunk?.()
    if (stopAtEnd && parser.ended) break
  }
  parser.finish()
}

/**
 * Does the same for a sink that makes another stream of the archive.
 * @param take returns what the sink has made since the last call, and forgets it. It is called after each chunk, and
 *   its result passed on before the next chunk is read
 * @throws as `feed`
 */
export async function* feedThrough<T>(
  parser: ArchiveParser,
  source: AsyncIterable<Uint8Array>,
  take: () => Iterable<T>,
): AsyncGenerator<T, void, undefined> {
  for await (const chunk of source) {
    parser.push(chunk)
    yield* take()
  }
  parser.finish()
  yield* take()
}

/** Parses tar or cpio: the first bytes of the archive decide. A stream without bytes is an archive without entries. */
export class TarOrCpioParser implements ArchiveParser {
  readonly #sink: TarSink
  readonly #limits: TarLimits
  #parser: ArchiveParser | undefined

  constructor(sink: TarSink, limits: TarLimits = {}) {
    this.#sink = sink
    this.#limits = limits
  }

  get ended(): boolean {
    return this.#parser?.ended ?? false
  }

  /**
   * Parses a piece of the archive.
   * @param bytes the first piece must hold the magic number of cpio, 6 bytes, if the archive is that long
   * @throws as the parsers
   */
  push(bytes: Uint8Array): void {
    this.#parser ??= new (isCpio(bytes) ? CpioParser : TarParser)(this.#sink, this.#limits)
    this.#parser.push(bytes)
  }

  /** Ends the archive. @throws {TarFormatError} when it is truncated */
  finish(): void {
    this.#parser?.finish()
  }
}
