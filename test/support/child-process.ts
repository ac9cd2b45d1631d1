/** A process that a test starts, talks to line by line, and may kill. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'

/** For the start of a script: how it talks to the test. */
export const TALK = `
  import { createInterface } from 'node:readline'
  const say = (line) => process.stdout.write(line + '\\n')
  let heardLines
  const heard = async (line) => {
    heardLines ??= createInterface({ input: process.stdin })[Symbol.asyncIterator]()
    if ((await heardLines.next()).value !== line) process.exit(9)
  }
`

export interface ChildOptions {
  /** Added to the environment of the test. */
  readonly env?: Readonly<Record<string, string>>
  /** User and group id. */
  readonly uid?: number | undefined
}

export interface Ended {
  readonly signal: NodeJS.Signals | null
  readonly code: number | null
  /** All that it wrote, to stdout and to stderr. */
  readonly output: string
}

export class Child {
  readonly ended: Promise<Ended>
  readonly #process: ChildProcessWithoutNullStreams
  #output = ''
  /** Where in the output the next line begins. */
  #next = 0
  #hasEnded = false
  #onOutput: (() => void)[] = []

  /** @param args of Node */
  constructor(args: readonly string[], { env = {}, uid }: ChildOptions = {}) {
    this.#process = spawn(process.execPath, args, {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
      ...(uid === undefined ? {} : { uid, gid: uid }),
    })
    for (const stream of [this.#process.stdout, this.#process.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        this.#output += text
        this.#wake()
      })
    }
    // The child may have ended when it is told something.
    this.#process.stdin.on('error', () => {})
    this.ended = new Promise((resolve) => {
      this.#process.on('close', (code, signal) => {
        this.#hasEnded = true
        this.#wake()
        resolve({ code, signal, output: this.#output })
      })
    })
  }

  /** Waits for the next line that it writes. `undefined` when it has ended without one. */
  async nextLine(): Promise<string | undefined> {
    for (;;) {
      const end = this.#output.indexOf('\n', this.#next)
      if (end >= 0 || this.#hasEnded) {
        const line = this.#output.slice(this.#next, end < 0 ? undefined : end)
        this.#next = end < 0 ? this.#output.length : end + 1
        return line === '' && end < 0 ? undefined : line
      }
      await this.#moreOutput()
    }
  }

  /**
   * Waits until it has written a text.
   * @throws Error if it ends before
   */
  async said(text: string): Promise<void> {
    while (!this.#output.includes(text)) {
      if (this.#hasEnded) throw new Error(`the child ended without saying ${text}: ${this.#output}`)
      await this.#moreOutput()
    }
  }

  /** Writes a line to its stdin. */
  tell(line: string): void {
    this.#process.stdin.write(`${line}\n`)
  }

  /** Kills it, and waits until it has ended. */
  async kill(): Promise<Ended> {
    this.#process.kill('SIGKILL')
    return await this.ended
  }

  #wake(): void {
    for (const resolve of this.#onOutput.splice(0)) resolve()
  }

  #moreOutput(): Promise<void> {
    return new Promise((resolve) => this.#onOutput.push(resolve))
  }
}
