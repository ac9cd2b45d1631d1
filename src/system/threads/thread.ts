/**
 * Runs a program in a worker thread. It answers requests in order over its own port, so that answers can also be
 * fetched without a turn of the event loop. The process stays alive only while requests are unanswered.
 */

import { existsSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from 'node:worker_threads'
import { END, GATE, READY, type ThreadEnds } from './thread-program.ts'

/** Limits of a thread's heap. Memory is short-lived: a small young generation is as fast, and saves 40 MiB. */
const YOUNG_GENERATION_MIB = 4

export interface Threads {
  readonly count: number
  /** The built program that each thread runs. */
  readonly program: URL
  /** Amount of work after which the threads are started, in the unit of their user. */
  readonly after?: number | undefined
}

/**
 * Returns one thread for each processor but one, at most `most`. `undefined` when there is one processor only, or the
 * program is not a file, as when TypeScript sources are run directly or a bundler left it out.
 * @param from `import.meta.url` of the module that starts the threads; the program lies beside it
 * @param name of the program, without `.js`
 */
export function idleThreads(from: string, name: string, most: number): Threads | undefined {
  return threadsOf(from, name, Math.min(availableParallelism() - 1, most))
}

/** Returns `count` threads. @returns `undefined` as `idleThreads` */
export function threadsOf(from: string, name: string, count: number): Threads | undefined {
  if (count < 1 || !from.startsWith('file:') || from.endsWith('.ts')) return undefined
  const program = new URL(`./${name}.js`, from)
  return existsSync(fileURLToPath(program)) ? { program, count } : undefined
}

/** Milliseconds that loading an addon may take, even on a busy machine. */
const MOST_LOADING = 5000

/** Gates of the threads that have not ended. */
const gates = new Set<Int32Array>()

/** Ensures that no thread loads an addon while the process ends. */
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
   * @param lost called when the thread has ended by itself; its unanswered requests stay unanswered
   */
  constructor(program: URL, data: object, answered: (reply: Reply) => void, lost: (error: unknown) => void) {
    const { port1, port2 } = new MessageChannel()
    const ends: ThreadEnds = { port: port2, gate: this.#gate }
    watchExit()
    gates.add(this.#gate)
    this.#worker = new Worker(program, {
      workerData: { ...data, ...ends },
      transferList: [port2],
      // The options of the process are not passed on: they may concern its own program.
      execArgv: [],
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MIB },
      // Node would warn about descriptors that were opened by native calls. Programs close them themselves.
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

  /** Whether the thread is ready for requests. */
  get ready(): boolean {
    return this.#ready
  }

  /** Number of unanswered requests. */
  get busy(): number {
    return this.#busy
  }

  /** Sends a request. @param transfer buffers and ports that are moved, not copied */
  ask(request: Request, transfer: readonly (ArrayBuffer | MessagePort)[] = []): void {
    if (this.#busy++ === 0) this.#hold(true)
    this.#port.postMessage(request, transfer)
  }

  /** Handles the answers that have arrived, without waiting for the event loop. */
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
    // A thread that `end` waits for keeps the process alive until it has ended.
    if (--this.#busy === 0 && !this.#ended) this.#hold(false)
    this.#answered(message)
  }

  /** Sets whether the thread keeps the process alive. */
  #hold(hold: boolean): void {
    for (const each of [this.#worker, this.#port]) hold ? each.ref() : each.unref()
  }

  /** Ends the thread after its last answer. A thread that is still starting ends as soon as it is ready. */
  async end(): Promise<void> {
    if (this.#ended) return
    this.#ended = true
    this.#port.postMessage(END)
    if (!this.#ready) return
    this.#hold(true)
    // The last answers may arrive after the thread has ended, but they arrive before the port closes.
    await new Promise<void>((resolve) => {
      let open = 2
      const ended = () => --open === 0 && resolve()
      this.#worker.once('exit', ended)
      this.#port.once('close', ended)
    })
  }
}
