/**
 * The status line while an image is fetched. The bar takes a quarter of the terminal, and the line is cut where the
 * terminal ends:
 *
 *     [######------------------] layers 1/3  12.3 MB/45.6 MB  5.0 MB/s  1200 objects  Fetching layer 1234 (45.6 MB)
 *
 * Nothing is printed when the output is not a terminal; `--json` prints events there.
 */

import { type ImportProgress, importProgressOf, isStarting } from '../../container/index.ts'
import { formatSize } from '../../format-size.ts'
import type { Progress } from '../../progress.ts'
import type { Output } from './output.ts'
import { StatusLine, type StatusLineOptions } from './status-line.ts'

/** Least and greatest width of the bar in characters. */
const [MIN_WIDTH, MAX_WIDTH] = [6, 24]
/** Digits of a layer's digest that are shown. */
const DIGEST_DIGITS = 19

/** Returns the text for a layer that is being or has been fetched. */
function messageOf(event: ImportProgress): string {
  const { digest, size } = event.layer
  const kind = event.kind.startsWith('ostree-chunk') ? 'ostree chunk' : 'layer'
  const name = `${kind} ${digest.slice(digest.indexOf(':') + 1).slice(0, DIGEST_DIGITS)}`
  return isStarting(event) ? `Fetching ${name} (${formatSize(size)})` : `Fetched ${name}`
}

/** Draws the line from progress events. */
export class ProgressBar {
  readonly #line: StatusLine
  readonly #started: number
  /** Bytes received of each layer, by digest. */
  readonly #received = new Map<string, number>()
  /** Size of each layer in bytes, by digest. */
  readonly #sizes = new Map<string, number>()
  #done = 0
  #layers = 0
  #objects = 0
  #message = ''

  constructor(err: Output, options: StatusLineOptions = {}) {
    this.#line = new StatusLine(err, options)
    this.#started = options.now?.() ?? performance.now()
  }

  /** Updates the counts, and names the layer that is being fetched. */
  readonly listen = (event: Progress): void => {
    const progress = importProgressOf(event)
    if (progress !== undefined) this.#message = messageOf(progress)
    if (event.kind === 'layer-start' || event.kind === 'layer-done' || event.kind === 'layer-cached') {
      this.#layers = event.total
      if (event.kind === 'layer-start') this.#sizes.set(event.digest, event.size)
      else this.#done++
      if (event.kind === 'layer-done') this.#received.set(event.digest, event.size)
    } else if (event.kind === 'bytes') {
      this.#received.set(event.digest, event.received)
      this.#sizes.set(event.digest, event.size)
    } else if (event.kind === 'objects') {
      this.#objects = event.written + event.reused
    }
    this.#line.update(this.#describe)
  }

  readonly #describe = (columns: number, now: number): string => {
    const received = [...this.#received.values()].reduce((sum, bytes) => sum + bytes, 0)
    const expected = Math.max(
      received,
      [...this.#sizes.values()].reduce((sum, bytes) => sum + bytes, 0),
    )
    const width = Math.max(MIN_WIDTH, Math.min(MAX_WIDTH, Math.floor(columns / 4)))
    const filled = Math.round((expected === 0 ? 1 : received / expected) * width)
    const rate = received / Math.max(0.001, (now - this.#started) / 1000)
    return [
      `[${'#'.repeat(filled)}${'-'.repeat(width - filled)}] layers ${this.#done}/${this.#layers}`,
      `${formatSize(received)}/${formatSize(expected)}`,
      `${formatSize(Math.round(rate))}/s`,
      ...(this.#objects > 0 ? [`${this.#objects} objects`] : []),
      this.#message,
    ].join('  ')
  }

  /** Erases the line. */
  end(): void {
    this.#line.end()
  }
}
