/**
 * A list of objects worked off by this thread and others. Each takes the next batch when it has done one; nobody waits
 * for a thread that is slow or does not come up, but for the batch it has taken last.
 */

import type { ObjectList, PackedObjects } from '../../../../objects/index.ts'
import type { Platform } from '../../../../platform/index.ts'
import { idleThreads, Thread, type Threads } from '../../../../system/threads/thread.ts'
import type { Batch, LooseLayout, ObjectTask } from '../../../core/interface.ts'
import type { LooseObjects } from '../loose/loose.ts'
import { type Outcome, runTask, taskOn } from './object-tasks.ts'

/** Objects: some milliseconds of work. */
const BATCH = 256
/** One under way, one waiting. */
const BATCHES_A_THREAD = 2
const MOST_OBJECT_THREADS = 4

export interface ObjectThreadData {
  readonly root: string
  readonly settings: LooseLayout
  readonly task: ObjectTask
}

interface ObjectBatch {
  readonly from: number
  readonly names: ObjectList
}

/** A batch on its way to a thread: two buffers are cloned in no time, some hundred objects are not. */
export interface PackedBatch extends PackedObjects {
  readonly from: number
}

type ObjectThread = Thread<PackedBatch, Outcome>

/** Threads for long lists of objects: one for each processor that would otherwise be idle, at most `MOST_OBJECT_THREADS`. */
export function defaultObjectThreads(): Threads | undefined {
  return idleThreads(import.meta.url, 'object-worker', MOST_OBJECT_THREADS)
}

export async function* workInThreads(
  threads: Threads,
  data: ObjectThreadData,
  objects: LooseObjects,
  platform: Platform,
  names: ObjectList,
): AsyncGenerator<Batch, void, undefined> {
  const task = taskOn(data.task, objects, platform)
  const work = new SharedWork(threads, data, names)
  try {
    for (let from = 0; from < names.length; ) {
      const done = work.collect(from)
      if (done !== undefined) {
        yield done
        from = done.to
        continue
      }
      const own = work.take()
      if (own === undefined) await work.answer()
      else work.finished(await runTask(task, own.from, own.names))
    }
  } finally {
    await work.end()
  }
}

class SharedWork {
  readonly #names: ObjectList
  readonly #threads: ObjectThread[] = []
  /** Batches that each thread has, in the order of their answers. */
  readonly #taken = new Map<ObjectThread, number[]>()
  /** Done, but not told of yet; by their first object. */
  readonly #done = new Map<number, Batch>()
  /** The first object nobody has taken. */
  #next = 0
  #waiting: (() => void) | undefined

  constructor({ count, program }: Threads, data: ObjectThreadData, names: ObjectList) {
    this.#names = names
    for (let i = 0; i < count; i++) {
      const thread: ObjectThread = new Thread(
        program,
        data,
        (outcome) => this.#answered(thread, outcome),
        () => this.#lost(thread),
      )
      this.#threads.push(thread)
      this.#taken.set(thread, [])
    }
  }

  /** @returns the batch that begins there, once it is done */
  collect(from: number): Batch | undefined {
    for (const thread of this.#threads) thread.receive()
    this.#give()
    const batch = this.#done.get(from)
    this.#done.delete(from)
    return batch
  }

  take(): ObjectBatch | undefined {
    const from = this.#next
    const names = this.#names.slice(from, from + BATCH)
    if (names.length === 0) return undefined
    this.#next += names.length
    return { from, names }
  }

  #give(): void {
    for (const thread of this.#threads) {
      while (thread.ready && thread.busy < BATCHES_A_THREAD) {
        const batch = this.take()
        if (batch === undefined) return
        this.#taken.get(thread)?.push(batch.from)
        thread.ask({ from: batch.from, ...batch.names.packed() })
      }
    }
  }

  #answered(thread: ObjectThread, outcome: Outcome): void {
    this.#taken.get(thread)?.shift()
    this.finished(outcome)
    this.#give()
    this.#wake()
  }

  finished({ from, left, bytes }: Outcome): void {
    this.#done.set(from, { from, to: this.#endOf(from), left: new Set(left), bytes })
  }

  /** What it had is left, as if it had gone wrong. */
  #lost(thread: ObjectThread): void {
    this.#threads.splice(this.#threads.indexOf(thread), 1)
    for (const from of this.#taken.get(thread) ?? []) {
      const left = Array.from({ length: this.#endOf(from) - from }, (_, i) => from + i)
      this.finished({ from, left, bytes: 0 })
    }
    this.#wake()
  }

  #endOf(from: number): number {
    return Math.min(from + BATCH, this.#names.length)
  }

  #wake(): void {
    this.#waiting?.()
    this.#waiting = undefined
  }

  /** Until a thread has answered, or is no more. */
  answer(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting = resolve
    })
  }

  /** Takes no more, and waits for what is under way. */
  async end(): Promise<void> {
    this.#next = this.#names.length
    while (this.#threads.some(({ busy }) => busy > 0)) await this.answer()
    await Promise.all(this.#threads.map((thread) => thread.end()))
  }
}
