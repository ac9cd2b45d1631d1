/** Passes a stream to an archive parser, with back-pressure. */

import { CpioParser, isCpio } from './cpio.ts'
import type { TarLimits, TarSink } from './interface.ts'
import { TarParser } from './parser.ts'

/** The common interface of `TarParser` and `CpioParser`. */
export interface ArchiveParser {
  /** Whether the end of the archive has been read. Bytes pushed after that are ignored. */
  readonly ended: boolean
  /**
   * Parses the next piece of the archive and calls the sink.
   * @throws {TarFormatError} if the archive is malformed
   * @throws {LimitError} if it exceeds a limit
   * @throws what the sink throws
   */
  push(bytes: Uint8Array): void
  /**
   * Does a part of `push`, so that the sink can write what it has before it receives more than the archive contains.
   * @param from where to go on in `bytes`
   * @returns `from` of the next call, which is due before any other piece is pushed; `undefined` when `bytes` are parsed
   * @throws as `push`
   */
  pushPart(bytes: Uint8Array, from?: number): number | undefined
  /**
   * Ends the archive. It has to be called at the end of the stream.
   * @throws {TarFormatError} if the archive is truncated
   */
  finish(): void
}

/** Options of `feed`. */
export interface FeedOptions {
  /** Aborting it makes `feed` fail with the signal's reason. */
  readonly signal?: AbortSignal | undefined
  /** Called after each chunk, or part of one (`pushPart`). If it returns a promise, parsing goes on when that has resolved. */
  readonly drained?: (() => Promise<unknown> | undefined) | undefined
  /** Called after each chunk, after the promise of `drained` has resolved. */
  readonly onChunk?: (() => void) | undefined
  /**
   * Whether to stop reading at the end of the archive; a function is called then. Default: bytes after it are read and
   * ignored, so that a checksum behind compressed data is verified.
   */
  readonly stopAtEnd?: boolean | (() => boolean) | undefined
}

/**
 * Passes a whole stream to a parser and finishes it.
 * @param source uncompressed archive, which may reuse the memory of a chunk once the next is requested
 * @throws {TarFormatError} if the archive is malformed or truncated
 * @throws {LimitError} if it exceeds a limit
 * @throws what `source`, the sink of the parser and the callbacks throw
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
    for (let at: number | undefined = 0; at !== undefined; ) {
      at = parser.pushPart(chunk, at)
      const pending = drained?.()
      if (pending !== undefined) await pending
    }
    onChunk?.()
    if (parser.ended && (typeof stopAtEnd === 'function' ? stopAtEnd() : stopAtEnd)) break
  }
  parser.finish()
}

/**
 * Passes a whole stream to a parser whose sink produces another stream, and returns that stream.
 * @param take returns what the sink has produced since the last call. It is called after each chunk, or part of
 *   one (`pushPart`), and its result is yielded before parsing goes on
 * @throws {TarFormatError} if the archive is malformed or truncated
 * @throws {LimitError} if it exceeds a limit
 * @throws what `source` and the sink of the parser throw
 */
export async function* feedThrough<T>(
  parser: ArchiveParser,
  source: AsyncIterable<Uint8Array>,
  take: () => Iterable<T>,
): AsyncGenerator<T, void, undefined> {
  for await (const chunk of source) {
    for (let at: number | undefined = 0; at !== undefined; ) {
      at = parser.pushPart(chunk, at)
      yield* take()
    }
  }
  parser.finish()
  yield* take()
}

/** Parses tar or cpio, depending on the first bytes. A stream without bytes is an archive without entries. */
export class TarOrCpioParser implements ArchiveParser {
  readonly #sink: TarSink
  readonly #limits: TarLimits
  #parser: ArchiveParser | undefined

  constructor(sink: TarSink, limits: TarLimits = {}) {
    this.#sink = sink
    this.#limits = limits
  }

  /** Whether the end of the archive has been read. Bytes pushed after that are ignored. */
  get ended(): boolean {
    return this.#parser?.ended ?? false
  }

  /**
   * Parses the next piece of the archive and calls the sink.
   * @param bytes the first piece must have at least 6 bytes, the length of cpio's magic number, if the archive has
   * @throws {TarFormatError} if the archive is malformed
   * @throws {LimitError} if it exceeds a limit
   * @throws what the sink throws
   */
  push(bytes: Uint8Array): void {
    this.#choose(bytes).push(bytes)
  }

  /**
   * Does a part of `push`, so that the sink can write what it has before it receives more than the archive contains.
   * @param bytes as `push`
   * @param from where to go on in `bytes`
   * @returns `from` of the next call, which is due before any other piece is pushed; `undefined` when `bytes` are parsed
   * @throws as `push`
   */
  pushPart(bytes: Uint8Array, from = 0): number | undefined {
    return this.#choose(bytes).pushPart(bytes, from)
  }

  /**
   * Ends the archive. It has to be called at the end of the stream.
   * @throws {TarFormatError} if the archive is truncated
   */
  finish(): void {
    this.#parser?.finish()
  }

  #choose(bytes: Uint8Array): ArchiveParser {
    this.#parser ??= new (isCpio(bytes) ? CpioParser : TarParser)(this.#sink, this.#limits)
    return this.#parser
  }
}
