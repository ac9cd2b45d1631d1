/** The program of a thread that imports layers. It is fed with the blob, and sends what it makes of it in batches. */

import { IoError } from '../../../errors.ts'
import type { Platform } from '../../../platform/index.ts'
import type { LanePlace, RepoSettings } from '../../../repo/index.ts'
import { type BatchSender, type LaneTransaction, type ObjectBatch, sendingTransaction } from '../../../repo/internal.ts'
import type { FromLane, LaneRequest, ToLane } from './interface.ts'
import { type LayerJobContext, type LayerJobResult, openJob, runLayerJob } from './layer-job.ts'

/** Bytes of each piece of a plain tar that is sent, except the last. */
const PIECE = 1 << 18
/** Bytes that an object in a batch counts in addition to its content. */
const OBJECT_COST = 100

/** What the program needs of the thread that it runs in. */
export interface LaneContext {
  readonly platform: Platform
  /** Begins a transaction that writes loose files. */
  readonly stage: (place: LanePlace, settings: RepoSettings, sender: BatchSender) => LaneTransaction
  /** Sends a message. The buffer of a batch, or of a piece of the tar, is moved. */
  readonly send: (message: FromLane) => void
}

/** Imports one layer. */
export class LaneProgram {
  readonly #request: LaneRequest
  readonly #context: LaneContext
  readonly #stop = new AbortController()
  readonly #blob: (Uint8Array | 'end' | 'broken')[] = []
  #broken = false
  #lane: LaneTransaction | undefined
  /** Pieces of the tar that can be filled again. */
  readonly #spare: Uint8Array[] = []
  /** Bytes of batches, or of the tar, that are sent and not stored. */
  #waiting = 0
  #wake: (() => void) | undefined

  constructor(request: LaneRequest, context: LaneContext) {
    this.#request = request
    this.#context = context
  }

  /** Takes a message. */
  hear(message: ToLane): void {
    switch (message.kind) {
      case 'chunk':
        this.#blob.push(message.bytes)
        break
      case 'end':
      case 'broken':
        this.#blob.push(message.kind)
        break
      case 'stored':
        this.#waiting -= message.cost
        if (this.#request.gives === 'objects') this.#lane?.reuse(message.bytes)
        else if (message.bytes.length === PIECE) this.#spare.push(message.bytes)
        break
      case 'stop':
        this.#stop.abort()
    }
    this.#wake?.()
  }

  /** Does the work. The last message that it sends is `done` or `failed`. */
  async run(): Promise<void> {
    this.#context.send(await this.#result())
  }

  async #result(): Promise<FromLane> {
    try {
      const result = this.#request.gives === 'tar' ? await this.#sendTar() : await this.#sendObjects()
      return { kind: 'done', result }
    } catch (error) {
      return { kind: 'failed', error, outside: this.#broken }
    }
  }

  async #sendObjects(): Promise<LayerJobResult> {
    const { job, settings, place } = this.#request
    const { platform, stage } = this.#context
    const sender = { send: (batch: ObjectBatch) => this.#send(batch), drained: () => this.#drained() }
    const repo = { mode: settings.mode, settings }
    const lane = place === undefined ? sendingTransaction(platform, settings, sender) : stage(place, settings, sender)
    this.#lane = lane
    await using tx = lane.tx
    const result = await runLayerJob(job, () => this.#read(), { repo, tx, ...this.#reading })
    lane.flush()
    return result
  }

  async #sendTar(): Promise<undefined> {
    const { job } = this.#request
    let piece: Uint8Array = new Uint8Array(PIECE)
    let filled = 0
    const flush = (): void => {
      this.#waiting += filled
      this.#context.send({ kind: 'tar', bytes: piece.subarray(0, filled), cost: filled })
    }
    for await (const chunk of openJob(job, () => this.#read(), this.#reading)) {
      for (let at = 0; at < chunk.length; ) {
        const part = chunk.subarray(at, at + PIECE - filled)
        piece.set(part, filled)
        filled += part.length
        at += part.length
        if (filled < PIECE) continue
        flush()
        piece = this.#spare.pop() ?? new Uint8Array(PIECE)
        filled = 0
        const pending = this.#drained()
        if (pending !== undefined) await pending
      }
    }
    if (filled > 0) flush()
  }

  get #reading(): Pick<LayerJobContext, 'platform' | 'signal' | 'onBytes'> {
    const { platform, send } = this.#context
    return { platform, signal: this.#stop.signal, onBytes: (received) => send({ kind: 'bytes', received }) }
  }

  #send(batch: ObjectBatch): void {
    const cost = batch.bytes.length + OBJECT_COST * batch.kinds.length
    this.#waiting += cost
    this.#context.send({ kind: 'batch', batch, cost })
  }

  #drained(): Promise<void> | undefined {
    return this.#waiting > this.#request.mostWaiting ? this.#untilStored() : undefined
  }

  async #untilStored(): Promise<void> {
    while (this.#waiting > this.#request.mostWaiting) await this.#next()
  }

  async *#read(): AsyncGenerator<Uint8Array, void, undefined> {
    for (;;) {
      while (this.#blob.length === 0) await this.#next()
      const chunk = this.#blob.shift()
      if (chunk instanceof Uint8Array) yield chunk
      else if (chunk === 'end') return
      else {
        this.#broken = true
        throw new IoError('The blob cannot be read', 'EIO')
      }
    }
  }

  /** Waits for the next message. */
  async #next(): Promise<void> {
    this.#stop.signal.throwIfAborted()
    // Two may wait: the reader of the blob, and the writer of batches.
    const before = this.#wake
    await new Promise<void>((resolve) => {
      this.#wake = () => {
        this.#wake = undefined
        before?.()
        resolve()
      }
    })
    this.#stop.signal.throwIfAborted()
  }
}
