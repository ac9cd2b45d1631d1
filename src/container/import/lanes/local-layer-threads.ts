/** Threads of Node that import layers. */

import { availableParallelism, totalmem } from 'node:os'
import { MessageChannel, type MessagePort } from 'node:worker_threads'
import { IoError } from '../../../errors.ts'
import type { RepoMode } from '../../../repo/index.ts'
import { Thread, type Threads, threadsOf } from '../../../system/threads/thread.ts'
import { type PackedError, unpackError } from '../../../system/threads/thread-errors.ts'
import { bufferOf } from '../../../system/threads/thread-program.ts'
import type { FromLane, LaneRequest, LaneThread, LayerThreads } from './interface.ts'
import type { LaneData, LaneStarted, PortRequest } from './local-layer-worker.ts'

const MOST_LANES = 8
/** Bytes of memory of the machine for each thread: one takes 40 MB. */
const MEMORY_PER_LANE = 2 ** 28

/** A message of the program: errors are packed. */
export type PackedFromLane =
  | Exclude<FromLane, { kind: 'failed' }>
  | { readonly kind: 'failed'; readonly error: PackedError; readonly outside: boolean }

/**
 * Returns threads that import layers: one for each processor, as far as there is memory. `undefined` on one processor, or
 * where the program of the threads is not a file.
 */
export function layerThreads(): LayerThreads | undefined {
  const processors = availableParallelism()
  if (processors < 2) return undefined
  const memory = Math.min(totalmem(), process.constrainedMemory?.() || totalmem())
  const count = Math.min(processors, MOST_LANES, Math.floor(memory / MEMORY_PER_LANE))
  const threads = threadsOf(import.meta.url, 'local-layer-worker', count)
  return threads && new LocalLayerThreads(threads)
}

/** Starts threads that run a given program. */
export class LocalLayerThreads implements LayerThreads {
  readonly platform = 'node'
  readonly count: number
  readonly after: number | undefined
  readonly embedded: boolean
  readonly #program: URL

  constructor({ count, program, after }: Threads, embedded = false) {
    this.count = count
    this.after = after
    this.embedded = embedded
    this.#program = program
  }

  start(mode: RepoMode | undefined): LaneThread {
    return new LocalLaneThread(this.#program, { mode })
  }
}

class LocalLaneThread implements LaneThread {
  readonly #thread: Thread<PortRequest, LaneStarted>
  /** Takes the messages about the layer that the thread works on. */
  #hear: ((message: FromLane) => void) | undefined
  #port: MessagePort | undefined
  #lost: IoError | undefined

  constructor(program: URL, data: LaneData) {
    this.#thread = new Thread<PortRequest, LaneStarted>(
      program,
      data,
      () => {},
      (error) => {
        this.#lost = new IoError(`layer thread: ${error ?? 'ended'}`, 'EIO')
        this.#fail(this.#lost)
      },
    )
  }

  #fail(error: IoError): void {
    const hear = this.#hear
    this.#hear = undefined
    this.#port?.close()
    hear?.({ kind: 'failed', error, outside: true })
  }

  run(request: LaneRequest, hear: (message: FromLane) => void): ReturnType<LaneThread['run']> {
    const { port1, port2 } = new MessageChannel()
    this.#hear = hear
    this.#port = port1
    port1.on('message', (message: PackedFromLane) => {
      if (this.#hear !== hear) return
      if (message.kind === 'failed' || message.kind === 'done') {
        this.#hear = undefined
        port1.close()
      }
      hear(message.kind === 'failed' ? { ...message, error: unpackError(message.error) } : message)
    })
    if (this.#lost === undefined) this.#thread.ask({ request, port: port2 }, [port2])
    else queueMicrotask(() => this.#fail(this.#lost as IoError))
    return (message) => {
      if (this.#hear !== hear) return
      port1.postMessage(message, 'bytes' in message ? bufferOf(message.bytes) : [])
    }
  }

  end(): Promise<void> {
    return this.#thread.end()
  }
}
