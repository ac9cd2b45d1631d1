/**
 * The line of a long command that changes while it works. On a terminal it is written over again and again, elsewhere
 * it is a line each time, and far less often:
 *
 * ```
 * terminal   fsck objects (57/403) [=            ]  14%      ESC 7 keeps the place, ESC 8 goes back to it
 * elsewhere  fsck objects (57/403) 14%
 * ```
 *
 * Source: libglnx, glnx-console.c.
 */
import { encodeUtf8 } from '../../bytes.ts'
import type { Output } from './output.ts'

const KEEP_PLACE = '\u001b7'
const TO_PLACE = '\u001b8'
const TERMINAL_MS = 1000 / 5
const LINE_MS = 1000
const USUAL_COLUMNS = 80
/** Bar, its brackets, and ` 100%`. */
const BAR = 20
const BAR_FRAME = 7
/** Columns the bar has whatever the text. */
const BAR_LEAST = 10

export interface ConsoleOptions {
  /** Default: whether the output is one. */
  readonly terminal?: boolean | undefined
  /** Default: those of the terminal. */
  readonly columns?: number | undefined
  /** Milliseconds, from any start. */
  readonly now?: (() => number) | undefined
}

export class Console {
  readonly #out: Output
  readonly #terminal: boolean
  readonly #columns: number
  readonly #now: () => number
  #last = Number.NEGATIVE_INFINITY
  #started = false

  constructor(out: Output, { terminal = out.isTerminal, columns, now = () => performance.now() }: ConsoleOptions = {}) {
    this.#out = out
    this.#terminal = terminal
    this.#now = now
    this.#columns = columns ?? (terminal ? columnsOfTerminal() : USUAL_COLUMNS)
  }

  get isTerminal(): boolean {
    return this.#terminal
  }

  /** What is written from now on until the end is the line. */
  start(): void {
    this.#started = true
    if (this.#terminal) this.#out.write(KEEP_PLACE)
  }

  /** May come too soon after the one before, and is left out then, unless all is done. @param percent whole, to 100 */
  percent(text: string, percent: number): void {
    if (percent < 100 && !this.#isDue()) return
    this.#show(this.#terminal ? `${TO_PLACE}${this.#withBar(text, percent)}` : `${text} ${percent}%\n`)
  }

  #withBar(text: string, percent: number): string {
    const shown = text.slice(0, Math.max(0, this.#columns - BAR_LEAST))
    const room = Math.max(0, Math.min(BAR, this.#columns - (shown.length + 1)) - BAR_FRAME)
    const full = Math.floor((room * percent) / 100)
    return `${shown} [${'='.repeat(full)}${' '.repeat(room - full)}] ${String(percent).padStart(3)}%`
  }

  /** As `percent`. On a terminal what was longer is written over with blanks. @param last never comes too soon */
  text(text: string, last = false): void {
    if (!last && !this.#isDue()) return
    // As ostree, which takes bytes for columns.
    const blanks = ' '.repeat(Math.max(0, this.#columns - encodeUtf8(text).length))
    this.#show(this.#terminal ? `${TO_PLACE}${text}${blanks}` : `${text}\n`)
  }

  /** Leaves the line; may be repeated. */
  end(): void {
    if (this.#started && this.#terminal) this.#out.write('\n')
    this.#started = false
  }

  #isDue(): boolean {
    const now = this.#now()
    if (now - this.#last < (this.#terminal ? TERMINAL_MS : LINE_MS)) return false
    this.#last = now
    return true
  }

  #show(text: string): void {
    this.#out.write(text)
    this.#out.flush()
  }
}

/** Asked for on a terminal alone: to look at `process.stdout` takes time. */
function columnsOfTerminal(): number {
  return process.stdout.columns || USUAL_COLUMNS
}
