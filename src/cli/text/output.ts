/**
 * Synchronous, buffered output. A command that prints 50,000 lines makes few system calls, and its output appears
 * before an error message that follows. `process.stdout` is not used, because creating it costs milliseconds at
 * start-up.
 */
import { writeSync } from 'node:fs'
import { isatty } from 'node:tty'
import { unescapeUtf8 } from '../../bytes.ts'
import { errnoOf } from '../../system/errno.ts'

/** Buffered bytes at which the buffer is written. */
const FLUSH_AT = 1 << 16

/** Buffers text and bytes for a file descriptor. */
export class Output {
  readonly #fd: number
  /** Flushed before anything is written here, so that both appear in the order of the calls. */
  readonly #after: Output | undefined
  #text: (string | Uint8Array)[] = []
  #length = 0

  /** @param after an output to the same terminal. What is written here then is not buffered. */
  constructor(fd: number, after?: Output) {
    this.#fd = fd
    this.#after = after
  }

  get isTerminal(): boolean {
    return isatty(this.#fd)
  }

  /** Copies `text` to the buffer, or writes it. The caller may reuse the bytes afterwards. */
  write(text: string | Uint8Array): void {
    if (typeof text !== 'string' && text.length >= FLUSH_AT) {
      this.flush()
      writeWhole(this.#fd, text)
      return
    }
    this.#text.push(typeof text === 'string' ? text : text.slice())
    this.#length += text.length
    if (this.#length >= FLUSH_AT || this.#after !== undefined) this.flush()
  }

  line(text = ''): void {
    this.write(`${text}\n`)
  }

  json(value: unknown): void {
    this.line(JSON.stringify(value))
  }

  flush(): void {
    this.#after?.flush()
    const pending = this.#text
    this.#text = []
    this.#length = 0
    for (const bytes of joined(pending)) writeWhole(this.#fd, bytes)
  }
}

/** Encodes the parts, joining adjacent strings. Bytes that are not UTF-8 come as `escapeUtf8` escapes them. */
function* joined(parts: readonly (string | Uint8Array)[]): Iterable<Uint8Array> {
  let text = ''
  for (const part of parts) {
    if (typeof part === 'string') {
      text += part
      continue
    }
    if (text !== '') yield unescapeUtf8(text)
    text = ''
    yield part
  }
  if (text !== '') yield unescapeUtf8(text)
}

const pause = new Int32Array(new SharedArrayBuffer(4))

function writeWhole(fd: number, bytes: Uint8Array): void {
  let offset = 0
  while (offset < bytes.length) {
    try {
      offset += writeSync(fd, bytes, offset)
    } catch (error) {
      // The pipe is non-blocking and full: wait 2 ms for its reader.
      if (errnoOf(error) !== 'EAGAIN') throw error
      Atomics.wait(pause, 0, 0, 2)
    }
  }
}

/** Tells whether an error means that the reader of the output has exited, as in `ostree-ts log main | head -1`. */
export function isBrokenPipe(error: unknown): boolean {
  return errnoOf(error) === 'EPIPE'
}
