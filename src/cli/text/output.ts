/**
 * Where commands write. Synchronous and buffered: a command that prints 50,000 lines makes few system calls, and what
 * was printed before an error stands before it. `process.stdout` is not touched, it costs milliseconds at start-up.
 */
import { writeSync } from 'node:fs'
import { isatty } from 'node:tty'

const FLUSH_AT = 1 << 16

export class Output {
  readonly #fd: number
  #text: (string | Uint8Array)[] = []
  #length = 0

  constructor(fd: number) {
    this.#fd = fd
  }

  get isTerminal(): boolean {
    return isatty(this.#fd)
  }

  /** Bytes are taken, or gone out, when this returns. */
  write(text: string | Uint8Array): void {
    if (typeof text !== 'string' && text.length >= FLUSH_AT) {
      this.flush()
      writeWhole(this.#fd, text)
      return
    }
    this.#text.push(typeof text === 'string' ? text : text.slice())
    this.#length += text.length
    if (this.#length >= FLUSH_AT) this.flush()
  }

  line(text = ''): void {
    this.write(`${text}\n`)
  }

  json(value: unknown): void {
    this.line(JSON.stringify(value))
  }

  flush(): void {
    const pending = this.#text
    this.#text = []
    this.#length = 0
    for (const bytes of joined(pending)) writeWhole(this.#fd, bytes)
  }
}

function* joined(parts: readonly (string | Uint8Array)[]): Iterable<Uint8Array> {
  let text = ''
  for (const part of parts) {
    if (typeof part === 'string') {
      text += part
      continue
    }
    if (text !== '') yield Buffer.from(text)
    text = ''
    yield part
  }
  if (text !== '') yield Buffer.from(text)
}

function errno(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined
}

const pause = new Int32Array(new SharedArrayBuffer(4))

function writeWhole(fd: number, bytes: Uint8Array): void {
  let offset = 0
  while (offset < bytes.length) {
    try {
      offset += writeSync(fd, bytes, offset)
    } catch (error) {
      // A pipe somebody set to non-blocking: wait until the reader took some.
      if (errno(error) !== 'EAGAIN') throw error
      Atomics.wait(pause, 0, 0, 2)
    }
  }
}

/** The reader of our output is gone, as in `ostree-ts log main | head -1`. */
export function isBrokenPipe(error: unknown): boolean {
  return errno(error) === 'EPIPE'
}
