/**
 * Runs a program as a process of its own and measures it. Processor time is what the shell's `times` says of its children
 * (POSIX), peak memory the greatest sum of `VmHWM` of the processes that were alive together, where there is `/proc`.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import type { Readable } from 'node:stream'
import { IoError } from '../../../errors.ts'

/** The measurement of one run. */
export interface Run {
  /** Elapsed seconds. */
  readonly seconds: number
  /** User and system processor time in seconds; `undefined` if the shell does not tell. */
  readonly processor: number | undefined
  /** Peak of resident memory in bytes; `undefined` where there is no `/proc`. */
  readonly peak: number | undefined
  readonly output: string
}

/** The errno of the error of a program that failed: `wait` has it where there is no child. */
const FAILED = 'ECHILD'

/** Tells whether an error is that of a program that failed. */
export function isFailedRun(error: unknown): error is IoError {
  return error instanceof IoError && error.data.errno === FAILED
}

/** Milliseconds between two looks at the memory. */
const SAMPLE_MS = 10
/** Bytes of output that are kept. */
const MOST_OUTPUT = 1 << 20
const SHELL = '"$@"; code=$?; times >&3; exit $code'

/**
 * Runs a program, and waits for it.
 * @param signal ends the program with all processes that it has started
 * @throws {IoError} ECHILD, when its status is not 0, with the end of what it printed on standard error; the signal's reason
 */
export async function measure(command: readonly string[], signal: AbortSignal, cwd: string): Promise<Run> {
  signal.throwIfAborted()
  const start = performance.now()
  // A process group of its own, so that all of its processes can be ended.
  const child = spawn('/bin/sh', ['-c', SHELL, 'sh', ...command], {
    cwd,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
  })
  const stop = (): void => endGroup(child)
  signal.addEventListener('abort', stop, { once: true })
  process.once('exit', stop)
  const memory = new MemorySampler(child.pid ?? 0)
  const timer = setInterval(() => memory.sample(), SAMPLE_MS)
  try {
    const [output, errors, times, code] = await Promise.all([
      textOf(child.stdout),
      textOf(child.stderr),
      textOf(child.stdio[3] as Readable),
      new Promise<number | null>((resolve, reject) => {
        child.once('error', reject)
        child.once('close', resolve)
      }),
    ])
    const seconds = (performance.now() - start) / 1000
    signal.throwIfAborted()
    if (code !== 0) {
      const said = errors.trim().split('\n').slice(-3).join('; ')
      throw new IoError(said === '' ? `${command[0]} ended with status ${code}` : said, FAILED)
    }
    return { seconds, processor: childTime(times), peak: memory.peak, output }
  } finally {
    clearInterval(timer)
    process.off('exit', stop)
    signal.removeEventListener('abort', stop)
  }
}

function endGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // It has ended already.
  }
}

async function textOf(stream: AsyncIterable<unknown> | null): Promise<string> {
  let text = ''
  if (stream === null) return text
  for await (const chunk of stream) if (text.length < MOST_OUTPUT) text += String(chunk)
  return text
}

/** Parses what `times` prints: a line for the shell and one for its children, each user and system time. */
export function childTime(text: string): number | undefined {
  const [, line = ''] = text.trim().split('\n')
  const parts = Array.from(line.matchAll(/(\d+)m(\d+(?:[.,]\d+)?)s/g), ([, minutes, seconds = '']) => {
    return Number(minutes) * 60 + Number(seconds.replace(',', '.'))
  })
  return parts.length === 2 ? (parts[0] as number) + (parts[1] as number) : undefined
}

/** Watches the memory of the processes that the shell has started. */
class MemorySampler {
  peak: number | undefined
  readonly #shell: number

  constructor(shell: number) {
    this.#shell = shell
  }

  sample(): void {
    let sum = 0
    for (const pid of descendants(this.#shell)) {
      const kibibytes = /^VmHWM:\s+(\d+) kB$/m.exec(read(`/proc/${pid}/status`))?.[1]
      sum += Number(kibibytes ?? 0) * 1024
    }
    if (sum > 0) this.peak = Math.max(this.peak ?? 0, sum)
  }
}

function* descendants(pid: number): Iterable<number> {
  const words = read(`/proc/${pid}/task/${pid}/children`).trim().split(' ')
  for (const child of words.filter((word) => word !== '').map(Number)) {
    yield child
    yield* descendants(child)
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return '' // the process has ended, or there is no /proc
  }
}
