/**
 * The common part of programs that run in threads; thread.ts is the other end. A thread that is stopped while it loads
 * a native addon aborts the whole process (koffi aborts when it cannot throw). A shared flag, the gate, prevents that:
 * it lets the thread load its addon or the process end, but not both at once.
 */

import { type MessagePort, workerData } from 'node:worker_threads'

/** First message of a program: it is ready for requests. */
export const READY = 'ready'
/** Last message to a program: it has to end. */
export const END = 'end'

/** States of the gate: the only element of a shared Int32Array. */
export const GATE = { open: 0, loading: 1, loaded: 2, closed: 3 } as const

/** Data that every thread is started with, in addition to its own. */
export interface ThreadEnds {
  readonly port: MessagePort
  readonly gate: Int32Array
}

export interface Answer<Reply> {
  readonly reply: Reply
  /** Buffers that are moved, not copied. */
  readonly transfer?: ArrayBuffer[]
}

/** Returns the buffer of `bytes`, to be moved with a message; none if it is empty, since that may be shared. */
export function bufferOf(bytes: Uint8Array): ArrayBuffer[] {
  return bytes.length === 0 ? [] : [bytes.buffer as ArrayBuffer]
}

/**
 * Runs a program: answers requests in order; an answer may be a promise.
 * @param setUp must load every native addon that the program needs; later loading is not protected by the gate
 * @returns never, in a thread that is being stopped
 */
export function runProgram<Data, Request, Reply>(
  setUp: (data: Data) => (request: Request) => Answer<Reply> | Promise<Answer<Reply>>,
): void {
  const { port, gate } = workerData as ThreadEnds
  if (Atomics.compareExchange(gate, 0, GATE.open, GATE.loading) !== GATE.open) process.exit()
  let answer: ReturnType<typeof setUp>
  try {
    answer = setUp(workerData as Data)
  } finally {
    Atomics.store(gate, 0, GATE.loaded)
    Atomics.notify(gate, 0)
  }
  let last: Promise<void> = Promise.resolve()
  port.on('message', (request: Request | typeof END) => {
    if (request === END) {
      port.close()
      return
    }
    last = last.then(async () => {
      const { reply, transfer = [] } = await answer(request)
      port.postMessage(reply, transfer)
    })
  })
  port.postMessage(READY)
}
