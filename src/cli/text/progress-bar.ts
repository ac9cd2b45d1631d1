/**
 * Progress line on a terminal while an image is fetched: layers, bytes, rate, objects. Nothing is printed when the
 * output is not a terminal; `--json` prints events there.
 */

import { type ImportProgress, importProgressOf, isStarting } from '../../container/index.ts'
import { formatSize } from '../../format-size.ts'
import type { Progress } from '../../progress.ts'
import type { Output } from './output.ts'

const REDRAW_MS = 100
/** Width of the bar in characters. */
const WIDTH = 24
/** Digits of a layer's digest that are shown. */
const DIGEST_DIGITS = 19

/** Returns the text for a layer that is being or has been fetched. */
function messageOf(event: ImportProgress): string {
  const { digest, size } = event.layer
  const kind = event.kind.startsWith('ostree-chunk') ? 'ostree chunk' : 'layer'
  const name = `${kind} ${digest.slice(digest.indexOf(':') + 1).slice(0, DIGEST_DIGITS)}`
  return isStarting(event) ? `Fetching ${name} (${formatSize(size)})` : `Fetched ${name}`
}

/** Draws the line from progress events, at most every 100 ms. */
export class ProgressBar {
  readonly #err: Output
  readonly #started = performance.now()
  /** Bytes received of each layer, by digest. */
  readonly #received = new Map<string, number>()
  /** Size of each layer in bytes, by digest. */
  readonly #sizes = new Map<string, number>()
  #done = 0
  #layers = 0
  #objects = 0
  /** When the line was last drawn, in milliseconds of `performance.now()`. */
  #drawn = 0
  #shown = false
  #message = ''

  constructor(err: Output) {
    this.#err = err
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
    const now = performance.now()
    if (now - this.#drawn < REDRAW_MS) return
    this.#drawn = now
    this.#draw(now)
  }

  #draw(now: number): void {
    if (!this.#err.isTerminal) return
    const received = [...this.#received.values()].reduce((sum, bytes) => sum + bytes, 0)
    const expected = Math.max(
      received,
      [...this.#sizes.values()].reduce((sum, bytes) => sum + bytes, 0),
    )
    const share = expected === 0 ? 1 : received / expected
    const filled = Math.round(share * WIDTH)
    const rate = received / Math.max(0.001, (now - this.#started) / 1000)
    const objects = this.#objects > 0 ? `  ${this.#objects} objects` : ''
    this.#err.write(
      `\r\u001b[K[${'#'.repeat(filled)}${'-'.repeat(WIDTH - filled)}] layers ${this.#done}/${this.#layers}` +
        `  ${formatSize(received)}/${formatSize(expected)}  ${formatSize(Math.round(rate))}/s${objects}  ${this.#message}`,
    )
    this.#err.flush()
    this.#shown = true
  }

  /** Erases the line. */
  end(): void {
    if (!this.#shown) return
    this.#err.write('\r\u001b[K')
    this.#err.flush()
  }
}
