/** Ends the process when one input takes too long, after printing that input. It runs in a thread of its own. */
import { Worker } from 'node:worker_threads'

/** Milliseconds after which an input is taken to hang. */
const MOST_TIME = 20_000
/** Bytes of the longest input that can be printed. */
const MOST_BYTES = 1 << 17
/** Words before the bytes of the input: its number, its length in bytes, whether it is running. */
const WORDS = 3

const PROGRAM = `
const { workerData: { shared, name, time } } = require('node:worker_threads')
const { writeSync } = require('node:fs')
const words = new Int32Array(shared, 0, ${WORDS})
let last = 0
let since = Date.now()
setInterval(() => {
  const now = Atomics.load(words, 0)
  if (now !== last || Atomics.load(words, 2) === 0) {
    last = now
    since = Date.now()
  } else if (Date.now() - since > time) {
    const input = Buffer.from(new Uint8Array(shared, ${4 * WORDS}, Atomics.load(words, 1))).toString('base64')
    writeSync(2, name + ': hangs with input ' + now + ': ' + input + '\\n')
    process.kill(process.pid, 'SIGKILL')
  }
}, 500)
`

export class Watchdog {
  readonly #shared = new SharedArrayBuffer(4 * WORDS + MOST_BYTES)
  readonly #words = new Int32Array(this.#shared, 0, WORDS)
  readonly #bytes = new Uint8Array(this.#shared, 4 * WORDS)
  readonly #worker: Worker

  constructor(name: string) {
    const workerData = { shared: this.#shared, name, time: MOST_TIME }
    this.#worker = new Worker(PROGRAM, { eval: true, workerData })
  }

  /** Starts the time of an input. */
  start(input: Uint8Array): void {
    const length = Math.min(input.length, MOST_BYTES)
    this.#bytes.set(input.subarray(0, length))
    Atomics.store(this.#words, 1, length)
    Atomics.add(this.#words, 0, 1)
    Atomics.store(this.#words, 2, 1)
  }

  /** Stops it. */
  stop(): void {
    Atomics.store(this.#words, 2, 0)
  }

  async close(): Promise<void> {
    await this.#worker.terminate()
  }
}
