// Whole processes against each other: A B A B …, the median of each and of the ratios pair by pair, so that a machine
// whose speed drifts still gives a comparison. Peak memory is what the kernel accounts to the process.
import { spawnSync } from 'node:child_process'

const hasTime = spawnSync('/usr/bin/time', ['-f', '%M', 'true']).status === 0

/** @returns {{ seconds: number, peak: number }} wall seconds; MiB, NaN where /usr/bin/time is missing */
export function once([program, ...args], { env = {} } = {}) {
  const wrapped = hasTime ? ['/usr/bin/time', '-f', 'PEAK %M', program, ...args] : [program, ...args]
  const start = process.hrtime.bigint()
  const result = spawnSync(wrapped[0], wrapped.slice(1), { env: { ...process.env, ...env }, maxBuffer: 1 << 28 })
  const seconds = Number(process.hrtime.bigint() - start) / 1e9
  if (result.status !== 0) throw new Error(`${program} ${args.join(' ')}: ${result.stderr}`)
  const peak = /PEAK (\d+)/.exec(result.stderr.toString())
  return { seconds, peak: peak ? Number(peak[1]) / 1024 : Number.NaN }
}

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

/** `before` of a side runs untimed ahead of each of its runs. */
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
  const seconds = (side) => median(runs[side].map((run) => run.seconds))
  const ratio = median(runs.ours.map((run, i) => run.seconds / runs.reference[i].seconds))
  const peak = Math.max(...runs.ours.map((run) => run.peak))
  const referencePeak = Math.max(...runs.reference.map((run) => run.peak))
  console.log(
    `${title.padEnd(58)} ${seconds('ours').toFixed(2)} s  ${seconds('reference').toFixed(2)} s  ratio ${ratio.toFixed(2)}  ` +
      `peak ${peak.toFixed(0)} / ${referencePeak.toFixed(0)} MiB`,
  )
  return { title, ours: seconds('ours'), reference: seconds('reference'), ratio, peak }
}
