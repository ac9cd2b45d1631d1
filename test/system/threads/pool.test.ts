/** A pool of threads: when threads start, which thread gets a batch, and batches of a thread that ends. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Worker } from 'node:worker_threads'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { ThreadPool } from '../../../src/system/threads/pool.ts'
import { Thread } from '../../../src/system/threads/thread.ts'
import { temporaryFolder } from '../../support/temporary.ts'

const folder = temporaryFolder()

/**
 * The program of the threads. It answers a number with its double. `hold` keeps the thread busy until the shared flag is
 * set, and `exit` ends it. It ends after the answer to 7, too.
 */
const program = pathToFileURL(join(folder, 'program.mjs'))
writeFileSync(
  program,
  `import { workerData } from 'node:worker_threads'
  const { port, gate, flag } = workerData
  port.on('message', (message) => {
    if (message === 'end') return port.close()
    if (message === 'exit') process.exit(3)
    if (message === 'hold') Atomics.wait(flag, 0, 0)
    port.postMessage(message * 2)
    if (message === 7) process.exit(3)
  })
  Atomics.store(gate, 0, 2)
  port.postMessage('ready')`,
)
const missing = pathToFileURL(join(folder, 'no-such-program.mjs'))

type Request = number | 'hold' | 'exit'
const pools: { pool: ThreadPool<string, Request, number>; flag: Int32Array }[] = []

/** Creates a pool. @returns the pool, its answers and lost batches, and a function that sets the shared flag */
function poolOf({ count = 1, untilStart = 1, program: url = program } = {}) {
  const flag = new Int32Array(new SharedArrayBuffer(4))
  const back: string[] = []
  const pool = new ThreadPool<string, Request, number>({ count, program: url }, { flag }, untilStart, {
    answered: (batch, reply) => back.push(`${batch} = ${reply}`),
    lost: (batch, error) => back.push(`${batch} lost: ${error instanceof Error ? error.constructor.name : error}`),
  })
  pools.push({ pool, flag })
  const release = () => {
    Atomics.store(flag, 0, 1)
    Atomics.notify(flag, 0)
  }
  return { pool, back, release }
}

afterEach(async () => {
  for (const { pool, flag } of pools.splice(0)) {
    Atomics.store(flag, 0, 1)
    Atomics.notify(flag, 0)
    await pool.end()
  }
})

const started = (pool: ThreadPool<string, Request, number>) =>
  vi.waitFor(() => expect(pool.hasRoom).toBe(true), { timeout: 20_000 })

describe('ThreadPool', () => {
  test('threads start with the last item of the count, and there is room when one of them is ready', async () => {
    const { pool } = poolOf({ untilStart: 3 })
    expect([pool.count(), pool.count()]).toEqual([false, false])
    expect(pool.count()).toBe(true)
    expect(pool.hasRoom).toBe(false)
    expect(pool.give('early', 1)).toBe(false)
    await started(pool)
    expect(pool.count()).toBe(true)
  })

  test('`after` sets the number of items that start the threads', async () => {
    const pool = new ThreadPool<string, Request, number>({ count: 1, program, after: 2 }, {}, 100, {
      answered() {},
      lost() {},
    })
    expect([pool.count(), pool.count()]).toEqual([false, true])
    await pool.end()
  })

  test('a thread gets at most two batches, and there is room again when one has been answered', async () => {
    const { pool, back, release } = poolOf({ count: 2 })
    pool.count()
    let given = 0
    const fill = () => {
      while (pool.hasRoom) pool.give(`hold ${given++}`, 'hold')
      expect(given).toBe(4)
    }
    // The second thread may start later than the first.
    await vi.waitFor(fill, { timeout: 20_000 })
    expect(pool.hasRoom).toBe(false)
    expect(pool.busy).toBe(true)
    release()
    await pool.next()
    expect(back.length).toBeGreaterThan(0)
    expect(pool.hasRoom).toBe(true)
    await pool.settled()
    expect(back).toHaveLength(4)
    expect([pool.busy, pool.next()]).toEqual([false, undefined])
  })

  test('answers of a thread come in the order of its batches, without a turn of the event loop', async () => {
    const { pool, back } = poolOf()
    pool.count()
    await started(pool)
    for (const n of [1, 2, 3, 4]) pool.give(`batch ${n}`, n)
    const until = Date.now() + 20_000
    while (back.length < 4 && Date.now() < until) pool.receive()
    expect(back).toEqual(['batch 1 = 2', 'batch 2 = 4', 'batch 3 = 6', 'batch 4 = 8'])
  })

  test('a batch that a thread has not answered when it ends is lost, and reported only once', async () => {
    const { pool, back } = poolOf()
    pool.count()
    await started(pool)
    pool.give('last answered', 7)
    pool.give('never answered', 1)
    await pool.settled()
    expect(back).toEqual(['last answered = 14', 'never answered lost: undefined'])
    expect([pool.hasRoom, pool.give('no thread is left', 1)]).toEqual([false, false])
  })

  test('threads that have ended are replaced only after a new count', async () => {
    const { pool, back } = poolOf({ untilStart: 2 })
    while (!pool.count());
    await started(pool)
    pool.give('ends it', 'exit')
    await pool.settled()
    expect(back).toEqual(['ends it lost: undefined'])
    expect([pool.count(), pool.count(), pool.count()]).toEqual([false, false, false])
    pool.recount()
    expect([pool.count(), pool.count()]).toEqual([false, true])
    await started(pool)
    pool.give('again', 4)
    await pool.settled()
    expect(back.at(-1)).toBe('again = 8')
  })

  test('there is never room if the program cannot be loaded', async () => {
    const { pool, back } = poolOf({ count: 2, program: missing })
    expect(pool.count()).toBe(true)
    await vi.waitFor(() => expect(pool.count()).toBe(false), { timeout: 20_000 })
    expect([pool.hasRoom, pool.busy, pool.give('nowhere', 1), back]).toEqual([false, false, false, []])
  })

  test('`end` waits until all batches have been answered', async () => {
    const { pool, back, release } = poolOf()
    pool.count()
    await started(pool)
    pool.give('held', 'hold')
    let ended = false
    const end = pool.end().then(() => {
      ended = true
    })
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect([ended, back]).toEqual([false, []])
    release()
    await end
    expect([back.length, pool.hasRoom]).toEqual([1, false])
  })
})

describe('Thread', () => {
  test('an answer that arrives while the thread ends does not let the process end first', async () => {
    const flag = new Int32Array(new SharedArrayBuffer(4))
    const answers: number[] = []
    const thread = new Thread<Request, number>(
      program,
      { flag },
      (answer) => answers.push(answer),
      () => {},
    )
    await vi.waitFor(() => expect(thread.ready).toBe(true), { timeout: 20_000 })
    thread.ask('hold')
    const ended = thread.end()
    const unref = vi.spyOn(Worker.prototype, 'unref')
    Atomics.store(flag, 0, 1)
    Atomics.notify(flag, 0)
    await ended
    expect(answers).toHaveLength(1)
    expect(unref).not.toHaveBeenCalled()
    unref.mockRestore()
  })
})
