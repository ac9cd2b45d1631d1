/**
 * A thread of ours: a program that answers each request, in their order, over a port of its own, so that the answers can
 * also be fetched without a turn of the event loop. It keeps the process only while it has something to answer.
 */

import { existsSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from 'node:worker_threads'
import { END, GATE, READY, type ThreadEnds } from './thread-program.ts'

/** What a file needs dies with it: a small young generation is collected as fast, and 40 MiB less stay resident. */
const YOUNG_GENERATION_MIB = 4

export interface Threads {
  readonly count: number
  /** The file each of them runs, built. */
  readonly program: URL
  /** How much there must be to do before they are started, counted as who starts them counts. */
  readonly after?: number | undefined
}

/**
 * As many as would else be idle, at most `most`. There are none where the program is no file of its own: beside its
 * source, and where some bundler left it out.
 * @param from `import.meta.url` of who starts them: the program lies beside it. @param name without `.js`
 */
export function idleThreads(from: string, name: string, most: number): Threads | undefined {
  const count = Math.min(availableParallelism() - 1, most)
  if (count < 1 || !from.startsWith('file:') || from.endsWith('.ts')) return undefined
  const program = new URL(`./${name}.js`, from)
  return existsSync(fileURLToPath(program)) ? { program, count } : undefined
}

/** Longer than it takes to load an addon, whatever else the machine does. Milliseconds. */
const MOST_LOADING = 5000

/** Of threads that have not ended. */
const gates = new Set<Int32Array>()

/** No thread is loading an addon when the process ends, and none begins to. */
function watchExit(): void {
  if (watching) return
  watching = true
  process.on('exit', () => {
    for (const gate of gates) {
      const state = Atomics.compareExchange(gate, 0, GATE.open, GATE.closed)
      if (state === GATE.loading) Atomics.wait(gate, 0, GATE.loading, MOST_LOADING)
    }
  })
}
let watching = false

export class Thread<Request, Reply> {
  readonly #worker: Worker
  readonly #gate = new Int32Array(new SharedArrayBuffer(4))
  readonly #port: MessagePort
  readonly #answered: (reply: Reply) => void
  #ready = false
  #busy = 0
  #ended = false

  /**
   * @param program calls `runProgram` (thread-program.ts), whose `setUp` is given `data`
   * @param answered called for each answer, in the order of the requests
   * @param lost called when it ended by itself; what it was busy with will not be answered
   */
  constructor(program: URL, data: object, answered: (reply: Reply) => void, lost: (error: unknown) => void) {
    const { port1, port2 } = new MessageChannel()
    const ends: ThreadEnds = { port: port2, gate: this.#gate }
    watchExit()
    gates.add(this.#gate)
    this.#worker = new Worker(program, {
      workerData: { ...data, ...ends },
      transferList: [port2],
      // Not those of the process: they may be about its own program.
      execArgv: [],
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MIB },
      // Node would warn of every descriptor that was not opened by itself. Programs close what they open.
      trackUnmanagedFds: false,
    })
    this.#port = port1
    this.#answered = answered
    const end = (error: unknown) => {
      gates.delete(this.#gate)
      if (this.#ended) return
      this.#ended = true
      lost(error)
    }
    port1.on('message', (message: Reply | typeof READY) => this.#hear(message))
    this.#worker.on('error', end)
    this.#worker.on('exit', () => end(undefined))
    this.#hold(false)
  }

  /** It is up. */
  get ready(): boolean {
    return this.#ready
  }

  /** Requests it has not answered. */
  get busy(): number {
    return this.#busy
  }

  /** @param transfer buffers that are moved, not copied */
  ask(request: Request, transfer: ArrayBuffer[] = []): void {
    if (this.#busy++ === 0) this.#hold(true)
    this.#port.postMessage(request, transfer)
  }

  /** Takes what it has said without going through the event loop. */
  receive(): void {
    for (;;) {
      const received = receiveMessageOnPort(this.#port)
      if (received === undefined) return
      this.#hear(received.message)
    }
  }

  #hear(message: Reply | typeof READY): void {
    if (message === READY) {
      this.#ready = true
      return
    }
    if (--this.#busy === 0) this.#hold(false)
    this.#answered(message)
  }

  /** Whether the process has to stay for it. */
  #hold(hold: boolean): void {
    for (const each of [this.#worker, this.#port]) hold ? each.ref() : each.unref()
  }

  /** When it has answered all. One that is not up yet is not waited for: it ends as soon as it is. */
  async end(): Promise<void> {
    if (this.#ended) return
    this.#ended = true
    this.#port.postMessage(END)
    if (!this.#ready) return
    await new Promise<void>((resolve) => {
      this.#worker.ref()
      this.#worker.once('exit', () => resolve())
    })
  }
}
