/**
 * Measures how long an import takes in each of its stages. The import runs in one thread, and each moment counts for one
 * stage, so that the stages add up to the whole:
 *
 *     fetch     waiting for the manifest or for compressed bytes of a layer
 *     inflate   waiting for decompressed bytes
 *     digest    SHA-256 of the compressed and of the decompressed layer
 *     parse     reading tar entries and building trees
 *     hash      SHA-256 of objects
 *     write     storing objects
 *     merge     laying the layers over each other, and removing what is not needed any more
 *     sync      making layers and refs durable and visible
 */
import type { Progress } from '../../progress.ts'

/** The stages, in the order of the work. */
export const STAGES = ['fetch', 'inflate', 'digest', 'parse', 'hash', 'write', 'merge', 'sync'] as const

export type Stage = (typeof STAGES)[number]

/** Seconds of each stage. */
export type StageTimes = Readonly<Record<Stage, number>>

/** Counts time for stages. */
export class StageClock {
  readonly #now: () => number
  readonly #times: Record<Stage, number>
  /** When the current stage began to count, in milliseconds. */
  #since: number
  #current: Stage = 'fetch'
  /** The stage that counts when nothing more precise is known. */
  #phase: Stage = 'fetch'
  /** Synchronous work under way, the innermost last. */
  readonly #work: Stage[] = []
  /** Requests for compressed bytes that have no answer. */
  #fetching = 0
  /** Requests for decompressed bytes that have no answer. */
  #inflating = 0
  /** Streams that are being decompressed. */
  #streams = 0

  /** @param now a monotonic clock, in milliseconds */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now
    this.#since = now()
    this.#times = { fetch: 0, inflate: 0, digest: 0, parse: 0, hash: 0, write: 0, merge: 0, sync: 0 }
  }

  /** Returns the times until now, in seconds. */
  times(): StageTimes {
    this.#turn()
    const { fetch, inflate, digest, parse, hash, write, merge, sync } = this.#times
    const milliseconds = { fetch, inflate, digest, parse, hash, write, merge, sync }
    for (const stage of STAGES) milliseconds[stage] /= 1000
    return milliseconds
  }

  /** Does synchronous work that counts for a stage; work inside it counts for its own stage. */
  measure<T>(stage: Stage, work: () => T): T {
    this.#work.push(stage)
    this.#turn()
    try {
      return work()
    } finally {
      this.#work.pop()
      this.#turn()
    }
  }

  /** Waits for work that counts for a stage with all that is done meanwhile. */
  async measureAll<T>(stage: Stage, work: () => Promise<T>): Promise<T> {
    const before = this.#phase
    this.#enter(stage)
    try {
      return await work()
    } finally {
      this.#enter(before)
    }
  }

  /** Passes compressed bytes on, and counts the time until they come. */
  async *fetched(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
    yield* this.#passed(chunks, (by) => {
      this.#fetching += by
    })
  }

  /** Passes decompressed bytes on, and counts the time until they come. */
  async *inflated(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
    this.#streams++
    try {
      yield* this.#passed(chunks, (by) => {
        this.#inflating += by
      })
    } finally {
      this.#streams--
      this.#turn()
    }
  }

  async *#passed(
    chunks: AsyncIterable<Uint8Array>,
    count: (by: 1 | -1) => void,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const source = chunks[Symbol.asyncIterator]()
    let ended = false
    try {
      for (;;) {
        count(1)
        this.#turn()
        let next: IteratorResult<Uint8Array>
        try {
          next = await source.next()
        } finally {
          count(-1)
          this.#turn()
        }
        if (next.done) {
          ended = true
          return
        }
        yield next.value
      }
    } finally {
      if (!ended) await source.return?.()
    }
  }

  /** Learns from an event of the import whether a layer is read or what comes after the layers. */
  readonly listen = (event: Progress): void => {
    if (event.kind === 'layer-start') this.#enter('parse')
    else if (event.kind === 'layer-done' || event.kind === 'layer-cached') this.#enter('merge')
  }

  #enter(phase: Stage): void {
    this.#phase = phase
    this.#turn()
  }

  /** Counts the time since the last call for the stage that was current, and finds out which one is now. */
  #turn(): void {
    const now = this.#now()
    this.#times[this.#current] += now - this.#since
    this.#since = now
    this.#current = this.#stage()
  }

  #stage(): Stage {
    if (this.#phase === 'sync' || this.#phase === 'merge') return this.#phase
    const work = this.#work.at(-1)
    if (work !== undefined) return work
    // While a stream is decompressed, the next bytes may be requested before they are needed.
    if (this.#fetching > 0 && (this.#inflating > 0 || this.#streams === 0)) return 'fetch'
    return this.#inflating > 0 ? 'inflate' : this.#phase
  }
}
