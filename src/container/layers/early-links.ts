/**
 * Hard links of a layer that wait for their object, in few bytes: offsets and chains in typed arrays, paths in pages.
 * The links that wait for one object are a ring, known by its last link.
 */

/** Bytes that a link takes in addition to its path, at most. */
export const LINK_MEMORY = 40

/** Bytes of a page of paths. A longer path has a page of its own. */
const PAGE = 1 << 16
const FIRST_LINKS = 256

/** A path in a deployment, and the offset of its entry in the archive, in bytes. */
export interface Place {
  readonly path: Uint8Array
  readonly offset: number
}

/** Links by number, counted from 1. */
export class EarlyLinks {
  #offsets = new Float64Array(FIRST_LINKS)
  /** For each link the next one of its ring, the number of its page, and start and end of its path in that. */
  #words = new Uint32Array(4 * FIRST_LINKS)
  readonly #pages: Uint8Array[] = []
  /** Bytes of the last page that are used. */
  #used = 0
  #count = 0

  /**
   * Adds a link to a ring.
   * @param last the last link of the ring; 0 for a new ring
   * @returns the number of the link, which is the last one now
   */
  add({ path, offset }: Place, last: number): number {
    const link = ++this.#count
    if (link === this.#offsets.length) this.#grow()
    if (this.#pages.length === 0 || this.#used + path.length > PAGE) {
      this.#pages.push(new Uint8Array(Math.max(PAGE, path.length)))
      this.#used = 0
    }
    const page = this.#pages.length - 1
    ;(this.#pages[page] as Uint8Array).set(path, this.#used)
    const first = last === 0 ? link : (this.#words[4 * last] as number)
    this.#words.set([first, page, this.#used, this.#used + path.length], 4 * link)
    if (last !== 0) this.#words[4 * last] = link
    this.#used += path.length
    this.#offsets[link] = offset
    return link
  }

  /** Returns the place of the first link of a ring. */
  firstOf(last: number): Place {
    return this.#placeOf(this.#words[4 * last] as number)
  }

  /** Yields the links of a ring, the oldest first. */
  *inRing(last: number): Generator<Place> {
    let link = last
    do {
      link = this.#words[4 * link] as number
      yield this.#placeOf(link)
    } while (link !== last)
  }

  #placeOf(link: number): Place {
    const [, page = 0, start, end] = this.#words.subarray(4 * link, 4 * link + 4)
    return { path: (this.#pages[page] as Uint8Array).subarray(start, end), offset: this.#offsets[link] as number }
  }

  #grow(): void {
    const offsets = new Float64Array(this.#offsets.length * 2)
    offsets.set(this.#offsets)
    this.#offsets = offsets
    const words = new Uint32Array(this.#words.length * 2)
    words.set(this.#words)
    this.#words = words
  }
}
