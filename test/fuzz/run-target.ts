/** Runs one target with changed inputs, and reports each that breaks a rule. */
import { OstreeError } from '../../src/errors.ts'
import { Coverage } from './coverage.ts'
import { mutate, mutateJson, randomFrom } from './mutate.ts'
import type { FuzzTarget } from './target.ts'
import { Watchdog } from './watchdog.ts'

/** An input that breaks a rule. */
export interface FuzzFault {
  readonly target: string
  /** The input, in base64. */
  readonly input: string
  readonly what: string
}

/** What a run did. */
export interface FuzzResult {
  readonly faults: readonly FuzzFault[]
  /** Inputs tried. */
  readonly inputs: number
  /** Inputs that were not refused with an error. */
  readonly accepted: number
  /** Inputs that reached blocks of the code, or gave errors, that no input before had, in base64. */
  readonly kept: readonly string[]
  /** Blocks of the code that have run. 0 without coverage. */
  readonly blocks: number
}

export interface RunOptions {
  /** Changed inputs. */
  readonly inputs: number
  readonly seed: number
  /** Further inputs to begin with. */
  readonly corpus?: readonly Uint8Array[]
  /** Whether inputs that reach new blocks of the code are changed in their turn. */
  readonly coverage?: boolean
}

/** Milliseconds of processor time that one input may take. */
const MOST_TIME = 2000
/** KiB by which one input may raise the memory of the process. Inputs have at most 64 KiB; garbage is part of it. */
const MOST_GROWTH = 192 * 1024
const MOST_FAULTS = 5
/** Inputs that are kept because they got further. */
const MOST_KEPT = 1000
/** Inputs between two looks at the coverage. */
const BATCH = 250
/** Of the batches after the first ones, in which most is new, one of so many is looked at. */
const FIRST_BATCHES = 8
const SAMPLE = 8

/**
 * Runs a target. Inputs whose error is new, or that reach new blocks of the code, are kept and changed in their turn.
 * The same options give the same inputs.
 */
export async function runTarget(target: FuzzTarget, options: RunOptions): Promise<FuzzResult> {
  const runner = new Runner(target, options)
  try {
    return await runner.run()
  } finally {
    await runner.close()
  }
}

class Runner {
  readonly #target: FuzzTarget
  readonly #options: RunOptions
  readonly #faults: FuzzFault[] = []
  readonly #corpus: Uint8Array[]
  readonly #kept: Uint8Array[] = []
  readonly #errors = new Set<string>()
  readonly #coverage: Coverage | undefined
  readonly #watchdog: Watchdog
  #accepted = 0

  constructor(target: FuzzTarget, options: RunOptions) {
    this.#target = target
    this.#options = options
    this.#corpus = [...target.seeds, ...(options.corpus ?? [])]
    if (this.#corpus.length === 0) this.#corpus.push(new Uint8Array(0))
    this.#coverage = options.coverage ? new Coverage() : undefined
    this.#watchdog = new Watchdog(target.name)
  }

  async run(): Promise<FuzzResult> {
    const { inputs, seed } = this.#options
    const random = randomFrom(seed)
    // The sound inputs come first, unchanged.
    const sound = [...this.#corpus]
    for (const input of sound) await this.#try(input)
    this.#coverage?.add(this.#coverage.take())
    let tried = 0
    let batches = 0
    while (tried < inputs && this.#faults.length < MOST_FAULTS) {
      const isSampled = ++batches <= FIRST_BATCHES || batches % SAMPLE === 0
      // Forgets what the batches since then ran.
      if (isSampled) this.#coverage?.take()
      const batch: Uint8Array[] = []
      for (; batch.length < BATCH && tried < inputs && this.#faults.length < MOST_FAULTS; tried++) {
        // A third begins with sound inputs again, of which fewer are refused at once.
        const pool = random() < 0.33 ? sound : this.#corpus
        const from = pool[Math.floor(random() * pool.length)] as Uint8Array
        const asJson = this.#target.json === true && random() < 0.5
        const changed = asJson ? mutateJson(from, random) : mutate(from, this.#corpus, random)
        const input = this.#target.seal !== undefined && random() < 0.5 ? this.#target.seal(changed) : changed
        batch.push(input)
        await this.#try(input)
      }
      if (isSampled) await this.#keepNew(batch)
    }
    return {
      faults: this.#faults,
      inputs: tried + sound.length,
      accepted: this.#accepted,
      kept: this.#kept.map((input) => Buffer.from(input).toString('base64')),
      blocks: this.#coverage?.size ?? 0,
    }
  }

  async close(): Promise<void> {
    this.#coverage?.close()
    await this.#watchdog.close()
    this.#target.end?.()
  }

  async #try(input: Uint8Array, again = false): Promise<void> {
    const fault = (what: string): void => {
      if (again) return
      this.#faults.push({ target: this.#target.name, input: Buffer.from(input).toString('base64'), what })
    }
    const before = process.resourceUsage()
    // The target may write to its input: a copy is what is reported.
    const copy = input.slice()
    this.#watchdog.start(input)
    try {
      const running = this.#target.run(copy)
      if (running instanceof Promise) await running
      if (!again) this.#accepted++
    } catch (error) {
      const isExpected = error instanceof Error && this.#target.expected?.test(error.message)
      if (!(error instanceof OstreeError) && !isExpected) fault(error instanceof Error ? `${error.stack}` : `${error}`)
      if (!again) this.#keepError(input, error)
    }
    this.#watchdog.stop()
    const after = process.resourceUsage()
    const took = (after.userCPUTime + after.systemCPUTime - before.userCPUTime - before.systemCPUTime) / 1000
    if (took > MOST_TIME) fault(`took ${Math.round(took)} ms of processor time`)
    if (after.maxRSS - before.maxRSS > MOST_GROWTH)
      fault(`needs ${Math.round((after.maxRSS - before.maxRSS) / 1024)} MiB more than what was tried before`)
  }

  #keepError(input: Uint8Array, error: unknown): void {
    const kind = String((error as Error).message).replaceAll(/[0-9a-f]{64}|\d+|"[^"]*"|'[^']*'|“[^”]*”/g, '…')
    if (this.#errors.has(kind) || this.#errors.size >= MOST_KEPT / 4) return
    this.#errors.add(kind)
    this.#keep(input)
  }

  #keep(input: Uint8Array): void {
    if (this.#kept.length >= MOST_KEPT || this.#kept.includes(input)) return
    this.#kept.push(input)
    this.#corpus.push(input)
  }

  /** Finds the inputs of a batch that ran blocks which are not known, and keeps them. */
  async #keepNew(batch: readonly Uint8Array[]): Promise<void> {
    const coverage = this.#coverage
    if (coverage === undefined || this.#kept.length >= MOST_KEPT) return
    // Each half of the batch runs once more until single inputs are left.
    let fresh = coverage.take()
    const search = async (inputs: readonly Uint8Array[]): Promise<void> => {
      if (fresh.length === 0 || inputs.length === 0) return
      if (inputs.length === 1) {
        coverage.add(fresh)
        this.#keep(inputs[0] as Uint8Array)
        return
      }
      const middle = inputs.length >> 1
      for (const half of [inputs.slice(0, middle), inputs.slice(middle)]) {
        for (const input of half) await this.#try(input, true)
        fresh = coverage.take()
        await search(half)
      }
    }
    await search(batch)
  }
}
