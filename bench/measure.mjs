// Compares two commands, run as whole processes in turns A B A B …: the median of each, and of the ratio of each pair,
// so that a machine whose speed drifts still gives a comparison. Processor time and peak memory are those that the
// kernel accounts to the process and its children (wait4, called from Python if it is installed).
import { spawnSync } from 'node:child_process'

const WAIT4 = `
import os, sys, time
start = time.perf_counter()
child = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ)
_, status, usage = os.wait4(child, 0)
took = time.perf_counter() - start
print('WAIT4', took, usage.ru_utime + usage.ru_stime, usage.ru_maxrss, file=sys.stderr)
sys.exit(os.waitstatus_to_exitcode(status) & 255)
`
const python = ['python3', '-S', '-E', '-c', WAIT4]
const hasPython = spawnSync(python[0], [...python.slice(1), 'true']).status === 0

/**
 * Runs a command once.
 * @returns {{ seconds: number, cpu: number, peak: number, stdout: Buffer }} elapsed seconds; user and system processor time in seconds,
 *   and peak memory in MiB, both NaN without Python
 */
export function once([program, ...args], { env = {} } = {}) {
  const wrapped = hasPython ? [...python, program, ...args] : [program, ...args]
  const start = process.hrtime.bigint()
  const result = spawnSync(wrapped[0], wrapped.slice(1), { env: { ...process.env, ...env }, maxBuffer: 1 << 28 })
  const seconds = Number(process.hrtime.bigint() - start) / 1e9
  if (result.status !== 0) throw new Error(`${program} ${args.join(' ')}: ${result.stderr}`)
  const { stdout } = result
  const usage = /WAIT4 (\S+) (\S+) (\d+)\n$/.exec(result.stderr.toString())
  if (usage === null) return { seconds, cpu: Number.NaN, peak: Number.NaN, stdout }
  return { seconds: Number(usage[1]), cpu: Number(usage[2]), peak: Number(usage[3]) / 1024, stdout }
}

/** Returns the median of numbers. */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

/**
 * Runs both sides in turns, prints and returns the comparison. `before` and `after` of a side run untimed around each
 * run.
 */
export function race(title, ours, reference, rounds = 5) {
  const runs = { ours: [], reference: [] }
  for (let round = -1; round < rounds; round++) {
    for (const [side, contender] of Object.entries({ ours, reference })) {
      contender.before?.()
      const run = once(contender.command, contender)
      contender.after?.()
      if (round >= 0) runs[side].push(run)
    }
  }
  const middle = (side, what) => median(runs[side].map((run) => run[what]))
  const against = (what) => median(runs.ours.map((run, i) => run[what] / runs.reference[i][what]))
  const peak = (side) => Math.max(...runs[side].map((run) => run.peak))
  const result = {
    title,
    ours: middle('ours', 'seconds'),
    reference: middle('reference', 'seconds'),
    ratio: against('seconds'),
    cpu: middle('ours', 'cpu'),
    referenceCpu: middle('reference', 'cpu'),
    cpuRatio: against('cpu'),
    peak: peak('ours'),
    referencePeak: peak('reference'),
  }
  const seconds = (value) => (value < 1 ? value.toFixed(3) : value.toFixed(2)).padStart(5)
  console.log(
    `${title.padEnd(48)} ${seconds(result.ours)} s  ${seconds(result.reference)} s  ratio ${result.ratio.toFixed(2)}  ` +
      `cpu ${seconds(result.cpu)} / ${seconds(result.referenceCpu)} s ${result.cpuRatio.toFixed(2)}  ` +
      `peak ${result.peak.toFixed(0)} / ${result.referencePeak.toFixed(0)} MiB`,
  )
  return result
}
