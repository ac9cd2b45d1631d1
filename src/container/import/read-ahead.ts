/**
 * Layers are taken in one after the other, for each needs the whole processor; but the next ones are already on their
 * way meanwhile, as far as a few bytes go:
 *
 *     layer 1  ████████████░░░░     being imported: read directly
 *     layer 2  ▒▒▒▒▒                 read ahead, waits in memory
 *     layer 3  ▒▒                    read ahead, and no further: the memory for it is used up
 *
 * So what a registry takes to answer is waited for once, not once a layer (bench/read-ahead.mjs), and small layers
 * are there as a whole when their turn comes.
 */
import type { Descriptor } from '../oci/oci-types.ts'
import type { ImageSource } from '../transport/interface.ts'

/**
 * Default of `ReadAheadOptions.layers`: layers that are fetched beside the one that is imported. Together these are six
 * connections, as other image tools use.
 */
export const LAYERS_AHEAD = 5
/** Default of `ReadAheadOptions.bytes`: compressed bytes of waiting layers held in memory, 8 MiB. */
export const READ_AHEAD_BYTES: number = 8 << 20

/** How much of the next layers is fetched while one is imported. */
export interface ReadAheadOptions {
  /** Default LAYERS_AHEAD; none with 0. */
  readonly layers?: number | undefined
  /** Default READ_AHEAD_BYTES; more by one chunk a layer at most. */
  readonly bytes?: number | undefined
}

type Blobs = Pick<ImageSource, 'blob' | 'sniffCompression'>

/** The blobs of a source, for a reader who wants them in the order of `layers`. */
export class ReadAhead implements Blobs, AsyncDisposable {
  readonly sniffCompression: boolean
  readonly #source: Blobs
  readonly #layers: readonly Descriptor[]
  readonly #count: number
  readonly #budget: Budget
  readonly #waiting = new Map<number, EarlyBlob>()
  #position = 0

  /** @param layers each digest once */
  constructor(source: Blobs, layers: readonly Descriptor[], options: ReadAheadOptions = {}) {
    this.sniffCompression = source.sniffCompression
    this.#source = source
    this.#layers = layers
    this.#count = options.layers ?? LAYERS_AHEAD
    this.#budget = { left: options.bytes ?? READ_AHEAD_BYTES }
  }

  /** As the source gives it. Those that follow are begun with the first chunk. */
  blob(layer: Descriptor): AsyncIterable<Uint8Array> {
    const index = this.#layers.findIndex(({ digest }) => digest === layer.digest)
    return index < this.#position ? this.#source.blob(layer) : this.#read(layer, index)
  }

  async *#read(layer: Descriptor, index: number): AsyncGenerator<Uint8Array, void, undefined> {
    const early = this.#waiting.get(index)
    this.#waiting.delete(index)
    this.#position = Math.max(this.#position, index + 1)
    const following = this.#layers.slice(index + 1, index + 1 + this.#count)
    following.forEach((next, i) => {
      const at = index + 1 + i
      const begun = this.#waiting.get(at) ?? new EarlyBlob(this.#source.blob(next), this.#budget)
      this.#waiting.set(at, begun)
      begun.goOn()
    })
    yield* early === undefined ? this.#source.blob(layer) : early.take()
  }

  /** Lets go of what nobody came for. It is not waited for: a source may take its time to answer. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const early of this.#waiting.values()) early.drop()
    this.#waiting.clear()
  }
}

interface Budget {
  left: number
}

/** Reads on its own while the budget lasts, until somebody takes over. */
class EarlyBlob {
  readonly #from: AsyncIterator<Uint8Array>
  readonly #budget: Budget
  readonly #chunks: Uint8Array[] = []
  #reading: Promise<void> | undefined
  #taken = false
  #ended = false
  #fault: { error: unknown } | undefined

  constructor(from: AsyncIterable<Uint8Array>, budget: Budget) {
    this.#from = from[Symbol.asyncIterator]()
    this.#budget = budget
  }

  goOn(): void {
    if (this.#ended) return
    this.#reading ??= this.#readAhead().finally(() => {
      this.#reading = undefined
    })
  }

  async #readAhead(): Promise<void> {
    try {
      while (!this.#taken && this.#budget.left > 0) {
        const next = await this.#from.next()
        if (next.done) {
          this.#ended = true
          return
        }
        this.#budget.left -= next.value.length
        // The source may use the chunk again.
        this.#chunks.push(next.value.slice())
      }
    } catch (error) {
      this.#ended = true
      this.#fault = { error }
    }
  }

  async *take(): AsyncGenerator<Uint8Array, void, undefined> {
    this.#taken = true
    try {
      for (;;) {
        const chunk = this.#shift()
        if (chunk !== undefined) yield chunk
        else {
          if (this.#reading === undefined) break
          await this.#reading
        }
      }
      if (this.#fault !== undefined) throw this.#fault.error
      while (!this.#ended) {
        const next = await this.#from.next()
        if (next.done) this.#ended = true
        else yield next.value
      }
    } finally {
      this.#release()
      if (!this.#ended) await this.#from.return?.()
    }
  }

  #shift(): Uint8Array | undefined {
    const chunk = this.#chunks.shift()
    if (chunk !== undefined) this.#budget.left += chunk.length
    return chunk
  }

  #release(): void {
    while (this.#shift() !== undefined);
  }

  drop(): void {
    this.#taken = true
    this.#release()
    if (!this.#ended) this.#from.return?.().catch(() => undefined)
  }
}
