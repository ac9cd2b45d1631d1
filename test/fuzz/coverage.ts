/**
 * Block coverage of the running program, from V8's profiler. It tells which inputs reach code that none before has reached.
 * Blocks are counted while the program runs at nearly full speed; reading the counts takes milliseconds, so that it is done
 * for many inputs at once (`runTarget`).
 */
import { type Profiler, Session } from 'node:inspector'

export class Coverage {
  readonly #session = new Session()
  readonly #seen = new Set<string>()

  constructor() {
    this.#session.connect()
    this.#session.post('Profiler.enable')
    this.#session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true })
  }

  /** Blocks that have run so far. */
  get size(): number {
    return this.#seen.size
  }

  /** Returns the blocks that have run since the last call and never before that. They still count as new. */
  take(): string[] {
    const fresh: string[] = []
    // The profiler of the own thread answers before `post` returns.
    this.#session.post('Profiler.takePreciseCoverage', (error, answer) => {
      if (error !== null) throw error
      for (const { url, scriptId, functions } of answer.result) {
        if (url.startsWith('node:') || url.includes('/node_modules/vitest')) continue
        for (const { ranges } of functions) this.#collect(scriptId, ranges, fresh)
      }
    })
    return fresh
  }

  /** Counts blocks as known. */
  add(blocks: readonly string[]): void {
    for (const block of blocks) this.#seen.add(block)
  }

  close(): void {
    this.#session.disconnect()
  }

  #collect(scriptId: string, ranges: readonly Profiler.CoverageRange[], fresh: string[]): void {
    for (const { startOffset, endOffset, count } of ranges) {
      if (count === 0) continue
      const block = `${scriptId}:${startOffset}-${endOffset}`
      if (!this.#seen.has(block)) fresh.push(block)
    }
  }
}
