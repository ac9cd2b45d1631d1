/**
 * Does a task on a list of objects in this thread and others. Each takes the next batch when it has done one, so that a slow
 * thread delays only the batches it has already taken.
 */

import type { ObjectList, PackedObjects } from '../../../../objects/index.ts'
import type { Platform } from '../../../../platform/index.ts'
import { ThreadPool } from '../../../../system/threads/pool.ts'
import { idleThreads, type Threads } from '../../../../system/threads/thread.ts'
import type { Batch, ObjectTask } from '../../../core/fast-paths.ts'
import type { LooseLayout } from '../../../core/interface.ts'
import type { LooseObjects } from '../loose/loose.ts'
import { type Outcome, runTask, taskOn } from './object-tasks.ts'

/** Objects in a batch: some milliseconds of work. */
const BATCH = 256
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

/** A batch as it is sent to a thread: cloning two buffers takes less time than cloning some hundred objects. */
export interface PackedBatch extends PackedObjects {
  readonly from: number
}

/** Returns one thread for each processor that would otherwise be idle, at most MOST_OBJECT_THREADS. */
export function defaultObjectThreads(): Threads | undefined {
  return idleThreads(import.meta.url, 'object-worker', MOST_OBJECT_THREADS)
}

/** Yields the batches of `names` in order, as `FastPaths.workAhead` does. */
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
      if (own === undefined) await work.next()
      else work.finished(await runTask(task, own.from, own.names))
    }
  } finally {
    await work.end()
  }
}

class SharedWork {
  readonly #names: ObjectList
  /** A batch is known by the index of its first object. */
  readonly #pool: ThreadPool<number, PackedBatch, Outcome>
  /** Batches that are done and not collected yet, by the index of their first object. */
  readonly #done = new Map<number, Batch>()
  /** Index of the first object of the next batch to be taken. */
  #next = 0

  constructor(threads: Threads, data: ObjectThreadData, names: ObjectList) {
    this.#names = names
    this.#pool = new ThreadPool(threads, data, 0, {
      answered: (_, outcome) => {
        this.finished(outcome)
        this.#give()
      },
      lost: (from) => this.#leave(from),
    })
    this.#pool.start()
  }

  /** Returns the batch that begins at `from`, and forgets it. `undefined` if it is not done yet. */
  collect(from: number): Batch | undefined {
    this.#pool.receive()
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
    while (this.#pool.hasRoom) {
      const batch = this.take()
      if (batch === undefined) return
      this.#pool.give(batch.from, { from: batch.from, ...batch.names.packed() })
    }
  }

  finished({ from, left, bytes }: Outcome): void {
    this.#done.set(from, { from, to: this.#endOf(from), left: new Set(left), bytes })
  }

  /** Reports every object of the batch as not done: the caller repeats them one by one. */
  #leave(from: number): void {
    const left = Array.from({ length: this.#endOf(from) - from }, (_, i) => from + i)
    this.finished({ from, left, bytes: 0 })
  }

  #endOf(from: number): number {
    return Math.min(from + BATCH, this.#names.length)
  }

  next(): Promise<void> | undefined {
    return this.#pool.next()
  }

  /** Takes no more batches, waits for those that threads have, and ends the threads. */
  async end(): Promise<void> {
    this.#next = this.#names.length
    await this.#pool.end()
  }
}
