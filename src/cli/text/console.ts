/**
 * The progress line of a long command. On a terminal the line is overwritten at most five times a second; elsewhere
 * every update prints a new line, at most once a second:
 *
 * ```
 * terminal   fsck objects (57/403) [=            ]  14%      ESC 7 saves the cursor position, ESC 8 restores it
 * elsewhere  fsck objects (57/403) 14%
 * ```
 *
 * Source: libglnx, glnx-console.c.
 */
import { encodeUtf8 } from '../../bytes.ts'
import type { Output } from './output.ts'
import { cut } from './status-line.ts'
import { hasCursor } from './terminal.ts'

const SAVE_CURSOR = '\u001b7'
const RESTORE_CURSOR = '\u001b8'
/** Milliseconds between two updates. */
const TERMINAL_INTERVAL = 1000 / 5
const LINE_INTERVAL = 1000
const DEFAULT_COLUMNS = 80
/** Width of the bar with its brackets and ` 100%`, in columns. */
const BAR_WIDTH = 20
/** Part of `BAR_WIDTH` that the brackets and ` 100%` take. */
const BAR_FRAME = 7
/** Columns kept for the bar, however long the text is. */
const MIN_BAR_WIDTH = 10

/** The properties of the terminal, for tests. */
export interface ConsoleOptions {
  /** Whether to print for a terminal. Default: whether the output is a terminal. */
  readonly terminal?: boolean | undefined
  /** Width of the terminal. Default: its actual width, or 80. */
  readonly columns?: number | undefined
  /** Monotonic clock, in milliseconds. */
  readonly now?: (() => number) | undefined
}

/** Prints the progress line to `out`. Updates that come too soon after the previous one are dropped. */
export class Console {
  readonly #out: Output
  readonly #terminal: boolean
  readonly #columns: number
  readonly #now: () => number
  #last = Number.NEGATIVE_INFINITY
  #started = false

  constructor(out: Output, { terminal = hasCursor(out), columns, now = () => performance.now() }: ConsoleOptions = {}) {
    this.#out = out
    this.#terminal = terminal
    this.#now = now
    this.#columns = columns ?? (terminal ? terminalColumns() : DEFAULT_COLUMNS)
  }

  get isTerminal(): boolean {
    return this.#terminal
  }

  /** Begins the progress line at the current cursor position. */
  start(): void {
    this.#started = true
    if (this.#terminal) this.#out.write(SAVE_CURSOR)
  }

  /**
   * Shows a text and a progress bar. Dropped when too soon after the previous update, except at 100 %.
   * @param percent an integer from 0 to 100
   */
  percent(text: string, percent: number): void {
    if (percent < 100 && !this.#isDue()) return
    this.#show(this.#terminal ? `${RESTORE_CURSOR}${this.#withBar(text, percent)}` : `${text} ${percent}%\n`)
  }

  #withBar(text: string, percent: number): string {
    const shown = text.slice(0, Math.max(0, this.#columns - MIN_BAR_WIDTH))
    const room = Math.max(0, Math.min(BAR_WIDTH, this.#columns - (shown.length + 1)) - BAR_FRAME)
    const full = Math.floor((room * percent) / 100)
    return `${shown} [${'='.repeat(full)}${' '.repeat(room - full)}] ${String(percent).padStart(3)}%`
  }

  /**
   * Shows a text without a bar. On a terminal it is padded with blanks to erase a longer previous text.
   * @param last the final update, which is never dropped
   */
  text(text: string, last = false): void {
    if (!last && !this.#isDue()) return
    if (!this.#terminal) {
      this.#show(`${text}\n`)
      return
    }
    // ostree prints a text that is wider than the terminal in several lines, of which the next update erases one.
    const shown = last ? text : cut(text, this.#columns)
    // Counts a column per byte, as ostree does.
    const blanks = ' '.repeat(Math.max(0, this.#columns - encodeUtf8(shown).length))
    this.#show(`${RESTORE_CURSOR}${shown}${blanks}`)
  }

  /** Ends the line. Idempotent. */
  end(): void {
    if (this.#started && this.#terminal) this.#out.write('\n')
    this.#started = false
  }

  #isDue(): boolean {
    const now = this.#now()
    if (now - this.#last < (this.#terminal ? TERMINAL_INTERVAL : LINE_INTERVAL)) return false
    this.#last = now
    return true
  }

  #show(text: string): void {
    this.#out.write(text)
    this.#out.flush()
  }
}

/**
 * Returns the width of the terminal. Called only for a terminal, because creating `process.stdout` takes milliseconds.
 */
function terminalColumns(): number {
  return process.stdout.columns || DEFAULT_COLUMNS
}
