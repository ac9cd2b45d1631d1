/**
 * What the programs of threads have in common; the other end is thread.ts. A thread that is stopped while it loads a
 * native addon takes the whole process with it (koffi aborts when it finds that it cannot throw): so there is a gate,
 * which only one of the two gets through.
 */

import { type MessagePort, workerData } from 'node:worker_threads'

/** What a program says first. */
export const READY = 'ready'
/** What it is told last. */
export const END = 'end'

/** State of the gate, the first and only element of an Int32Array that is shared. */
export const GATE = { open: 0, loading: 1, loaded: 2, closed: 3 } as const

/** What every thread is started with, beside what it is told. */
export interface ThreadEnds {
  readonly port: MessagePort
  readonly gate: Int32Array
}

export interface Answer<Reply> {
  readonly reply: Reply
  /** Buffers that are moved, not copied. */
  readonly transfer?: ArrayBuffer[]
}

/**
 * Answers requests one after another, though an answer may take its time.
 * @param setUp loads whatever native addon will be needed; later is too late
 * @returns never, in a thread that is to be stopped
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
