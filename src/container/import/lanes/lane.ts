/** One layer that is imported by a thread: feeds the thread with the blob, and keeps its messages until they are read. */

import type { StagedLane } from '../../../repo/index.ts'
import type { FromLane, LaneOutput, LaneRequest, LaneThread, ToLane } from './interface.ts'

/** Bytes of the blob that the thread has been sent and has not read. */
const MOST_AHEAD = 1 << 20

/** A message of the thread, or an error whose reason is not in the layer. */
export type LaneMessage = FromLane | { readonly kind: 'fault'; readonly error: unknown }

/** What a lane begins with. */
export interface LaneStart {
  readonly thread: LaneThread
  readonly request: LaneRequest
  readonly staged: StagedLane | undefined
  readonly blob: AsyncIterable<Uint8Array>
  /** Called when the thread has ended its work. @param failed whether the layer cannot be imported */
  readonly ended: (failed: boolean) => void
}

export class Lane {
  readonly staged: StagedLane | undefined
  readonly gives: LaneOutput
  /** Resolves when the thread has ended its work, and the source was told to end. */
  readonly finished: Promise<void>
  readonly #post: (message: ToLane) => void
  readonly #ended: (failed: boolean) => void
  readonly #messages: LaneMessage[] = []
  readonly #source: AsyncIterator<Uint8Array>
  #sent = 0
  #received = 0
  /** Bytes of batches, or of the tar, that wait to be stored. */
  #waiting = 0
  #fault: { readonly error: unknown } | undefined
  #last: 'done' | 'failed' | undefined
  #stopped = false
  #wake: (() => void)[] = []
  /** Ends the read that is under way. */
  #giveUp: (() => void) | undefined

  constructor({ thread, request, staged, blob, ended }: LaneStart) {
    this.staged = staged
    this.gives = request.gives
    this.#ended = ended
    this.#source = blob[Symbol.asyncIterator]()
    this.#post = thread.run(request, (message) => this.#hear(message))
    // The first chunk is requested before this returns: sources begin in the order of the layers.
    this.finished = Promise.all([this.#feed(), this.#untilLast()]).then(() => {})
  }

  /** Bytes of batches, or of the tar, that wait to be stored. */
  get waiting(): number {
    return this.#waiting
  }

  /** Waits for the next message, and returns it. After the last one it is returned again. */
  async next(): Promise<LaneMessage> {
    for (;;) {
      const [message] = this.#messages
      // The thread does not know why it was stopped, or why the blob ended.
      if (this.#stopped) return { kind: 'fault', error: this.#fault?.error }
      if (message?.kind === 'failed' && message.outside) return { kind: 'fault', error: (this.#fault ?? message).error }
      if (message !== undefined) {
        if (message.kind !== 'done' && message.kind !== 'failed') this.#messages.shift()
        return message
      }
      await this.#change()
    }
  }

  /** Tells the thread that a batch, or a piece of the tar, is stored. @param bytes its memory */
  stored(bytes: Uint8Array, cost: number): void {
    this.#waiting -= cost
    if (this.#last === undefined) this.#post({ kind: 'stored', bytes, cost })
  }

  /** Makes the work end, with an error that `next` returns. May be repeated; the first error counts. */
  stop(error: unknown): void {
    if (this.#stopped || this.#last !== undefined) return
    this.#stopped = true
    this.#fault = { error }
    this.#post({ kind: 'stop' })
    this.#over()
  }

  #hear(message: FromLane): void {
    if (message.kind === 'bytes') this.#received = message.received
    if (message.kind === 'batch' || message.kind === 'tar') this.#waiting += message.cost
    this.#messages.push(message)
    if (message.kind === 'done' || message.kind === 'failed') {
      this.#last = message.kind
      this.#over()
      this.#ended(message.kind === 'failed')
    }
    this.#notify()
  }

  /** Ends the feeding. */
  #over(): void {
    this.#giveUp?.()
    this.#notify()
  }

  async #untilLast(): Promise<void> {
    while (this.#last === undefined) await this.#change()
  }

  /** Sends the blob to the thread. Never rejects. */
  async #feed(): Promise<void> {
    let next: IteratorResult<Uint8Array, unknown> | undefined
    try {
      for (next = await this.#read(); next !== undefined && !this.#isOver(); next = await this.#read()) {
        if (next.done) {
          this.#post({ kind: 'end' })
          return
        }
        this.#sent += next.value.length
        // A copy, because the source may reuse the chunk, and the copy is moved to the thread.
        this.#post({ kind: 'chunk', bytes: new Uint8Array(next.value) })
        while (this.#sent - this.#received > MOST_AHEAD && !this.#isOver()) await this.#change()
      }
    } catch (error) {
      if (this.#isOver()) return
      this.#fault = { error }
      // The thread reads what was sent before.
      this.#post({ kind: 'broken' })
      return
    }
    const returned = this.#source.return?.().catch(() => undefined)
    // A source that owes a chunk may never answer.
    if (next !== undefined) await returned
  }

  /** Reads the next chunk. @returns `undefined` when none is needed any more */
  #read(): Promise<IteratorResult<Uint8Array, unknown> | undefined> {
    return new Promise((resolve, reject) => {
      this.#giveUp = () => resolve(undefined)
      if (this.#isOver()) resolve(undefined)
      else this.#source.next().then(resolve, reject)
    })
  }

  #isOver(): boolean {
    return this.#stopped || this.#last !== undefined
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#wake.push(resolve))
  }

  #notify(): void {
    for (const resolve of this.#wake.splice(0)) resolve()
  }
}
