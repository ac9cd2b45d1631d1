/**
 * Compresses streams with the bytes of zlib in threads, beside the thread that makes their content.
 *
 * A stream cannot be divided: its bytes depend on all content before. So all of it goes to one thread, some parts ahead
 * of the answers, and streams that are compressed at the same time go to different threads. Threads end with the last
 * stream, because each takes 20 MiB.
 */

import { availableParallelism } from 'node:os'
import { EMPTY_BYTES, streamOf } from '../../bytes.ts'
import { IoError } from '../../errors.ts'
import { deflateExactly } from '../../platform/internal.ts'
import { Thread, type Threads, threadsOf } from './thread.ts'
import { type PackedError, unpackError } from './thread-errors.ts'

/** Bytes of a part. */
const PART = 1 << 20
/** Parts of a stream that are given to a thread and not answered. */
const AHEAD = 2
const MOST_THREADS = 4

/** A part of a stream. */
export interface DeflatePart {
  readonly stream: number
  /** 1 to 9; that of the first part counts. */
  readonly level: number
  readonly bytes: Uint8Array
  readonly last: boolean
}

export type Deflated =
  | { readonly kind: 'deflated'; readonly pieces: readonly Uint8Array[] }
  | { readonly kind: 'failed'; readonly error: PackedError }

/**
 * Returns a thread for each processor, at most MOST_THREADS: the main thread waits for them most of the time. `undefined`
 * on one processor, or when the program is not a file.
 */
export function deflateThreads(): Threads | undefined {
  const processors = availableParallelism()
  return processors < 2 ? undefined : threadsOf(import.meta.url, 'deflate-worker', Math.min(processors, MOST_THREADS))
}

/** Compresses streams in threads. */
export class DeflateThreads {
  readonly #threads: Threads
  readonly #running: DeflateThread[] = []
  #streams = 0

  constructor(threads: Threads) {
    this.#threads = threads
  }

  /**
   * Compresses a stream to raw deflate. The source may reuse the memory of a chunk. Content of less than `threads.after`
   * bytes, by default 1 MiB, is compressed in this thread.
   * @param level 1 to 9
   * @throws {IoError} if a thread ends by itself
   */
  async *deflate(from: AsyncIterable<Uint8Array>, level: number): AsyncGenerator<Uint8Array, void, undefined> {
    const parts = inParts(from, this.#threads.after ?? PART)
    const { value: first, done } = await parts.next()
    if (done || first.last) {
      yield* deflateExactly(streamOf(first?.bytes ?? EMPTY_BYTES), level)
      return
    }
    const stream = ++this.#streams
    const thread = this.#take()
    const pending: Promise<readonly Uint8Array[]>[] = []
    let ended = false
    const give = ({ bytes, last }: Part) => {
      ended = last
      const answer = thread.ask({ stream, level, bytes, last }, [bytes.buffer])
      // An error is reported where the answer is awaited, which may be later.
      answer.catch(() => {})
      pending.push(answer)
    }
    try {
      give(first)
      for await (const part of parts) {
        give(part)
        if (pending.length > AHEAD) yield* (await pending.shift()) ?? []
      }
      for (const answer of pending) yield* await answer
    } finally {
      await parts.return()
      // A stream that is not read to its end is ended, so that the thread forgets it.
      if (!ended) give({ bytes: new Uint8Array(0), last: true })
      this.#release(thread)
    }
  }

  /** Returns the thread with the fewest streams: a new one if each has a stream and there may be more. */
  #take(): DeflateThread {
    const [idlest] = this.#running.toSorted((a, b) => a.streams - b.streams)
    let thread = idlest
    if (thread === undefined || (thread.streams > 0 && this.#running.length < this.#threads.count)) {
      const started = new DeflateThread(this.#threads.program, () => this.#forget(started))
      this.#running.push(started)
      thread = started
    }
    thread.streams++
    return thread
  }

  #forget(thread: DeflateThread): void {
    const at = this.#running.indexOf(thread)
    if (at >= 0) this.#running.splice(at, 1)
  }

  #release(thread: DeflateThread): void {
    thread.streams--
    if (this.#running.every(({ streams }) => streams === 0)) {
      for (const each of this.#running.splice(0)) void each.end()
    }
  }
}

interface Asked {
  resolve(pieces: readonly Uint8Array[]): void
  reject(error: unknown): void
}

/** A thread, and the streams that it compresses. */
class DeflateThread {
  streams = 0
  readonly #thread: Thread<DeflatePart, Deflated>
  /** The parts that are not answered, in the order of the answers. */
  readonly #asked: Asked[] = []
  #failure: IoError | undefined

  /** @param lost called when the thread has ended by itself */
  constructor(program: URL, lost: () => void) {
    this.#thread = new Thread<DeflatePart, Deflated>(
      program,
      {},
      (reply) => {
        const asked = this.#asked.shift()
        if (reply.kind === 'deflated') asked?.resolve(reply.pieces)
        else asked?.reject(unpackError(reply.error))
      },
      (error) => {
        this.#thread.receive()
        this.#failure = new IoError(`compression thread: ${error ?? 'ended'}`, 'EIO')
        for (const asked of this.#asked.splice(0)) asked.reject(this.#failure)
        lost()
      },
    )
  }

  ask(part: DeflatePart, transfer: ArrayBuffer[]): Promise<readonly Uint8Array[]> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    return new Promise((resolve, reject) => {
      this.#asked.push({ resolve, reject })
      this.#thread.ask(part, transfer)
    })
  }

  end(): Promise<void> {
    return this.#thread.end()
  }
}

interface Part {
  readonly bytes: Uint8Array<ArrayBuffer>
  readonly last: boolean
}

/** Divides a stream into parts of `size` bytes, each with memory of its own. The last one is smaller, or empty. */
async function* inParts(from: AsyncIterable<Uint8Array>, size: number): AsyncGenerator<Part, void, undefined> {
  let part = new Uint8Array(size)
  let length = 0
  for await (const chunk of from) {
    for (let at = 0; at < chunk.length; ) {
      const taken = chunk.subarray(at, at + size - length)
      part.set(taken, length)
      length += taken.length
      at += taken.length
      if (length < size) continue
      yield { bytes: part, last: false }
      part = new Uint8Array(size)
      length = 0
    }
  }
  yield { bytes: part.subarray(0, length), last: true }
}
