/** The status line of commands that write or check out many files. */
import { formatSize } from '../../format-size.ts'
import type { Progress } from '../../progress.ts'
import type { Output } from './output.ts'
import { StatusLine, type StatusLineOptions } from './status-line.ts'

/** Shows `Committing: 1200 objects, 900 new, 12.3 MB` or `Checking out: 1200 files and directories`. */
export class ObjectCounter {
  readonly #line: StatusLine
  readonly #verb: string

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
    }
  }

  /** Erases the line. */
  end(): void {
    this.#line.end()
  }
}
