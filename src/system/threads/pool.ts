/**
 * Batches of work for several threads that run one program. A thread is given the next batch while it still works on
 * the one before, and a batch comes back when it has been answered, or when its thread has ended by itself. Threads
 * that are slow, or do not start, delay nothing: the caller works on while `hasRoom` says that none of them can take a
 * batch.
 */

import { Thread, type Threads } from './thread.ts'

/** Batches that one thread holds: the one it works on and the one it takes next. */
const BATCHES_PER_THREAD = 2

/** What a pool calls when a batch comes back. */
export interface BatchEvents<Batch, Reply> {
  answered(batch: Batch, reply: Reply): void
  /** The thread ended before it answered; how much of the batch it has done is not known. */
  lost(batch: Batch, error: unknown): void
}

export class ThreadPool<Batch, Request, Reply> {
  readonly #threads: Threads
  readonly #data: object
  readonly #events: BatchEvents<Batch, Reply>
  readonly #untilStart: number
  #counted = 0
  /** The threads that run, and for each the batches it has not answered, in the order of the answers. */
  readonly #given = new Map<Thread<Request, Reply>, Batch[]>()
  #waiting: (() => void)[] = []

  /**
   * @param data what the program is started with
   * @param untilStart how many calls of `count` start the threads; `threads.after` takes precedence
   */
  constructor(threads: Threads, data: object, untilStart: number, events: BatchEvents<Batch, Reply>) {
    this.#threads = threads
    this.#data = data
    this.#untilStart = threads.after ?? untilStart
    this.#events = events
  }

  /** Counts one item of work, and starts the threads when there is enough of it. @returns whether threads run */
  count(): boolean {
    if (this.#given.size === 0 && ++this.#counted === this.#untilStart) this.start()
    return this.#given.size > 0
  }

  /** Counts from zero again. Threads that have all ended by themselves are replaced when the count is full. */
  recount(): void {
    this.#counted = 0
  }

  start(): void {
    for (let i = 0; i < this.#threads.count; i++) {
      const thread = new Thread<Request, Reply>(
        this.#threads.program,
        this.#data,
        (reply) => this.#answered(thread, reply),
        (error) => this.#lost(thread, error),
      )
      this.#given.set(thread, [])
    }
  }

  /** Handles the answers that have arrived, without waiting for the event loop. */
  receive(): void {
    for (const thread of this.#given.keys()) thread.receive()
  }

  /** Whether some thread that has started can take a batch. */
  get hasRoom(): boolean {
    return (this.#leastBusy()?.busy ?? BATCHES_PER_THREAD) < BATCHES_PER_THREAD
  }

  /** Whether some batch has not come back. */
  get busy(): boolean {
    for (const batches of this.#given.values()) if (batches.length > 0) return true
    return false
  }

  /**
   * Gives the batch to the thread that has the fewest, also when `hasRoom` is false.
   * @param batch for `BatchEvents`. @param request for the program. @param transfer buffers that are moved, not copied
   * @returns false when no thread has started
   */
  give(batch: Batch, request: Request, transfer: ArrayBuffer[] = []): boolean {
    const thread = this.#leastBusy()
    if (thread === undefined) return false
    this.#given.get(thread)?.push(batch)
    thread.ask(request, transfer)
    return true
  }

  #leastBusy(): Thread<Request, Reply> | undefined {
    let best: Thread<Request, Reply> | undefined
    for (const thread of this.#given.keys()) {
      if (thread.ready && (best === undefined || thread.busy < best.busy)) best = thread
    }
    return best
  }

  #answered(thread: Thread<Request, Reply>, reply: Reply): void {
    const batches = this.#given.get(thread)
    if (batches === undefined) return
    this.#events.answered(batches.shift() as Batch, reply)
    this.#wake()
  }

  #lost(thread: Thread<Request, Reply>, error: unknown): void {
    // The answers that it gave before it ended.
    thread.receive()
    const batches = this.#given.get(thread) ?? []
    this.#given.delete(thread)
    for (const batch of batches) this.#events.lost(batch, error)
    this.#wake()
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve()
  }

  /** Resolves when the next batch comes back; `undefined` when there is none to wait for. */
  next(): Promise<void> | undefined {
    return this.busy ? new Promise((resolve) => this.#waiting.push(resolve)) : undefined
  }

  /** Waits until all batches have come back. */
  async settled(): Promise<void> {
    for (let next = this.next(); next !== undefined; next = this.next()) await next
  }

  /** Waits until all batches have come back, and ends the threads. */
  async end(): Promise<void> {
    await this.settled()
    const threads = [...this.#given.keys()]
    this.#given.clear()
    await Promise.all(threads.map((thread) => thread.end()))
  }
}
