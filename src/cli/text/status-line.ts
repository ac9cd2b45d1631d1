/**
 * One line at the bottom of a terminal that says what a long command is doing. It is never wider than the terminal, because
 * a line that wraps cannot be erased, and it is erased at the end. Nothing is printed when the output is not a terminal
 * that can erase a line.
 */
import type { Output } from './output.ts'
import { hasCursor } from './terminal.ts'

/** Milliseconds between two updates. */
const REDRAW_MS = 100
/** Milliseconds until the first update: a command that is done by then shows nothing. */
const DELAY_MS = 200
const DEFAULT_COLUMNS = 80
/** Moves the cursor to the first column, and erases the line. */
const ERASE = '\r\u001b[K'

/** The properties of the terminal, for tests. */
export interface StatusLineOptions {
  /** Whether to print. Default: whether the output is a terminal that can move its cursor. */
  readonly terminal?: boolean | undefined
  /** Returns the width of the terminal in columns. Default: its current width, or 80. */
  readonly columns?: (() => number) | undefined
  /** Monotonic clock, in milliseconds. */
  readonly now?: (() => number) | undefined
}

export class StatusLine {
  readonly #output: Output
  readonly #terminal: boolean
  readonly #columns: () => number
  readonly #now: () => number
  /** When the line may be drawn next. */
  #next: number
  #shown = false

  constructor(output: Output, options: StatusLineOptions = {}) {
    this.#output = output
    this.#terminal = options.terminal ?? hasCursor(output)
    this.#columns = options.columns ?? terminalColumns
    this.#now = options.now ?? (() => performance.now())
    this.#next = this.#now() + DELAY_MS
  }

  /**
   * Replaces the line, unless it was replaced less than 100 ms ago.
   * @param describe returns the text for a width in columns; a longer text is cut
   */
  update(describe: (columns: number, now: number) => string): void {
    if (!this.#terminal) return
    const now = this.#now()
    if (now < this.#next) return
    this.#next = now + REDRAW_MS
    // In the last column, some terminals wrap.
    const columns = Math.max(1, this.#columns() - 1)
    this.#output.write(`${ERASE}${cut(describe(columns, now), columns)}`)
    this.#output.flush()
    this.#shown = true
  }

  /** Erases the line. Idempotent. */
  end(): void {
    if (!this.#shown) return
    this.#shown = false
    this.#output.write(ERASE)
    this.#output.flush()
  }
}

/** Cuts a text to a number of UTF-16 units, of which the last one is `…` then. */
export function cut(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, Math.max(0, length - 1))}…`
}

/** Returns the width of the terminal. Called only for a terminal, because creating `process.stderr` takes milliseconds. */
function terminalColumns(): number {
  return process.stderr.columns || DEFAULT_COLUMNS
}
