/** The status line of commands that write, delete or check out many files. */
import { formatSize } from '../../format-size.ts'
import type { Progress } from '../../progress.ts'
import type { Output } from './output.ts'
import { StatusLine, type StatusLineOptions } from './status-line.ts'

/**
 * Shows `Committing: 1200 objects, 900 new, 12.3 MB`, `Checking out: 1200 files and directories`, `Pruning: 3 of 12` or
 * `Encapsulating: 3 of 12 layers, 12.3 MB`.
 */
export class ObjectCounter {
  readonly #line: StatusLine
  readonly #verb: string
  #layers = ''

  /** @param verb what the command does: `Committing` */
  constructor(err: Output, verb: string, options?: StatusLineOptions) {
    this.#line = new StatusLine(err, options)
    this.#verb = verb
  }

  readonly listen = (event: Progress): void => {
    if (event.kind === 'objects') {
      const { written, reused, bytes } = event
      this.#line.update(() => `${this.#verb}: ${written + reused} objects, ${written} new, ${formatSize(bytes)}`)
    } else if (event.kind === 'entries') {
      this.#line.update(() => `${this.#verb}: ${event.done} files and directories`)
    } else if (event.kind === 'step') {
      const count = `${event.done} of ${event.total}`
      if (event.label === 'layers') this.#layers = `${count} layers, `
      else this.#line.update(() => `${this.#verb}: ${count}`)
    } else if (event.kind === 'written') {
      this.#line.update(() => `${this.#verb}: ${this.#layers}${formatSize(event.bytes)}`)
    }
  }

  /** Erases the line. */
  end(): void {
    this.#line.end()
  }
}

/**
 * Runs an operation with a status line, which is erased at its end.
 * @param verb what the command does: `Exporting`
 * @param quiet whether nothing is shown: with `--json`, or when the terminal shows the output itself
 */
export async function withCounter<T>(
  err: Output,
  verb: string,
  quiet: boolean,
  run: (onProgress: ((event: Progress) => void) | undefined) => Promise<T>,
): Promise<T> {
  if (quiet) return run(undefined)
  const counter = new ObjectCounter(err, verb)
  try {
    return await run(counter.listen)
  } finally {
    counter.end()
  }
}
