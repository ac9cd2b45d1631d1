/**
 * Fetches the next layers while one is imported. Layers are imported one after the other, because each import uses a
 * whole processor; meanwhile the next ones are read into memory, up to a limit for all of them:
 *
 *     layer 1  ████████████░░░░     being imported: read directly
 *     layer 2  ▒▒▒▒▒                 read ahead, held in memory
 *     layer 3  ▒▒                    read ahead until the memory for this is used up
 *
 * The latency of a registry then counts once, not for each layer (bench/read-ahead.mjs), and small layers are in memory
 * before their import begins.
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
  /** Layers to fetch at the same time beside the imported one; 0 switches reading ahead off. Default LAYERS_AHEAD. */
  readonly layers?: number | undefined
  /** Bytes to hold in memory, plus at most one chunk for each layer. Default READ_AHEAD_BYTES. */
  readonly bytes?: number | undefined
}

type Blobs = Pick<ImageSource, 'blob'>

/** The blobs of a source, for a reader that needs them in the order of `layers`. */
export class ReadAhead implements Blobs, AsyncDisposable {
  readonly #source: Blobs
  readonly #layers: readonly Descriptor[]
  readonly #count: number
  readonly #budget: Budget
  readonly #waiting = new Map<number, EarlyBlob>()
  #position = 0

  /** @param layers the layers that will be read, in order, each digest once */
  constructor(source: Blobs, layers: readonly Descriptor[], options: ReadAheadOptions = {}) {
    this.#source = source
    this.#layers = layers
    this.#count = options.layers ?? LAYERS_AHEAD
    this.#budget = { left: options.bytes ?? READ_AHEAD_BYTES }
  }

  /** Returns a blob. The fetching of the following ones begins when its first chunk is read. */
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

  /** Cancels downloads that were never read, without waiting for them: a source may be slow to answer. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const early of this.#waiting.values()) early.drop()
    this.#waiting.clear()
  }
}

interface Budget {
  left: number
}

/** A blob that is read into memory, while the budget lasts, until `take` is called. */
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
        // A copy, because the source may reuse the chunk.
        this.#chunks.push(new Uint8Array(next.value))
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
