/**
 * Runs the rounds. In each, all contenders run once, forwards in one round and backwards in the next, so that a machine
 * whose speed drifts favours none of them. A first round warms up, and does not count.
 */
import { mkdirSync, rmSync, statfsSync } from 'node:fs'
import { join } from 'node:path'
import { LimitError } from '../../../errors.ts'
import { formatSize } from '../../../format-size.ts'
import { STAGES, type Stage, type StageTimes } from '../../stages/stage-clock.ts'
import type { Input } from '../inputs/input.ts'
import type { InputPlan } from '../inputs/make-input.ts'
import type { Contender } from './contender.ts'
import { isFailedRun, measure, type Run } from './processes.ts'
import { type Spread, spreadOf } from './statistics.ts'
import { countSystemCalls, type SystemCalls } from './system-calls.ts'

/** The measurements of a contender. */
export interface Row {
  readonly name: string
  readonly kind: Contender['kind']
  /** Why there are no measurements. */
  readonly error?: string | undefined
  /** Elapsed seconds. */
  readonly seconds?: Spread | undefined
  /** User and system processor time, in seconds. */
  readonly processor?: Spread | undefined
  /** Peak of memory in bytes. */
  readonly peak?: Spread | undefined
  readonly filesPerSecond?: number | undefined
  /** Bytes of content for each second. */
  readonly bytesPerSecond?: number | undefined
  /** Elapsed time divided by that of the floor, the median of all rounds. */
  readonly againstFloor?: number | undefined
  /** Seconds of each stage of an import in one thread. */
  readonly stages?: Readonly<Record<Stage, Spread>> | undefined
  readonly systemCalls?: SystemCalls | undefined
}

/** The measurements of an image. */
export interface Result {
  readonly name: string
  readonly summary: string
  readonly layers: number
  readonly files: number
  /** Bytes of content. */
  readonly content: number
  /** Bytes of all layers as they are in the image. */
  readonly compressed: number
  readonly rows: readonly Row[]
}

/** How to measure. */
export interface SessionOptions {
  readonly contenders: readonly Contender[]
  readonly rounds: number
  readonly systemCalls: boolean
  readonly signal: AbortSignal
  /** Says what is done next. @param left estimated seconds until the end of this image; `undefined` if not known */
  readonly onStep: (text: string, left: number | undefined) => void
}

interface Measured {
  readonly runs: Run[]
  readonly stages: StageTimes[]
  error?: string
}

/**
 * Measures one image.
 * @param folder an existing folder, in which everything is made and removed
 * @throws {IoError} when an import fails; {LimitError} when the file system has too little space
 */
export async function measureInput(plan: InputPlan, folder: string, options: SessionOptions): Promise<Result> {
  const { contenders, rounds, signal, onStep } = options
  const made = join(folder, 'input')
  try {
    let bytes = 0
    const onBytes = (count: number): void => {
      bytes += count
      onStep(`making ${plan.name}, ${formatSize(bytes)}`, undefined)
    }
    const input = await plan.make(made, { signal, onBytes })
    requireSpace(folder, input)
    const measured = new Map<Contender, Measured>(contenders.map((contender) => [contender, { runs: [], stages: [] }]))
    const estimate = new Estimate(contenders.length * (rounds + 1))
    for (let round = 0; round <= rounds; round++) {
      for (const contender of round % 2 === 0 ? contenders : contenders.toReversed()) {
        const found = measured.get(contender) as Measured // set above
        if (found.error !== undefined) {
          estimate.done(contender)
          continue
        }
        const title = round === 0 ? 'warm-up' : `round ${round} of ${rounds}`
        onStep(`${plan.name}: ${title}, ${contender.name}`, estimate.left)
        const start = performance.now()
        await attempt(contender, found, async () => {
          const run = await runOnce(contender, contender.command(input, target(folder)), input, folder, signal)
          if (round > 0) found.runs.push(run)
          const stages = contender.stages?.(input, target(folder))
          if (stages === undefined) return
          const { output } = await runOnce(contender, stages, input, folder, signal)
          if (round > 0) found.stages.push(JSON.parse(output) as StageTimes)
        })
        estimate.done(contender, (performance.now() - start) / 1000)
      }
    }
    const calls = new Map<Contender, SystemCalls | undefined>()
    for (const contender of options.systemCalls ? contenders : []) {
      const found = measured.get(contender) as Measured // set above
      if (found.error !== undefined) continue
      onStep(`${plan.name}: system calls, ${contender.name}`, undefined)
      calls.set(contender, await inFolder(folder, (run) => countSystemCalls(contender, input, run, signal)))
    }
    const floor = [...measured].find(([{ kind }]) => kind === 'floor')?.[1].runs
    const rows = [...measured].map(([contender, found]) => rowOf(contender, found, input, floor, calls.get(contender)))
    const { name, files, content, compressed, layers } = input
    return { name, summary: plan.summary, layers: layers.length, files, content, compressed, rows }
  } finally {
    rmSync(made, { recursive: true, force: true })
  }
}

/** Does a step. A failure of another program is noted, so that the rest can be measured. */
async function attempt({ kind }: Contender, found: Measured, step: () => Promise<void>): Promise<void> {
  try {
    await step()
  } catch (error) {
    if (kind !== 'peer' || !isFailedRun(error)) throw error
    found.error = error.message
  }
}

function target(folder: string): string {
  return join(folder, 'run', 'target')
}

/** Calls `work` with an empty folder, which is removed afterwards. */
async function inFolder<T>(folder: string, work: (run: string) => Promise<T>): Promise<T> {
  const run = join(folder, 'run')
  mkdirSync(run)
  try {
    return await work(run)
  } finally {
    // Images may have directories that cannot be written to.
    rmSync(run, { recursive: true, force: true, maxRetries: 3 })
  }
}

function runOnce(
  contender: Contender,
  command: readonly string[],
  input: Input,
  folder: string,
  signal: AbortSignal,
): Promise<Run> {
  return inFolder(folder, async (run) => {
    const prepare = contender.prepare?.(input, target(folder))
    if (prepare !== undefined) await measure(prepare, signal, run)
    return await measure(command, signal, run)
  })
}

/** @throws {LimitError} unless there is space for what a contender writes: about the tars, once or twice */
function requireSpace(folder: string, { plain, files }: Input): void {
  const { bavail, bsize } = statfsSync(folder)
  const needed = 2 * plain + 4096 * files
  if (bavail * bsize < needed) throw new LimitError(`free space in ${folder}`, needed)
}

function rowOf(
  { name, kind }: Contender,
  { runs, stages, error }: Measured,
  { files, content }: Input,
  floor: readonly Run[] | undefined,
  systemCalls: SystemCalls | undefined,
): Row {
  if (error !== undefined) return { name, kind, error }
  const seconds = spreadOf(runs.map((run) => run.seconds))
  const ratios = runs.map((run, i) => (floor?.[i] === undefined ? undefined : run.seconds / floor[i].seconds))
  const spread = (stage: Stage): Spread =>
    spreadOf(stages.map((times) => times[stage])) ?? { median: 0, min: 0, max: 0 }
  return {
    name,
    kind,
    seconds,
    processor: spreadOf(runs.map((run) => run.processor)),
    peak: spreadOf(runs.map((run) => run.peak)),
    filesPerSecond: seconds && files / seconds.median,
    bytesPerSecond: seconds && content / seconds.median,
    againstFloor: spreadOf(ratios)?.median,
    stages:
      stages.length === 0
        ? undefined
        : (Object.fromEntries(STAGES.map((stage) => [stage, spread(stage)])) as Record<Stage, Spread>),
    systemCalls,
  }
}

/** Estimates how long the rest takes, from the last run of each contender. */
class Estimate {
  readonly #last = new Map<Contender, number>()
  readonly #steps: number
  #done = 0

  constructor(steps: number) {
    this.#steps = steps
  }

  done(contender: Contender, seconds = 0): void {
    this.#last.set(contender, seconds)
    this.#done++
  }

  /** Seconds; `undefined` before the first run has ended. */
  get left(): number | undefined {
    if (this.#last.size === 0) return undefined
    let sum = 0
    for (const seconds of this.#last.values()) sum += seconds
    return (sum / this.#last.size) * (this.#steps - this.#done)
  }
}
